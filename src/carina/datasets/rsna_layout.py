"""The files of the RSNA challenge: the names they have, and a phantom cohort under them."""

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path

from carina.datasets.dicom_files import save_dicom
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.split_lists import LISTS, PublishedLists, write_lists
from carina.phantom.dicom import uid
from carina.study import Assertion, Study

TABLE = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
TRAIN_IMAGES, TEST_IMAGES = "stage_2_train_images", "stage_2_test_images"
COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
CLASS_COLUMNS = ("patientId", "class")
SIDE = 1024
"""Boxes are in pixels of the original square, also where a copy has smaller pictures."""

OPACITY, NORMAL, OTHER = "Lung Opacity", "Normal", "No Lung Opacity / Not Normal"
PATTERN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXAMPLE = "0004cfab-14fd-4e49-80ba-63a80b6bddd6"

MADE_OF = ("consolidation", "atelectasis", "pulmonary edema", "mass", "interstitial opacity")
"""The phantom's findings that count as lung opacity here; the first is what is outlined most."""

LOVT = PublishedLists(
    name="LoVT",
    files={"train": "train.csv", "validate": "validation.csv", "test": "test.csv"},
    lengths=(16_010, 5_337, 5_337),
    header="ID",
    pattern=PATTERN,
    example=EXAMPLE,
)
"""Of LoVT's code; MedKLIP's `test.csv` names the same test images."""

MRM = PublishedLists(
    name="MRM",
    files={"train": "train_list.txt", "validate": "val_list.txt", "test": "test_list.txt"},
    lengths=(25_184, 1_500, 3_000),
    labelled=True,
    pattern=PATTERN,
    example=EXAMPLE,
)
"""Of MRM's code, taken over by MaCo and ECAMP: the challenge's test images are in them."""

BENCHX = PublishedLists(
    name="BenchX",
    files={"train": "train.txt", "validate": "val.txt", "test": "test.txt"},
    lengths=(18_678, 4_003, 4_003),
    pattern=PATTERN,
    example=EXAMPLE,
)


def write_rsna(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the challenge's training part: JPEG-compressed DICOM and two tables."""
    _write(cohort, out, frozenset())


def write_lovt(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with LoVT's lists beside it."""
    write_rsna(cohort, out)
    write_lists(LOVT, _lines(cohort, "{name},,"), out / LISTS)


def write_benchx(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with BenchX's lists beside it."""
    write_rsna(cohort, out)
    write_lists(BENCHX, _lines(cohort, "{name}"), out / LISTS)


def write_mrm(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with MRM's lists beside it; the test part is the challenge's, unlabelled."""
    _write(cohort, out, frozenset({"test"}))
    write_lists(MRM, _lines(cohort, "{folder}/{name}.dcm {target} "), out / LISTS)


def _write(cohort: DrawnCohort, out: Path, unlabelled: frozenset[str]) -> None:
    rows: list[Mapping[str, object]] = []
    classes: list[Mapping[str, object]] = []
    for study, picture in cohort.pictures():
        name, secret = image_name(cohort.seed, study), study.split in unlabelled
        save_dicom(
            picture,
            out / (TEST_IMAGES if secret else TRAIN_IMAGES) / f"{name}.dcm",
            study,
            patient_id=name,
            study_uid=uid(cohort.seed, study.study_id, "study"),
            series_uid=uid(cohort.seed, study.study_id, "series"),
            image_uid=uid(cohort.seed, study.study_id, "image"),
        )
        if not secret:
            found = rows_of(study, name)
            rows += found
            classes += [{"patientId": name, "class": class_of(study)}] * len(found)
    save_table(rows, COLUMNS, out / TABLE)
    save_table(classes, CLASS_COLUMNS, out / CLASSES)


def image_name(seed: int, study: Study) -> str:
    """The name of a study's image, in the form that the challenge gives its patients."""
    return str(uuid.UUID(hashlib.md5(f"{seed}/{study.study_id}".encode()).hexdigest()))


def rows_of(study: Study, name: str) -> list[dict[str, object]]:
    """One row a box of an opacity, on a square of `SIDE`; one without a box where there is none."""
    scale = SIDE / (study.radiographs[0].width or SIDE)
    boxes = dict.fromkeys(
        (scale * box.x1, scale * box.y1, scale * (box.x2 - box.x1), scale * (box.y2 - box.y1))
        for box in study.boxes
        if box.label in MADE_OF
    )
    rows = [dict(zip(COLUMNS, (name, *box, 1), strict=True)) for box in boxes]
    return rows or [{"patientId": name, "Target": 0}]


def class_of(study: Study) -> str:
    """Which of the challenge's three classes a study is in."""
    if any(box.label in MADE_OF for box in study.boxes):
        return OPACITY
    sick = any(item.value is Assertion.PRESENT for item in study.findings)
    return OTHER if sick else NORMAL


def _lines(cohort: DrawnCohort, pattern: str) -> dict[str, list[str]]:
    """Split -> the lines of its list."""
    lines: dict[str, list[str]] = {}
    for study in cohort.studies:
        line = pattern.format(
            name=image_name(cohort.seed, study),
            folder=TEST_IMAGES if study.split == "test" else TRAIN_IMAGES,
            target=int(class_of(study) == OPACITY),
        )
        lines.setdefault(study.split or "train", []).append(line)
    return lines
