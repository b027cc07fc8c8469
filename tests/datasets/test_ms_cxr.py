"""MS-CXR on fakes in the release's layout: both forms, boxes, phrases, splits, and leaks."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.mimic_cxr import MIMIC_CXR
from carina.datasets.ms_cxr import MS_CXR
from carina.datasets.ms_cxr_layout import write_ms_cxr
from carina.datasets.ms_cxr_tables import COLUMNS
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.studies.checks import check
from carina.studies.manifest import write_manifest
from carina.study import Study

DICOM = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"
OTHER = "174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962"
PATH = f"files/p10/p10000032/s50414267/{DICOM}.jpg"
ROW = dict(
    zip(
        COLUMNS,
        (DICOM, "Pneumonia", "Right lower lobe  opacity", PATH, 10, 20, 30, 15, 100, 80),
        strict=True,
    )
)


class Fake:
    """The two folders of a release, with as many images as paths are asked for."""

    def __init__(self, folder: Path) -> None:
        self.images, self.notes = folder / "mimic-cxr-jpg", folder / "ms-cxr"
        self.notes.mkdir(parents=True)
        self.tally = Tally()
        self.image(PATH)

    def image(self, path: str, width: int = 100, height: int = 80) -> None:
        target = self.images / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((height, width), np.uint8)).save(target)

    def csv(self, *rows: dict[str, Any], version: str = "1.1.0", split: bool = True) -> None:
        columns = [*COLUMNS, "split"] if split else list(COLUMNS)
        path = self.notes / f"MS_CXR_Local_Alignment_v{version}.csv"
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows({"split": "test", **row} for row in rows)

    def json(self, *boxes: list[float], **changes: Any) -> None:
        content: dict[str, Any] = {
            "categories": [{"id": 7, "name": "Pneumonia"}],
            "images": [
                {"id": 3, "file_name": f"{DICOM}.jpg", "path": PATH, "width": 100, "height": 80}
            ],
            "annotations": [
                {"id": i, "image_id": 3, "category_id": 7, "bbox": box, "label_text": "opacity"}
                for i, box in enumerate(boxes)
            ],
        }
        text = json.dumps(content | changes)
        (self.notes / "MS_CXR_Local_Alignment_v1.0.0.json").write_text(text)

    def read(self) -> list[Study]:
        release = Release(root=self.images, second_root=self.notes)
        return list(read_studies(MS_CXR, release, self.tally))


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_a_row_becomes_a_box_with_its_phrase(fake: Fake) -> None:
    fake.csv(ROW)
    (study,) = fake.read()
    assert (study.study_id, study.patient_id, study.split) == ("50414267", "10000032", "test")
    assert study.source == "mimic-cxr"
    (box,) = study.boxes
    # x, y, width and height become corners; x2 and y2 lie outside of the box.
    assert (box.x1, box.y1, box.x2, box.y2) == (10, 20, 40, 35)
    assert (box.label, box.phrase) == ("Pneumonia", "Right lower lobe opacity")


def test_the_json_form_says_the_same_without_a_split(fake: Fake) -> None:
    fake.json([10, 20, 30, 15])
    (study,) = fake.read()
    (box,) = study.boxes
    assert (box.x1, box.y1, box.x2, box.y2, box.phrase) == (10, 20, 40, 35, "opacity")
    assert (box.label, study.split) == ("Pneumonia", None)


def test_of_several_files_the_newest_is_read_and_csv_before_json(fake: Fake) -> None:
    fake.json([1, 1, 2, 2])
    fake.csv({**ROW, "label_text": "old"}, version="1.0.0", split=False)
    assert fake.read()[0].boxes[0].phrase == "old"
    fake.csv({**ROW, "label_text": "new"})
    assert fake.read()[0].boxes[0].phrase == "new"
    assert "2 other forms or versions were not" in fake.tally.notes[-1]


def test_several_boxes_of_a_phrase_stay_several_and_repeats_are_left_out(fake: Fake) -> None:
    fake.csv(ROW, {**ROW, "x": 60}, ROW)
    (study,) = fake.read()
    assert [box.x1 for box in study.boxes] == [10, 60]
    assert len({box.phrase for box in study.boxes}) == 1
    assert fake.tally.counts == {"boxes that repeat another, left out": 1}


def test_images_of_one_study_are_its_radiographs(fake: Fake) -> None:
    other = PATH.replace(DICOM, OTHER)
    fake.image(other)
    fake.csv(ROW, {**ROW, "dicom_id": OTHER, "path": other, "category_name": "Edema"})
    (study,) = fake.read()
    assert [one.path for one in study.radiographs] == [PATH, other]
    assert [box.radiograph for box in study.boxes] == [0, 1]
    assert [finding.name for finding in study.findings] == ["Pneumonia", "Edema"]


def test_boxes_are_brought_to_images_kept_at_another_size(fake: Fake) -> None:
    fake.image(PATH, width=50, height=40)
    fake.csv(ROW)
    (box,) = fake.read()[0].boxes
    assert (box.x1, box.y1, box.x2, box.y2) == (5, 10, 20, 17.5)
    assert "another size" in next(iter(fake.tally.counts))


def test_a_box_on_the_edge_is_cut_off_there(fake: Fake) -> None:
    fake.csv({**ROW, "x": 70.0, "w": 31})
    assert fake.read()[0].boxes[0].x2 == 100


def test_boxes_without_words_are_kept_and_counted(fake: Fake) -> None:
    fake.csv({**ROW, "label_text": " "})
    assert fake.read()[0].boxes[0].phrase is None
    assert fake.tally.counts == {"boxes without a phrase": 1}


def test_images_that_are_not_there_are_left_out_and_counted(fake: Fake) -> None:
    gone = {**ROW, "path": PATH.replace("50414267", "50414268")}
    fake.csv(ROW, gone)
    assert len(fake.read()) == 1
    assert fake.tally.counts["studies left out: none of their images is there"] == 1
    fake.csv(gone)
    with pytest.raises(DatasetError, match="files/p10"):
        fake.read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "p10/image.jpg"}, "expected one of MIMIC-CXR"),
        ({"category_name": "Nodule"}, "the category is 'Nodule', expected one of Atelectasis"),
        ({"w": 0}, r"the box \(x, y, width, height\) is 10, 20, 0, 15"),
        ({"x": 90}, "expected an area inside of the image"),
        ({"y": "top"}, "found 'top', expected pixels"),
        ({"split": "holdout"}, "split: found 'holdout', expected one of train"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(
    fake: Fake, change: dict[str, Any], message: str
) -> None:
    fake.csv({**ROW, **change})
    with pytest.raises(DatasetError, match=message):
        fake.read()


def test_a_study_in_two_splits_is_refused(fake: Fake) -> None:
    fake.csv(ROW, {**ROW, "x": 50, "split": "val"})
    with pytest.raises(DatasetError, match="50414267 is of patient 10000032 and split 'val'"):
        fake.read()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda fake: None, "found no MS_CXR_Local_Alignment_v1.1.0.csv or .json"),
        (lambda fake: fake.json([1, 2, 3, 4], images=[]), "annotation 0: lacks 3"),
        (lambda fake: fake.json([1, 2, 3]), "annotation 0: lacks"),
        (lambda fake: fake.json([1, 2, 3, 4], categories="x"), "cannot be read as annotations"),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    fake: Fake, break_it: Callable[[Fake], None], message: str
) -> None:
    break_it(fake)
    with pytest.raises(DatasetError, match=message):
        fake.read()


def test_a_phantom_release_reads_back_and_leaks_into_mimic(stand_in, tmp_path: Path) -> None:
    cohort = stand_in([["cardiomegaly"]] * 8)
    told = tuple(
        replace(
            study,
            study_id=f"{study.study_id}-1",
            boxes=tuple(replace(b, phrase="The heart is large.") for b in study.boxes),
        )
        for study in cohort.studies
    )
    out = tmp_path / "release"
    write_ms_cxr(replace(cohort, studies=told), out)
    both = [out / "mimic-cxr-jpg", out / "ms-cxr"]
    by_form = []
    for form in (".csv", ".json"):
        (file,) = both[1].glob(f"*{form}")
        release = Release(root=both[0], second_root=file)
        by_form.append(list(read_studies(MS_CXR, release)))
    assert [study.boxes for study in by_form[0]] == [study.boxes for study in by_form[1]]
    assert len(by_form[0]) == 3  # every third of eight
    assert by_form[0][0].boxes[0].phrase == "The heart is large."
    mimic = list(read_studies(MIMIC_CXR, Release(root=both[0], second_root=out / "mimic-cxr")))
    manifests = [
        write_manifest(mimic, tmp_path / "mimic.parquet", both[0]),
        write_manifest(by_form[0], tmp_path / "ms.parquet", both[0]),
    ]
    report = check(manifests, processes=1)
    assert any(shared.leak for shared in report.patients)
