"""The files of CXR-LT: the names they have, and a phantom cohort written with them as MIMIC-CXR."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carina.datasets.chestxray14_layout import MADE_OF as NIH_PARTS
from carina.datasets.chexpert_layout import MADE_OF as CHEXPERT_PARTS
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.mimic_cxr_layout import Named, image_name, name_studies, write_mimic_cxr
from carina.datasets.mimic_cxr_tables import IMAGE, STUDY, SUBJECT
from carina.study import Assertion

ROOT = "cxr-lt"
"""Where a phantom release has the labels; the images are MIMIC-CXR-JPG's."""

OF_2023 = (
    *("Atelectasis", "Calcification of the Aorta", "Cardiomegaly", "Consolidation", "Edema"),
    *("Emphysema", "Enlarged Cardiomediastinum", "Fibrosis", "Fracture", "Hernia"),
    *("Infiltration", "Lung Lesion", "Lung Opacity", "Mass", "No Finding", "Nodule"),
    *("Pleural Effusion", "Pleural Other", "Pleural Thickening", "Pneumomediastinum"),
    *("Pneumonia", "Pneumoperitoneum", "Pneumothorax", "Subcutaneous Emphysema"),
    *("Support Devices", "Tortuous Aorta"),
)
GOLD = tuple(name if name != "No Finding" else "Normal" for name in OF_2023)
"""Of task 2 of 2024: those of 2023, with another word for nothing."""

OF_2024 = (
    *GOLD,
    *("Adenopathy", "Azygos Lobe", "Clavicle Fracture", "Fissure", "Granuloma"),
    *("Hydropneumothorax", "Infarction", "Kyphosis", "Lobar Atelectasis", "Pulmonary Embolism"),
    *("Pulmonary Hypertension", "Rib Fracture", "Round(ed) Atelectasis", "Tuberculosis"),
)
UNSEEN = ("Bulla", "Cardiomyopathy", "Hilum", "Osteopenia", "Scoliosis")
"""Of task 3 of 2024: no model of the challenge was trained on them."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One set of labels: its folder, the table of each split, and its labels."""

    folder: str
    files: Mapping[str, str]
    labels: tuple[str, ...]


YEAR_2023 = Edition(
    folder="cxr-lt-2023",
    files={"train": "train.csv", "validate": "development.csv", "test": "test.csv"},
    labels=OF_2023,
)
TASK_1 = Edition(
    folder="cxr-lt-2024",
    files={
        "train": "train_labeled.csv",
        "validate": "development_labeled_task1.csv",
        "test": "test_labeled_task1.csv",
    },
    labels=OF_2024,
)
TASK_2 = Edition(
    folder="cxr-lt-2024",
    files={
        "train": "train_labeled.csv",
        "validate": "development_labeled_task2.csv",
        "test": "test_labeled_task2.csv",
    },
    labels=GOLD,
)
TASK_3 = Edition(
    folder="cxr-lt-2024",
    files={"validate": "development_labeled_task3.csv", "test": "test_labeled_task3.csv"},
    labels=UNSEEN,
)

_PARTS: Mapping[str, tuple[str, ...]] = {
    **NIH_PARTS,
    **CHEXPERT_PARTS,
    "Pleural Thickening": ("pleural thickening",),
    "Tortuous Aorta": ("tortuous aorta",),
    "Subcutaneous Emphysema": ("subcutaneous emphysema",),
    "Granuloma": ("granuloma",),
    "Hydropneumothorax": ("hydropneumothorax",),
    "Rib Fracture": ("rib fracture",),
    "Bulla": ("bullae",),
    "Hilum": ("hilar enlargement",),
    "Scoliosis": ("scoliosis",),
}
"""The phantom's findings that make each label; it draws none of the others."""


def writer_of(edition: Edition) -> Callable[[DrawnCohort, Path], None]:
    """The writer of one set of labels."""
    return partial(write_cxr_lt, edition)


def write_cxr_lt(edition: Edition, cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as MIMIC-CXR, with labels of the first exposure of each study beside it.

    A table of training labels has all the labels of its year, also where a task asks for fewer.
    """
    write_mimic_cxr(cohort, out)
    rows: dict[str, list[dict[str, object]]] = {split: [] for split in edition.files}
    columns = {
        split: OF_2024 if file == TASK_1.files["train"] else edition.labels
        for split, file in edition.files.items()
    }
    for named in name_studies(cohort.studies):
        split = named.study.split or "train"
        if split in rows:
            name = image_name(cohort.seed, named.study.study_id, 0)
            ids = {IMAGE: name, SUBJECT: named.subject_id, STUDY: named.study_id}
            path = f"{named.folder}/{name}.jpg"
            rows[split].append({**ids, "fpath": path, **labels_of(named, columns[split])})
    for split, file in edition.files.items():
        header = (IMAGE, SUBJECT, STUDY, "fpath", *columns[split])
        save_table(rows[split], header, out / ROOT / edition.folder / file)


def labels_of(named: Named, labels: tuple[str, ...]) -> dict[str, int]:
    """The labels of a study, 1 or 0."""
    there = {item.name for item in named.study.findings if item.value is Assertion.PRESENT}
    told = {label: int(bool(there & set(_PARTS.get(label, ())))) for label in labels}
    return told | {label: int(not there) for label in ("Normal", "No Finding") if label in labels}
