"""Frontal radiographs are told from others by the words of their view."""

from pathlib import Path

import pytest

from carina.studies.manifest import Manifest
from carina.studies.views import frontal_images, is_frontal, unknown_views
from carina.study import Radiograph, Study


@pytest.mark.parametrize("view", ["PA", "ap", "AP Supine", "AP AXIAL", "PA LLD", "Frontal"])
def test_frontal_views_are_known(view: str) -> None:
    assert is_frontal(view) is True


@pytest.mark.parametrize(
    "view", ["LATERAL", "LL", "L", "XTABLE LATERAL", "LAO", "SWIMMERS", "left-lateral"]
)
def test_views_from_the_side_are_known(view: str) -> None:
    assert is_frontal(view) is False


@pytest.mark.parametrize("view", [None, "", "erect", "chest"])
def test_other_views_are_not_known(view: str | None) -> None:
    assert is_frontal(view) is None


def test_frontal_images_keep_their_places_and_take_unknown_views(tmp_path: Path) -> None:
    views = [("LATERAL", "PA"), (None, "LL"), ("AP",)]
    studies = tuple(
        Study(
            study_id=str(i),
            patient_id="p",
            source="here",
            radiographs=tuple(Radiograph(path=f"{i}{v}", view=v) for v in these),
        )
        for i, these in enumerate(views)
    )
    manifest = Manifest(tmp_path / "m.parquet", tmp_path, studies=studies)
    assert frontal_images(manifest) == [(0, 1), (1, 0), (2, 0)]
    assert unknown_views(manifest) == 1
