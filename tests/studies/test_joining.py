from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from carina.errors import ManifestError
from carina.studies import joining
from carina.studies.checks import check
from carina.studies.joining import join_manifests
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Mask

Make = Callable[..., Manifest]


def test_pictures_and_masks_of_all_manifests_are_found_from_the_joined_one(
    cohort: Make, tmp_path: Path
) -> None:
    first, second = cohort("a", source="here"), cohort("b", source="there")
    study, *others = second.studies
    mask = Mask(radiograph=0, label="mass", path=study.radiographs[0].path)
    second = write_manifest([replace(study, masks=(mask,)), *others], second.path, second.root)
    join_manifests([first, second], tmp_path / "both.parquet")
    both = Manifest.read(tmp_path / "both.parquet")
    assert len(both) == len(first) + len(second)
    for study in both.studies:
        assert both.absolute(study.radiographs[0].path).is_file()
    (held,) = [mask for study in both.studies for mask in study.masks]
    assert both.absolute(held.path).resolve() == second.absolute(mask.path).resolve()


def test_names_that_two_sources_use_are_told_apart_and_others_stay(
    cohort: Make, tmp_path: Path
) -> None:
    first = cohort("a", patients="abcd", source="here")
    second = cohort("b", patients="dxyz", source="there")
    joined = join_manifests([first, second], tmp_path / "both.parquet").studies
    names = [study.patient_id for study in joined]
    assert names == ["a", "b", "c", "here/d", "there/d", "x", "y", "z"]
    assert len({study.study_id for study in joined}) == 8


def test_patients_of_one_source_stay_one_so_that_leaks_are_still_found(
    cohort: Make, tmp_path: Path
) -> None:
    first = cohort("a", splits=("train",) * 4)
    other = cohort("b", splits=("test",) * 4)
    renamed = [replace(study, study_id=f"again {study.study_id}") for study in other.studies]
    second = write_manifest(renamed, other.path, other.root)
    joined = join_manifests([first, second], tmp_path / "both.parquet")
    assert {study.patient_id for study in joined.studies} == set("abcd")
    assert len(check([joined]).patients) == 4


def test_a_study_of_one_source_in_two_manifests_is_refused(cohort: Make, tmp_path: Path) -> None:
    first = cohort("a")
    again = Manifest.read(first.path)
    with pytest.raises(ManifestError, match=r"of here is in .*a\.parquet too, expected each study"):
        join_manifests([first, again], tmp_path / "both.parquet")
    assert not (tmp_path / "both.parquet").exists()


def test_roots_on_two_drives_are_refused(
    cohort: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_drives(paths: list[str]) -> str:
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr(joining.os.path, "commonpath", two_drives)
    with pytest.raises(ManifestError, match="have no folder in common"):
        join_manifests([cohort("a"), cohort("b", source="there")], tmp_path / "both.parquet")


def test_one_manifest_joined_is_itself(cohort: Make, tmp_path: Path) -> None:
    first = cohort("a")
    joined = join_manifests([first], tmp_path / "one.parquet")
    assert joined.studies == first.studies


def test_a_joined_manifest_says_which_datasets_it_is_of_if_all_do(
    cohort: Make, tmp_path: Path
) -> None:
    first, second = (cohort(name, source=name) for name in "ab")
    known = [
        write_manifest(each.studies, tmp_path / f"{name}.parquet", each.root, name)
        for each, name in ((second, "chexpert-test"), (first, "chexpert"))
    ]
    joined = join_manifests(known, tmp_path / "both.parquet")
    assert Manifest.read(joined.path).dataset == "chexpert+chexpert-test"
    assert join_manifests([known[0], first], tmp_path / "one.parquet").dataset is None
