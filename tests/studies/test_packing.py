"""Which images of a manifest are packed, and from where."""

from pathlib import Path

import pytest

from carina.errors import ManifestError
from carina.studies.manifest import Manifest
from carina.studies.packing import images_to_pack
from carina.study import Radiograph, Study


def study(name: str, *radiographs: tuple[str, str | None]) -> Study:
    made = tuple(Radiograph(path=path, view=view) for path, view in radiographs)
    return Study(study_id=name, patient_id=name, source="here", radiographs=made)


def test_frontal_and_unknown_views_are_packed_once_in_order(tmp_path: Path) -> None:
    studies = (
        study("1", ("b.png", "PA"), ("side.png", "LATERAL")),
        study("2"),
        study("3", ("a.png", None), ("b.png", "AP"), ("odd.png", "XR")),
    )
    items = images_to_pack(Manifest(tmp_path / "m.parquet", tmp_path, studies=studies))
    assert list(items) == [(name, tmp_path / name) for name in ("b.png", "a.png", "odd.png")]
    assert len(items) == 3
    assert items[1:] == [("a.png", tmp_path / "a.png"), ("odd.png", tmp_path / "odd.png")]
    assert items[-1][0] == "odd.png"


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "m", tmp_path / "gone", studies=(study("1", ("a", "PA")),))
    with pytest.raises(ManifestError, match=r"where there is no folder\. Give the folder with"):
        images_to_pack(manifest)


def test_a_manifest_without_frontal_views_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "m", tmp_path, studies=(study("1", ("a", "LL")), study("2")))
    with pytest.raises(ManifestError, match="holds no frontal radiograph"):
        images_to_pack(manifest)
