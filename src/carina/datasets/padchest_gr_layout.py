"""The files of PadChest-GR: the names they have, and a phantom cohort written under them."""

import json
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_table, save_text
from carina.datasets.padchest_layout import (
    IMAGE,
    LAST_YEAR,
    NORMAL,
    PATIENT,
    SEX,
    STUDY,
    TERMS,
    deepened,
    digits,
)
from carina.study import Assertion, Box, Study

REPORTS = "grounded_reports_*.json"
"""Its name ends with the day of the version."""

WRITTEN_REPORTS = "grounded_reports_20240819.json"
TABLE = "master_table.csv"
AGE, SPLIT, LABEL = "PatientAge", "split", "label"
COLUMNS = (
    *(STUDY, IMAGE, LABEL, "boxes_count", "extra_boxes_count", "locations", "prior_study"),
    *("progression_status", "prior_imageID", "sentence_en", "sentence_es"),
    *("study_is_benchmark", "study_is_validation", SPLIT, PATIENT, "patient_is_benchmark"),
    *("PatientBirth", SEX, "StudyDate_DICOM", "StudyDate", AGE, "label_group", "Year"),
)
"""All of the release, in its order: a row for each label of a study."""

IMAGES = "Padchest_GR_files/PadChest_GR"
SPLITS = {"train": "train", "validate": "validation", "test": "test"}
BITS = 16


def write_padchest_gr(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the release. Studies and patients are those of the layout `padchest`."""
    reports: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for place, (study, picture) in enumerate(cohort.pictures()):
        number = digits(cohort.seed, study.study_id, 44)
        name = f"{number}_02-{place % 1000:03d}.png"
        save_png(deepened(picture, BITS, inverted=False), out / IMAGES / name)
        findings = findings_of(study)
        told = {STUDY: number, IMAGE: name, "PreviousStudyID": None, "PreviousImageID": None}
        reports.append({**told, "findings": findings})
        rows += rows_of(cohort.seed, study, number, name)
    save_text(json.dumps(reports, indent=1), out / WRITTEN_REPORTS)
    save_table(rows, COLUMNS, out / TABLE)


def findings_of(study: Study) -> list[dict[str, object]]:
    """A sentence for each finding that is there, with its boxes; one that denies without them."""
    width, height = study.radiographs[0].width or 1, study.radiographs[0].height or 1
    present = sorted(item.name for item in study.findings if item.value is Assertion.PRESENT)
    sentences: list[dict[str, object]] = []
    for name in present:
        boxes = [box for box in study.boxes if box.label == name]
        text = next((box.phrase for box in boxes if box.phrase), name)
        sentences.append(
            {
                "sentence_en": f"{text.capitalize()}.",
                "sentence_es": "Frase sintética.",
                "abnormal": True,
                "boxes": [share_of(box, width, height) for box in boxes],
                "extra_boxes": [],
                "labels": [TERMS.get(name, name)],
                "locations": [],
                "progression": None,
            }
        )
    if not present:
        sentence = {"sentence_en": "No abnormality.", "sentence_es": "Sin alteraciones."}
        sentences.append({**sentence, "abnormal": False})
    return sentences


def share_of(box: Box, width: int, height: int) -> list[float]:
    """The corners of a box as shares of the width and height of its picture."""
    corners = (box.x1 / width, box.y1 / height, box.x2 / width, box.y2 / height)
    return [round(value, 6) for value in corners]


def rows_of(seed: int, study: Study, number: str, name: str) -> list[dict[str, object]]:
    """The rows of a study: one a label; columns that nobody reads stay empty."""
    there = [item.name for item in study.findings if item.value is Assertion.PRESENT]
    years = int(study.age_years or 0)
    return [
        {
            STUDY: number,
            IMAGE: name,
            LABEL: TERMS.get(label, label),
            SPLIT: SPLITS[study.split or "train"],
            PATIENT: digits(seed, study.patient_id, 36),
            "PatientBirth": LAST_YEAR - years,
            SEX: study.sex,
            AGE: years,
            "Year": LAST_YEAR,
            "study_is_benchmark": True,
            "study_is_validation": False,
        }
        for label in sorted(there) or [NORMAL]
    ]
