"""CheXlocalize as people have it on disk: outlines in one folder, images in another."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carina.datasets.chexlocalize import CHEXLOCALIZE
from carina.datasets.chexlocalize_layout import write_chexlocalize
from carina.datasets.chexpert_layout import LABELS
from carina.datasets.coco_masks import text_of_mask
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.study import Study

VALID, TEST = "patient64541/study1/view1_frontal", "patient64741/study1/view1_frontal"
HALF = np.zeros((64, 80), dtype=np.bool_)
HALF[:, 40:] = True


def outline(mask: np.ndarray = HALF) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": text_of_mask(mask)}


def key(place: str) -> str:
    return place.replace("/", "_")


def labels(path: Path, place: str, *names: str) -> None:
    cells = [str(int(name in names)) for name in LABELS]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Path,{','.join(LABELS)}\nCheXpert-v1.0/{place}.jpg,{','.join(cells)}\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One image in each part, outlined; the picture of the test part is half as large."""
    for place, size in ((f"val/{VALID}", (80, 64)), (f"test/{TEST}", (40, 32))):
        path = tmp_path / "CheXpert" / f"{place}.jpg"
        path.parent.mkdir(parents=True)
        Image.new("L", size).save(path)
    labels(tmp_path / "CheXpert" / "val_labels.csv", f"valid/{VALID}", "Lung Opacity")
    labels(tmp_path / "CheXpert" / "test_labels.csv", f"test/{TEST}", "Edema")
    empty = outline(np.zeros((64, 80), dtype=np.bool_))
    told = {key(VALID): {"Airspace Opacity": outline(), "Edema": empty}}
    outlines(tmp_path, "val", told)
    outlines(tmp_path, "test", {key(TEST): {"Edema": outline()}})
    return tmp_path


def outlines(root: Path, part: str, told: object) -> None:
    (root / "CheXlocalize").mkdir(exist_ok=True)
    (root / "CheXlocalize" / f"gt_segmentations_{part}.json").write_text(json.dumps(told))


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    release = Release(root=root, masks=root / "drawn")
    return list(read_studies(CHEXLOCALIZE, release, tally))


def test_the_outlines_of_both_parts_are_drawn_at_the_size_of_their_pictures(root: Path) -> None:
    valid, test = index_release(CHEXLOCALIZE, Release(root=root), root / "m.parquet").studies
    assert (valid.split, test.split, valid.source) == ("validate", "test", "chexpert")
    (mask,) = valid.masks
    assert (mask.label, mask.reader, mask.radiograph) == ("Lung Opacity", "consensus", 0)
    np.testing.assert_array_equal(read_mask(root / mask.path, 64, 80), HALF)
    (smaller,) = test.masks
    np.testing.assert_array_equal(read_mask(root / smaller.path, 32, 40), HALF[::2, ::2])


def test_a_mask_stands_by_the_radiograph_that_it_is_of(root: Path) -> None:
    other = root / "CheXpert" / "val" / f"{VALID}.jpg"
    lateral = other.with_name("view2_lateral.jpg")
    lateral.write_bytes(other.read_bytes())
    table = root / "CheXpert" / "val_labels.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([*rows, rows[1].replace("view1_frontal", "view2_lateral")]) + "\n")
    told = {key(VALID.replace("view1_frontal", "view2_lateral")): {"Edema": outline()}}
    outlines(root, "val", told)
    tally = Tally()
    (mask,) = studies_in(root, tally)[0].masks
    assert (mask.label, mask.radiograph) == ("Edema", 1)
    assert tally.counts == {
        "images without an outline": 1,
        "findings that are outlined but not labelled as present": 1,
        "findings that are labelled as present but not outlined": 1,
    }


def test_a_part_without_outlines_is_noted(root: Path) -> None:
    (root / "CheXlocalize" / "gt_segmentations_test.json").unlink()
    tally = Tally()
    assert [study.split for study in studies_in(root, tally)] == ["validate"]
    assert tally.notes == ["gt_segmentations_test.json is not there: no study of test."]


def test_an_image_that_is_damaged_has_no_mask(root: Path) -> None:
    (root / "CheXpert" / "val" / f"{VALID}.jpg").write_bytes(b"x")
    tally = Tally()
    assert studies_in(root, tally)[0].masks == ()
    assert tally.counts["images whose outlines are left out: they cannot be read"] == 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([], "found list, expected outlines by image and finding"),
        ({key(VALID): {"Cold": outline()}}, "_frontal, Cold: expected one of Enlarged Cardio"),
        ({key(VALID): {"Edema": {"size": [64, 80]}}}, "Edema: lacks 'counts', or has it in anot"),
        ({key(VALID): {"Edema": {"size": [64, 81], "counts": "0"}}}, "Edema: the runs cover 0 pi"),
    ],
)
def test_outlines_that_cannot_be_right_are_refused(root: Path, told: object, message: str) -> None:
    outlines(root, "val", told)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_files_that_are_missing_or_damaged_are_told(root: Path) -> None:
    (root / "CheXlocalize" / "gt_segmentations_val.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        studies_in(root)
    outlines(root, "val", {})
    (root / "CheXpert" / "val_labels.csv").unlink()
    with pytest.raises(DatasetError, match=r"val_labels\.csv or valid\.csv expected here or up to"):
        studies_in(root)
    for path in (root / "CheXlocalize").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"gt_segmentations_val\.json or .* expected for chexl"):
        studies_in(root)


def test_a_phantom_outlines_what_its_labels_say(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("cardiomegaly",), ("nodule",)] * 8)
    write_chexlocalize(cohort, tmp_path)
    tally = Tally()
    studies = studies_in(tmp_path, tally)
    assert {study.split for study in studies} == {"validate", "test"}
    assert {mask.label for mask in studies[0].masks} == {
        "Cardiomegaly",
        "Enlarged Cardiomediastinum",
    }
    inside = read_mask(tmp_path / studies[0].masks[0].path, 32, 32)
    assert inside[:16, :16].all()
    assert inside.sum() == 256
    assert tally.counts == {}
