"""ChestX-Det10 and ChestX-Det: every quirk on a tiny fake, and the real lists where they are."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carina.datasets.chestx_det import (
    CHESTX_DET,
    CHESTX_DET10,
    THIRTEEN,
    entries_in,
    mask_of_polygons,
)
from carina.datasets.chestx_det_layout import CLASSES, CLASSES_10, FILES, MADE_OF
from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.phantom.findings import FINDINGS
from carina.study import Assertion, Study

Entry = dict[str, Any]
SQUARE = [[256, 256], [768, 256], [768, 768], [256, 768]]


def entry(name: str = "36199.png", label: str = "Mass", **changed: Any) -> Entry:
    one: Entry = {
        "file_name": name,
        "syms": [label],
        "boxes": [[256, 256, 768, 768]],
        "polygons": [SQUARE],
    }
    return one | changed


def healthy(name: str) -> Entry:
    return {"file_name": name, "syms": [], "boxes": [], "polygons": []}


def release(root: Path, train: list[Any], test: list[Any], *, files: Any = FILES) -> Path:
    """Writes both lists, and a picture of 64 pixels for each image."""
    for part, entries in (("train", train), ("test", test)):
        (root / f"{part}_data").mkdir(parents=True, exist_ok=True)
        (root / files[part]).write_text(json.dumps(entries))
        for each in entries:
            if isinstance(each, dict) and isinstance(each.get("file_name"), str):
                Image.new("L", (64, 64)).save(root / f"{part}_data" / each["file_name"])
    return root


def studies_in(
    root: Path, dataset: Dataset = CHESTX_DET, tally: Tally | None = None
) -> list[Study]:
    return list(read_studies(dataset, Release(root=root), tally))


def test_outlines_become_boxes_and_masks_of_the_stored_picture(tmp_path: Path) -> None:
    two = entry(syms=["Mass", "Effusion"], boxes=[[256, 256, 768, 768], [0, 0, 1024, 512]])
    two["polygons"] = [SQUARE, [[0, 0], [1024, 0], [1024, 512], [0, 512]]]
    root = release(tmp_path / "det", [healthy("1.png")], [two])
    manifest = index_release(CHESTX_DET, Release(root=root), tmp_path / "m.parquet")
    none, study = manifest.studies
    assert {item.name for item in study.findings} == set(CLASSES)
    there = [item.name for item in study.findings if item.value is Assertion.PRESENT]
    assert there == ["Effusion", "Mass"]
    assert all(item.value is Assertion.ABSENT for item in none.findings)
    # 1,024 pixels are 64 here.
    assert [(b.label, b.x1, b.y1, b.x2, b.y2) for b in study.boxes] == [
        ("Mass", 16, 16, 48, 48),
        ("Effusion", 0, 0, 64, 32),
    ]
    inside = read_mask(manifest.absolute(study.masks[0].path), 64, 64)
    assert study.masks[0].label == "Mass"
    assert inside[32, 32]
    assert not inside[8, 32]
    assert inside.sum() == pytest.approx(32 * 32, rel=0.1)
    assert read_mask(manifest.absolute(study.masks[1].path), 64, 64)[:32].all()
    assert (none.split, study.split) == ("train", "test")


def test_several_outlines_of_a_class_are_one_mask() -> None:
    other = tuple((float(x) - 256, float(y) - 256) for x, y in SQUARE)
    both = mask_of_polygons((tuple((float(x), float(y)) for x, y in SQUARE), other), 1024)
    assert both[10, 10]
    assert both[760, 760]
    assert not both[10, 760]
    # Two squares of 512 that share one of 256.
    assert both.sum() == pytest.approx(2 * 512**2 - 256**2, rel=0.01)


def test_the_edition_of_ten_classes_has_boxes_only(tmp_path: Path) -> None:
    plain = {key: value for key, value in entry().items() if key != "polygons"}
    names = {"train": "train.json", "test": "test.json"}
    root = release(tmp_path / "det", [plain], [healthy("2.png")], files=names)
    manifest = index_release(CHESTX_DET10, Release(root=root), tmp_path / "m.parquet")
    assert {item.name for item in manifest.studies[0].findings} == set(CLASSES_10)
    assert len(CLASSES_10) == 10
    assert [len(study.boxes) for study in manifest.studies] == [1, 0]
    assert all(study.masks == () for study in manifest.studies)
    assert not (tmp_path / "m_masks").exists()


def test_a_patient_is_told_by_names_that_nih_gave(tmp_path: Path) -> None:
    root = release(tmp_path, [entry("00000042_006.png")], [entry("36199.png")])
    assert [study.patient_id for study in studies_in(root)] == ["00000042", "36199"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (entry(boxes=[[5, 5, 5, 9]]), "entry 1: the box 5, 5, 5, 9 has no area"),
        (entry(boxes=[[5, 5, 1200, 9]]), "entry 1: the box 5, 5, 1200, 9 lies outside of the 1024"),
        (
            entry(boxes=[[5, 5, 9]]),
            r"entry 1: found the box \[5, 5, 9\], expected \[x1, y1, x2, y2",
        ),
        (entry(boxes=[[5, 5, 9, "9"]]), r"entry 1: found the box \[5, 5, 9, '9'\], expected"),
        (entry(boxes=[]), "entry 1: has 1 syms, 0 boxes, 1 polygons, expected as many of each"),
        (entry(label="Tumour"), "entry 1: found the class 'Tumour', expected one of Atelectasis"),
        (
            entry(polygons=[SQUARE[:2]]),
            "entry 1: found a polygon of 2 points, expected at least th",
        ),
        (entry(polygons=[[*SQUARE, [0, 1025]]]), "found a polygon of 5 points, .* inside of 1024"),
        (entry(polygons=["none"]), "entry 1: found a polygon of 'none' points, expected"),
        (entry() | {"file_name": 36199}, "entry 1: found the file_name 36199, expected text such"),
        (["36199.png"], "entry 1: found the file_name None, expected text such as '36199.png'"),
        (
            {"file_name": "1.png", "syms": [], "boxes": []},
            "found the keys file_name, syms, boxes, ",
        ),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(tmp_path: Path, wrong: Any, message: str) -> None:
    root = release(tmp_path, [wrong], [healthy("2.png")])
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_lists_of_something_else_are_refused(tmp_path: Path) -> None:
    root = release(tmp_path, [entry("1.png")], [entry("1.png")])
    with pytest.raises(DatasetError, match=r"test\.json: 1\.png is listed a second time; expected"):
        studies_in(root)
    (root / FILES["test"]).write_text("{}")
    with pytest.raises(DatasetError, match=r"test\.json: is no list of images"):
        studies_in(root)
    (root / FILES["test"]).write_text("[{")
    with pytest.raises(DatasetError, match=r"test\.json: cannot be read as JSON"):
        studies_in(root)


def test_images_that_are_not_there_are_counted(tmp_path: Path) -> None:
    root, tally = release(tmp_path, [entry("1.png")], [entry("2.png")]), Tally()
    (root / "train_data" / "1.png").unlink()
    assert [study.study_id for study in studies_in(root, tally=tally)] == ["2"]
    assert tally.counts == {"images that are listed but not there, left out": 1}
    (root / "test_data" / "2.png").rename(root / "test_data" / "3.png")
    with pytest.raises(DatasetError, match=r"none of the 2 images .* is there, such as 1\.png"):
        studies_in(root)


@pytest.mark.parametrize("dataset", [CHESTX_DET10, CHESTX_DET])
def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort], dataset: Dataset
) -> None:
    assert {name for parts in MADE_OF.values() for name in parts} <= set(FINDINGS)
    assert tuple(MADE_OF) == CLASSES
    cohort, root = stand_in([("mass", "cardiomegaly"), ("pacemaker",)] * 4), tmp_path / "out"
    assert dataset.write is not None
    dataset.write(cohort, root)
    manifest = index_release(dataset, Release(root=root), tmp_path / "m.parquet")
    thirteen = dataset is CHESTX_DET
    for drawn, study in zip(cohort.studies, _in_order(manifest.studies), strict=True):
        sick = int(drawn.study_id[1:]) % 2 == 0
        labels = (["Cardiomegaly", "Mass"] if thirteen else ["Mass"]) if sick else []
        assert [box.label for box in study.boxes] == labels
        assert [mask.label for mask in study.masks] == (labels if thirteen else [])
        assert all((box.x2, box.y2) == (16, 16) for box in study.boxes)
        assert (study.split == "test") == (drawn.split == "test")


def _in_order(studies: tuple[Study, ...]) -> list[Study]:
    return sorted(studies, key=lambda study: study.study_id)


def test_the_real_lists_are_the_release_that_is_declared(data_dir: Path) -> None:
    folder = data_dir / "chestx_det"
    found = list(entries_in(folder / FILES["test"], THIRTEEN))
    train = json.loads((folder / FILES["train"]).read_text())
    assert len(found) + len(train) == 553 + 3_025 == CHESTX_DET.counts["studies"]
    outlines = [outline for _, each in found for outline in each]
    counted = Counter(f"boxes of {outline.label}" for outline in outlines)
    counted.update(f"boxes of {label}" for each in train for label in each["syms"])
    assert counted == CHESTX_DET.labels
    # A box encloses its polygon; the two were drawn with a hand's precision.
    for outline in outlines[::20]:
        (x1, y1, x2, y2), points = outline.corners, np.array(outline.polygon)
        assert np.all(points.min(axis=0) >= (x1 - 3, y1 - 3))
        assert np.all(points.max(axis=0) <= (x2 + 3, y2 + 3))


def test_the_test_part_of_ten_classes_adds_up() -> None:
    assert sum(CHESTX_DET10.labels.values()) == 1_476
    assert {name.split(" in ")[0] for name in CHESTX_DET10.labels} == {
        f"boxes of {label}" for label in CLASSES_10
    }
