"""TBX11K on a tiny fake of its folders: lists, boxes, and images by class."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.datasets.tbx11k import TBX11K
from carina.datasets.tbx11k_layout import write_tbx11k
from carina.errors import DatasetError
from carina.study import Study

NAMES = ("health/h0001.png", "sick/s0001.png", "tb/tb0001.png", "tb/tb1199.png")
KINDS = ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis")


def annotations(*records: dict[str, Any]) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(NAMES)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(KINDS, start=1)],
        "annotations": list(records),
    }


def box(image: int = 2, category: int = 1, bbox: object = (100, 120, 50, 60)) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": bbox}


def save_boxes(root: Path, content: object, name: str = "TBX11K_trainval") -> Path:
    path = root / "annotations" / "json" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Half the size of the release: boxes are on 512 pixels, the pictures have 256."""
    for name in (*NAMES, "test/t0001.png"):
        path = tmp_path / "imgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (256, 256), 90).save(path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "TBX11K_train.txt").write_text("\ufeff" + "\r\n".join(NAMES[:2]) + "\r\n")
    (tmp_path / "lists" / "TBX11K_val.txt").write_text("\n".join(NAMES[2:]))
    save_boxes(tmp_path, annotations(box(), box(category=2)))
    return tmp_path


def studies_in(root: Path, tally: Tally | None = None) -> dict[str, Study]:
    release = Release(root=root)
    return {study.study_id: study for study in read_studies(TBX11K, release, tally)}


def said(study: Study) -> dict[str, str]:
    return {finding.name: str(finding.value) for finding in study.findings}


def test_the_class_of_an_image_is_its_folder_and_its_activity_that_of_its_boxes(root: Path) -> None:
    found = studies_in(root)
    none = dict.fromkeys(("Tuberculosis", "Active Tuberculosis", "Latent Tuberculosis"), "absent")
    assert said(found["h0001"]) == {"No Finding": "present"} | none
    assert said(found["s0001"]) == none  # what else they have is not told
    assert said(found["tb0001"]) == dict.fromkeys(none, "present")
    assert said(found["tb1199"]) == {"Tuberculosis": "present"}
    assert [found[name].split for name in found] == ["train", "train", "validate", "validate"]


def test_boxes_are_brought_to_the_picture_and_stand_under_both_names(root: Path) -> None:
    boxes = studies_in(root)["tb0001"].boxes
    assert [each.label for each in boxes] == [
        *("Active Tuberculosis", "Tuberculosis"),
        *("Latent Tuberculosis", "Tuberculosis"),
    ]
    # 100, 120, 50 wide, 60 high on 512 pixels is 50, 60 to 75, 90 on 256.
    assert {(each.x1, each.y1, each.x2, each.y2) for each in boxes} == {(50.0, 60.0, 75.0, 90.0)}


def test_the_test_part_is_left_out_and_that_is_told(root: Path) -> None:
    tally = Tally()
    assert "t0001" not in studies_in(root, tally)
    assert tally.notes == [
        "1 images of the test part were left out: its labels are not public. Measure on the "
        "validation part, or send predictions to the server of its makers."
    ]
    name = "images of tuberculosis without a box: active or latent is not told"
    assert tally.counts == {name: 1}


def test_the_test_part_alone_is_refused(root: Path) -> None:
    for name in NAMES:
        (root / "imgs" / name).unlink()
    with pytest.raises(DatasetError, match="1 of the test part, whose labels are not public"):
        studies_in(root)
    (root / "imgs" / "test" / "t0001.png").rename(root / "imgs" / "other.png")
    with pytest.raises(DatasetError, match=r"such as imgs/health/h0001\.png. Unpack the images"):
        studies_in(root)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("test/t0001.png", "line 1: found 'test/t0001.png', expected an image of health/, sick/"),
        ("h0001.png", "expected an image of health/"),
        ("tb/tb0001.png\ntb/tb0001.png", r"line 2: tb/tb0001\.png is listed a second time"),
    ],
)
def test_another_list_is_refused(root: Path, lines: str, message: str) -> None:
    (root / "lists" / "TBX11K_train.txt").write_text(lines)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "cannot be read as annotations"),
        (annotations(box(image=9)), "annotation 0: lacks 9"),
        (annotations(box(bbox=[1, 2, 3])), "annotation 0: lacks not enough values"),
        (annotations(box(bbox=[1, 2, 0, 3])), "annotation 0: the box 1, 2, 1, 5 has no area"),
        (annotations(box(bbox=[500, 2, 90, 3])), "lies outside of the 512 x 512 pixels"),
    ],
)
def test_boxes_that_cannot_be_right_are_refused(root: Path, content: object, message: str) -> None:
    save_boxes(root, content)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_another_category_is_refused(root: Path) -> None:
    content = annotations(box())
    content["categories"][0]["name"] = "Nodule"
    save_boxes(root, content)
    with pytest.raises(DatasetError, match="the category is 'Nodule', expected one of ActiveTub"):
        studies_in(root)


def test_what_is_odd_is_counted(root: Path) -> None:
    save_boxes(root, annotations(box(), box(image=0)))
    (root / "imgs" / "sick" / "s0001.png").unlink()
    (root / "imgs" / "tb" / "tb0001.png").write_bytes(b"x")
    tally = Tally()
    found = studies_in(root, tally)
    assert found["h0001"].boxes == found["tb0001"].boxes == ()
    assert tally.counts == {
        "boxes on images of people without tuberculosis, left out": 1,
        "images that are listed but not there, left out": 1,
        "images whose outlines are left out: they cannot be read": 1,
        "images of tuberculosis without a box: active or latent is not told": 1,
    }


def test_a_phantom_is_read_back(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("cavity",), ("granuloma",), ("nodule",), (), ("cavity",), (), (), ()])
    write_tbx11k(cohort, tmp_path)
    tally = Tally()
    found = list(studies_in(tmp_path, tally).values())
    assert [study.split for study in found] == ["train"] * 4 + ["validate"] * 2
    assert [box.label for box in found[1].boxes] == ["Latent Tuberculosis", "Tuberculosis"]
    assert said(found[3])["No Finding"] == "present"
    assert found[0].boxes[0].x2 == 256.0  # half of the picture, which is 512 wide there
    assert [note[:26] for note in tally.notes] == ["2 images of the test part "]


def test_json_with_a_byte_order_mark_is_read(root: Path) -> None:
    before = studies_in(root)
    path = save_boxes(root, annotations(box(), box(category=2)))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert studies_in(root) == before
