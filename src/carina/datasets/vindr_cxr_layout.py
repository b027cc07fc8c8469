"""The files of VinDr-CXR: the names they have, and a phantom cohort written under them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from carina.datasets.dicom_files import save_deep_dicom
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.phantom.dicom import uid
from carina.phantom.randomness import generator
from carina.study import Box, Study

ANNOTATIONS = "annotations"
BOXES = {"train": "annotations_train.csv", "test": "annotations_test.csv"}
LABELS = {"train": "image_labels_train.csv", "test": "image_labels_test.csv"}
KAGGLE_TABLE = "train.csv"
FOLDERS = {"train": "train", "test": "test"}

IMAGE, READER, CLASS, CLASS_ID = "image_id", "rad_id", "class_name", "class_id"
CORNERS = ("x_min", "y_min", "x_max", "y_max")
KAGGLE_COLUMNS = (IMAGE, CLASS, CLASS_ID, READER, *CORNERS)
NOTHING, OTHER, OTHERS = "No finding", "Other disease", "Other diseases"
"""The training part has the plural, the test part the singular."""

OUTLINED = (
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture"),
    *("Consolidation", "Edema", "Emphysema", "Enlarged PA", "ILD", "Infiltration"),
    *("Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift", "Nodule/Mass"),
    *("Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis"),
    *("Rib fracture", "Other lesion"),
)
WHOLE = ("COPD", "Lung tumor", "Pneumonia", "Tuberculosis", OTHER, NOTHING)
NAMES = (*OUTLINED, *WHOLE)
"""The 22 findings that have boxes, and the 6 labels of a whole image."""

KAGGLE_NAMES = (
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation"),
    *("ILD", "Infiltration", "Lung Opacity", "Nodule/Mass", "Other lesion"),
    *("Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis"),
    NOTHING,
)
"""The classes of the challenge, in the order of their numbers."""

MADE_OF: Mapping[str, tuple[str, ...]] = {
    "Aortic enlargement": ("tortuous aorta",),
    "Atelectasis": ("atelectasis",),
    "Calcification": ("granuloma",),
    "Cardiomegaly": ("cardiomegaly",),
    "Consolidation": ("consolidation",),
    "Edema": ("pulmonary edema",),
    "Emphysema": ("emphysema",),
    "ILD": ("interstitial opacity",),
    "Lung cavity": ("cavity", "lung abscess"),
    "Lung cyst": ("bullae",),
    "Nodule/Mass": ("nodule", "mass"),
    "Pleural effusion": ("pleural effusion",),
    "Pleural thickening": ("pleural thickening",),
    "Pneumothorax": ("pneumothorax",),
    "Pulmonary fibrosis": ("fibrosis",),
    "Rib fracture": ("rib fracture",),
}
"""The phantom's findings that make each class."""

READERS = tuple(f"R{number}" for number in range(1, 18))
READERS_AN_IMAGE = 3
MISSED = 0.2
DEEP_BITS, INVERTED_SHARE = 12, 0.3
Row = Mapping[str, object]


def write_vindr_cxr(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as PhysioNet has it: three readers an image, a consensus of the test part."""
    boxes: dict[str, list[Row]] = {part: [] for part in BOXES}
    labels: dict[str, list[Row]] = {part: [] for part in BOXES}
    for study, picture in cohort.pictures():
        part = "test" if study.split == "test" else "train"
        name = image_name(cohort.seed, study)
        save_picture(cohort.seed, study, picture, out / FOLDERS[part] / f"{name}.dicom")
        readers = (None,) if part == "test" else readers_of(cohort.seed, study)
        for reader in readers:
            found = found_by(reader, cohort.seed, study)
            boxes[part] += rows_of(name, reader, found)
            labels[part].append(label_row(name, reader, found))
    for part, file in BOXES.items():
        who = (IMAGE,) if part == "test" else (IMAGE, READER)
        names = [OTHERS if each == OTHER and part == "train" else each for each in NAMES]
        save_table(boxes[part], (*who, CLASS, *CORNERS), out / ANNOTATIONS / file)
        save_table(labels[part], (*who, *names), out / ANNOTATIONS / LABELS[part])


def write_vindr_cxr_kaggle(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the challenge has it: one table of boxes, and a test part without."""
    rows: list[Row] = []
    for study, picture in cohort.pictures():
        part = "test" if study.split == "test" else "train"
        name = image_name(cohort.seed, study)
        save_picture(cohort.seed, study, picture, out / FOLDERS[part] / f"{name}.dicom")
        for reader in readers_of(cohort.seed, study) if part == "train" else ():
            seen = found_by(reader, cohort.seed, study)
            found = [(label, box) for label, box in seen if label in KAGGLE_NAMES]
            rows += [
                {**row, CLASS_ID: KAGGLE_NAMES.index(str(row[CLASS]))}
                for row in rows_of(name, reader, found)
            ]
    save_table(rows, KAGGLE_COLUMNS, out / KAGGLE_TABLE)


def image_name(seed: int, study: Study) -> str:
    """Thirty-two hex digits."""
    return hashlib.md5(f"vindr/{seed}/{study.study_id}".encode()).hexdigest()


def save_picture(seed: int, study: Study, picture: Image.Image, path: Path) -> None:
    """Writes 12 bits as DICOM, at times with bone low."""
    inverted = bool(generator(seed, study.study_id, "vindr picture").random() < INVERTED_SHARE)
    highest = 2**DEEP_BITS - 1
    levels = np.rint(np.asarray(picture, dtype=np.float64) * highest / 255).astype(np.uint16)
    save_deep_dicom(
        (highest - levels).astype(np.uint16) if inverted else levels,
        path,
        study,
        bits=DEEP_BITS,
        inverted=inverted,
        image_uid=uid(seed, study.study_id, "vindr"),
    )


def readers_of(seed: int, study: Study) -> tuple[str, ...]:
    """The three who read an image."""
    rng = generator(seed, study.study_id, "vindr readers")
    return tuple(str(name) for name in rng.choice(READERS, READERS_AN_IMAGE, replace=False))


def found_by(reader: str | None, seed: int, study: Study) -> list[tuple[str, Box]]:
    """The classes that a reader boxes; a reader misses some, the consensus none."""
    rng = generator(seed, study.study_id, f"vindr {reader}")
    return [
        (name, box)
        for name, parts in MADE_OF.items()
        for box in study.boxes
        if box.label in parts and (reader is None or rng.random() >= MISSED)
    ]


def rows_of(name: str, reader: str | None, found: Sequence[tuple[str, Box]]) -> list[Row]:
    """The rows of boxes; one without corners where there is none."""
    who = {IMAGE: name} if reader is None else {IMAGE: name, READER: reader}
    return [
        {**who, CLASS: label, **dict(zip(CORNERS, (box.x1, box.y1, box.x2, box.y2), strict=True))}
        for label, box in found
    ] or [{**who, CLASS: NOTHING}]


def label_row(name: str, reader: str | None, found: Sequence[tuple[str, Box]]) -> Row:
    """The row of labels; a phantom has none of the whole image but "No finding"."""
    there = {label for label, _ in found} or {NOTHING}
    cells = {label: f"{int(label in there)}{'' if reader is None else '.0'}" for label in NAMES}
    if reader is None:
        return {IMAGE: name, **cells}
    cells[OTHERS] = cells.pop(OTHER)
    return {IMAGE: name, READER: reader, **cells}
