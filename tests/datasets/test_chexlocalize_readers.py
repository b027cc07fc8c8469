"""CheXlocalize's human benchmark on a tiny fake: outlines, polygons and points of readers."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carina.datasets.chexlocalize_readers import CHEXLOCALIZE_READERS, mask_of_polygons
from carina.datasets.chexlocalize_readers_layout import write_chexlocalize_readers
from carina.datasets.chexpert_layout import LABELS
from carina.datasets.coco_masks import text_of_mask
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.study import Study

PLACE = "test/patient64741/study1/view1_frontal"
KEY = "patient64741_study1_view1_frontal"
TRUE = np.zeros((64, 80), dtype=np.bool_)
TRUE[:, 40:] = True
READ = np.zeros((64, 80), dtype=np.bool_)
READ[:, 20:60] = True


def outline(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": text_of_mask(mask)}


def save(root: Path, name: str, content: object) -> Path:
    path = root / "CheXlocalize" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One image, half as large as it was outlined, with the truth and what the readers drew."""
    picture = tmp_path / "CheXpert" / f"{PLACE}.jpg"
    picture.parent.mkdir(parents=True)
    Image.new("L", (40, 32)).save(picture)
    cells = ",".join(str(int(name in ("Edema", "Lung Opacity"))) for name in LABELS)
    (tmp_path / "CheXpert" / "test_labels.csv").write_text(
        f"Path,{','.join(LABELS)}\nCheXpert-v1.0/{PLACE}.jpg,{cells}\n"
    )
    truth = {"Edema": outline(TRUE), "Airspace Opacity": outline(TRUE)}
    save(tmp_path, "gt_segmentations_test.json", {KEY: truth})
    read = {"Edema": outline(READ), "Airspace Opacity": outline(READ)}
    save(tmp_path, "hb_segmentations_test.json", {KEY: read})
    points = {"Edema": [[10, 10], [50.4, 63.9]], "Airspace Opacity": [[39, 5]]}
    save(tmp_path, "hb_salient_pt_test.json", {KEY: points})
    return tmp_path


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    release = Release(root=root, masks=root / "drawn")
    return list(read_studies(CHEXLOCALIZE_READERS, release, tally))


def test_masks_and_points_are_the_readers_in_pixels_of_the_picture(root: Path) -> None:
    (study,) = studies_in(root)
    assert {(mask.label, mask.reader) for mask in study.masks} == {
        ("Edema", "benchmark"),
        ("Lung Opacity", "benchmark"),
    }
    np.testing.assert_array_equal(read_mask(root / study.masks[0].path, 32, 40), READ[::2, ::2])
    # Half of 10, 10; of 50.4, 63.9; and of 39, 5: each a pixel of its own.
    assert [(box.label, box.x1, box.y1, box.x2 - box.x1) for box in study.boxes] == [
        ("Edema", 5, 5, 1),
        ("Edema", 25, 31, 1),
        ("Lung Opacity", 19, 2, 1),
    ]
    assert {box.reader for box in study.boxes} == {"benchmark point"}
    assert (study.split, study.source) == ("test", "chexpert")


def test_readers_are_compared_with_the_truth_as_the_paper_does(root: Path) -> None:
    tally = Tally()
    studies_in(root, tally)
    # One of two points lies right of 40: a hit; the other finding's lies at 39: a miss. Of 80
    # columns both cover 40 to 59, and one or the other 20 to 79: 20 / 60.
    assert tally.notes == [
        *("readers on Edema: the point lies in the outline on 1 of 1 images, mean IoU 0.333 of 1",),
        "readers on Lung Opacity: the point lies in the outline on 0 of 1 images, mean IoU 0.333 "
        "of 1",
    ]


def test_polygons_serve_where_the_masks_were_not_made(root: Path) -> None:
    (root / "CheXlocalize" / "hb_segmentations_test.json").unlink()
    square = [[20, 0], [59, 0], [59, 63], [20, 63]]
    save(root, "hb_annotations_test.json", {KEY: {"img_size": [64, 80], "Edema": [square]}})
    (study,) = studies_in(root)
    np.testing.assert_array_equal(read_mask(root / study.masks[0].path, 32, 40), READ[::2, ::2])
    np.testing.assert_array_equal(mask_of_polygons([square], 64, 80), READ)


def test_without_points_or_truth_that_is_noted(root: Path) -> None:
    (root / "CheXlocalize" / "gt_segmentations_test.json").unlink()
    (root / "CheXlocalize" / "hb_salient_pt_test.json").unlink()
    tally = Tally()
    assert studies_in(root, tally)[0].boxes == ()
    assert tally.notes == [
        "hb_salient_pt_test.json is not there: no points.",
        "gt_segmentations_test.json is not there: the readers are not compared with the truth.",
    ]


def test_a_point_outside_of_the_picture_is_a_miss(root: Path) -> None:
    save(root, "hb_salient_pt_test.json", {KEY: {"Edema": [[90, 10]]}})
    tally = Tally()
    (study,) = studies_in(root, tally)
    assert [box.x1 for box in study.boxes] == [39]
    assert tally.notes[0].startswith("readers on Edema: the point lies in the outline on 0 of 1")


@pytest.mark.parametrize("content", [[], {KEY: 3}, {KEY: {"Edema": [7]}}])
def test_points_that_are_none_are_refused(root: Path, content: object) -> None:
    save(root, "hb_salient_pt_test.json", content)
    with pytest.raises(DatasetError, match=r"cannot be read as points .*expected \[x, y\] by imag"):
        studies_in(root)


@pytest.mark.parametrize(
    "told", [{"Edema": []}, {"img_size": 3}, {"img_size": [8, 8], "Edema": [[1, 2]]}]
)
def test_polygons_that_are_none_are_refused(root: Path, told: object) -> None:
    (root / "CheXlocalize" / "hb_segmentations_test.json").unlink()
    save(root, "hb_annotations_test.json", {KEY: told})
    with pytest.raises(DatasetError, match=r"_frontal: lacks .* expected img_size and polygons"):
        studies_in(root)


def test_a_phantom_s_readers_are_a_little_off(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    write_chexlocalize_readers(stand_in([("cardiomegaly",)] * 8), tmp_path)
    tally = Tally()
    assert len(studies_in(tmp_path, tally)) == 2
    # A square of 16 moved by 4: 12 columns in common of 20.
    assert "mean IoU 0.600 of 2" in tally.notes[0]
    assert "on 2 of 2 images" in tally.notes[0]
