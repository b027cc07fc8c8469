"""The files of COVIDx: the names they have, and a phantom cohort written under them."""

from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_text
from carina.study import Assertion, Study

PARTS = {"train": "train", "validate": "val", "test": "test"}
"""Our splits, and what its lists and folders are called."""

POSITIVE, NEGATIVE = "positive", "negative"
NORMAL, PNEUMONIA, COVID = "normal", "pneumonia", "COVID-19"
CLASSES = (POSITIVE, NEGATIVE, NORMAL, PNEUMONIA, COVID)
SOURCES = ("cohen", "actmed", "sirm", "rsna", "ricord", "bimcv")
BLANK_IN = "actmed"

MADE_OF = ("interstitial opacity", "pulmonary edema", "miliary nodules", "consolidation")
"""The phantom knows no COVID-19: what is diffuse and bilateral stands in for it.

It knows no pneumonia either: whoever is ill otherwise stands in for that.
"""


def write_covidx(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as CXR-4: PNGs in three folders, a list of four columns for each.

    The classes are the three of earlier versions, from which the two of CXR-4 can be told.
    Images of one collection have names with a blank in them, as some have.
    """
    lines: dict[str, list[str]] = {part: [] for part in PARTS.values()}
    patients: dict[str, int] = {}
    for study, picture in cohort.pictures():
        part = PARTS[study.split or "train"]
        number = patients.setdefault(study.patient_id, len(patients) + 1)
        source = SOURCES[number % len(SOURCES)]
        name = f"{'CR.1 ' if source == BLANK_IN else ''}{study.study_id}.png"
        save_png(picture, out / part / name)
        lines[part].append(f"{number} {name} {class_of(study)} {source}\n")
    for part, found in lines.items():
        save_text("".join(found), out / f"{part}.txt")


def class_of(study: Study) -> str:
    """Which of the three classes a study is in."""
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    if there & set(MADE_OF):
        return COVID
    return PNEUMONIA if there else NORMAL
