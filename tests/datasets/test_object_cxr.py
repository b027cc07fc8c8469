"""Object-CXR as people have it on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.object_cxr import OBJECT_CXR
from carina.datasets.object_cxr_layout import write_object_cxr
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Study


def release(root: Path, *outlines: str, table: str = "train.csv", folder: str = "train") -> Path:
    """Writes a table with an image 80 wide and 60 high for each row."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    rows = [f"{number:05d}.jpg,{outline}" for number, outline in enumerate(outlines)]
    for number in range(len(outlines)):
        Image.new("L", (80, 60)).save(root / folder / f"{number:05d}.jpg")
    (root / table).write_text("\n".join(["image_name,annotation", *rows]) + "\n")
    return root


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(OBJECT_CXR, Release(root=root), tally))


def corners(study: Study) -> list[tuple[float, ...]]:
    return [(box.x1, box.y1, box.x2, box.y2) for box in study.boxes]


def test_every_kind_of_outline_has_a_box_around_it(tmp_path: Path) -> None:
    shapes = "0 10 20 30 40;1 1 2 3 4;2 5 9 7 3 12 8"
    (study,) = studies_in(release(tmp_path, shapes))
    assert corners(study) == [(10, 20, 30, 40), (1, 2, 3, 4), (5, 3, 12, 9)]
    assert study.findings[0].value is Assertion.PRESENT
    assert (study.split, study.study_id) == ("train", "train_00000")


def test_an_image_without_an_outline_has_no_object(tmp_path: Path) -> None:
    (study,) = studies_in(release(tmp_path, ""))
    assert study.findings[0].value is Assertion.ABSENT
    assert study.boxes == ()


def test_parts_of_equal_names_are_kept_apart_and_missing_ones_noted(tmp_path: Path) -> None:
    release(tmp_path, "")
    release(tmp_path, "", table="dev.csv", folder="dev")
    tally = Tally()
    studies = studies_in(tmp_path, tally)
    assert [(each.split, each.study_id) for each in studies] == [
        ("train", "train_00000"),
        ("validate", "dev_00000"),
    ]
    assert tally.notes == ["test.csv is not there: no study of test."]


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    root = release(tmp_path, "0 1 1 90 9;0 1 1 9 9", "0 1 1 2 2", "")
    (root / "train" / "00001.jpg").write_bytes(b"x")
    (root / "train" / "00002.jpg").unlink()
    tally = Tally()
    assert [len(each.boxes) for each in studies_in(root, tally)] == [1, 0]
    assert tally.counts == {
        "outlines outside of their picture, left out": 1,
        "images whose outlines are left out: they cannot be read": 1,
        "images that are listed but not there, left out": 1,
    }


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ("3 1 2 3 4", "row 2, annotation: found '3 1 2 3 4', expected 0 or 1 and two corners"),
        ("0 1 2 3", "found '0 1 2 3', expected 0 or 1 and two corners"),
        ("2 1 2 3 4", "found '2 1 2 3 4', expected 0 or 1"),
        ("0 1 2 x 4", "found '0 1 2 x 4', expected numbers"),
        ("0 1 2 1 4", "the outline 0 1 2 1 4 has no area"),
    ],
)
def test_an_outline_that_cannot_be_right_is_refused(
    tmp_path: Path, outline: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, outline))


def test_a_release_without_its_images_is_told(tmp_path: Path) -> None:
    root = release(tmp_path, "")
    (root / "train" / "00000.jpg").rename(root / "train" / "1.jpg")
    with pytest.raises(DatasetError, match="none of the 1 images that are listed is there"):
        studies_in(root)


def test_a_phantom_has_its_devices_for_objects(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("pacemaker", "chest tube", "sternal wires"), ("nodule",)] * 4)
    write_object_cxr(cohort, tmp_path)
    studies = studies_in(tmp_path)
    assert [len(each.boxes) for each in studies] == [3, 0] * 4
    assert corners(studies[0]) == [(0, 0, 16, 16)] * 3
    assert [each.split for each in studies] == [each.split for each in cohort.studies]
