"""CheXpert's files: the names they have, and a phantom cohort written under them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_table
from carina.phantom.findings import DEVICES
from carina.phantom.randomness import generator
from carina.study import Assertion, Study

LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)
PREFIX = "CheXpert-v1.0-small"
"""What the paths of the tables begin with, whatever the folder is called on disk."""

TABLES = {"train": "train.csv", "validate": "valid.csv", "test": "test_labels.csv"}
FOLDERS = {"train": "train", "validate": "valid", "test": "test"}
HIGHEST_AGE = 90

_LESIONS = ("nodule", "mass", "cavity", "granuloma", "lung abscess", "miliary nodules")
_OPACITIES = ("pulmonary edema", "consolidation", "atelectasis", "interstitial opacity")
MADE_OF: Mapping[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("mediastinal widening", "cardiomegaly"),
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Opacity": (*_OPACITIES, *_LESIONS),
    "Lung Lesion": _LESIONS,
    "Edema": ("pulmonary edema",),
    "Consolidation": ("consolidation",),
    "Pneumonia": (),
    "Atelectasis": ("atelectasis",),
    "Pneumothorax": ("pneumothorax",),
    "Pleural Effusion": ("pleural effusion",),
    "Pleural Other": ("pleural thickening", "empyema"),
    "Fracture": ("rib fracture",),
    "Support Devices": DEVICES,
}
"""The phantom's findings that make each label; the release's labels contain one another too."""

UNCERTAIN_SHARE = 0.15
DENIED_SHARE = 0.25
UNKNOWN_SHARE = 0.02
REPEATED_SHARE = 0.15
REPEATED_EXPOSURE = 0.85


def write_chexpert(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as CheXpert-v1.0-small with its test part: JPEGs and three tables.

    Training labels are blank or uncertain as mined ones are; those of the other parts are
    complete. Some studies have a second exposure, `view2_frontal.jpg`. There are no laterals.
    """
    patients: dict[str, str] = {}
    visits: Counter[str] = Counter()
    rows: dict[str, list[dict[str, str]]] = {split: [] for split in TABLES}
    for study, picture in cohort.pictures():
        split = study.split or "train"
        patient = patients.setdefault(study.patient_id, f"patient{len(patients) + 1:05d}")
        visits[patient] += 1
        rng = generator(cohort.seed, study.study_id, "chexpert")
        cells = study_cells(study, rng, complete=split != "train")
        exposures = 2 if rng.random() < REPEATED_SHARE else 1
        for number in range(1, exposures + 1):
            name = f"{FOLDERS[split]}/{patient}/study{visits[patient]}/view{number}_frontal.jpg"
            exposed = picture.point(
                [round(i * REPEATED_EXPOSURE ** (number - 1)) for i in range(256)]
            )
            save_jpeg(exposed, out / name)
            rows[split].append({"Path": f"{PREFIX}/{name}", **cells})
    for split, table in TABLES.items():
        save_table(rows[split], COLUMNS, out / table)


def study_cells(study: Study, rng: np.random.Generator, *, complete: bool) -> dict[str, str]:
    """The cells of a study's rows, all but the path."""
    known = rng.random() >= UNKNOWN_SHARE
    years = min(int(study.age_years or 0), HIGHEST_AGE)
    return {
        "Sex": {"F": "Female", "M": "Male"}[study.sex or "F"] if known else "Unknown",
        "Age": str(years if known else 0),
        "Frontal/Lateral": "Frontal",
        "AP/PA": study.radiographs[0].view or "",
        **labels_of(study, rng, complete=complete),
    }


def labels_of(study: Study, rng: np.random.Generator, *, complete: bool) -> dict[str, str]:
    """The fourteen cells: "1.0", "0.0", "-1.0" or "" as a labeller of reports gives them.

    Args:
        study: with all its findings known.
        rng: draws what is uncertain and what is not mentioned.
        complete: neither uncertain nor blank, as radiologists label.
    """
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    cells = {}
    for label, parts in MADE_OF.items():
        lot = rng.random()
        if there & set(parts):
            cells[label] = "1.0" if complete or lot >= UNCERTAIN_SHARE else "-1.0"
        else:
            cells[label] = "0.0" if complete or lot < DENIED_SHARE else ""
    return {"No Finding": no_finding(cells, complete=complete), **cells}


def no_finding(cells: Mapping[str, str], *, complete: bool) -> str:
    """The cell of No Finding: 1.0 where nothing but devices may be there, else blank or 0.0."""
    ill = [value for label, value in cells.items() if label != "Support Devices"]
    if not {"1.0", "-1.0"} & set(ill):
        return "1.0"
    return "0.0" if complete else ""
