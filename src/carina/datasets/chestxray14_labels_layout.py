"""Other labels of ChestX-ray14's images: their files, and a phantom cohort written under them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carina.datasets.chestxray14_layout import LABELS, MADE_OF, NO_FINDING, numbered
from carina.datasets.chestxray14_layout import write_chestxray14 as write_images
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.split_lists import LISTS
from carina.study import Assertion, Study

READER = "Reader ID"


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """One set of labels.

    `files` names the table of each split, several names of which one will do. `columns` gives the
    names that a finding's column may have. In an `exclusive` set an image has one label. `readers`
    names the table of single readers, none where there is none.
    """

    image: str
    files: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, tuple[str, ...]]
    exclusive: bool = False
    readers: tuple[str, ...] = ()


def _named(folder: str, file: str) -> tuple[str, ...]:
    """A file as it lies in its folder, and as it is called when downloaded alone."""
    return (file, f"{folder}_{file}")


_FOUR = "four_findings_expert_labels"
FOUR = LabelSet(
    image="Image Index",
    files={
        "validate": _named(_FOUR, "validation_labels.csv"),
        "test": _named(_FOUR, "test_labels.csv"),
    },
    columns={
        "Fracture": ("Fracture",),
        "Pneumothorax": ("Pneumothorax",),
        "Lung Opacity": ("Airspace opacity",),
        "Nodule or Mass": ("Nodule or mass",),
    },
)
_ALL = "all_findings_expert_labels"
ALL = LabelSet(
    image="Image ID",
    files={"test": _named(_ALL, "test_labels.csv")},
    columns={
        "Abnormal": ("Abnormal",),
        **{label.replace("_", " "): (label.replace("_", " "), label) for label in LABELS},
        "Other": ("Other",),
    },
    readers=_named(_ALL, "test_individual_readers.csv"),
)
_RARE = (
    *("Pneumoperitoneum", "Pneumomediastinum", "Subcutaneous Emphysema", "Tortuous Aorta"),
    "Calcification of the Aorta",
)
_TWENTY: Mapping[str, tuple[str, ...]] = {
    **{label.replace("_", " "): (label.replace("_", " "), label) for label in LABELS},
    **{label: (label,) for label in (*_RARE, NO_FINDING)},
}
_PRUNE = "miccai2023_nih-cxr-lt_labels"
PRUNE = LabelSet(
    image="id",
    files={
        "train": (f"{_PRUNE}_train.csv",),
        "validate": (f"{_PRUNE}_val.csv",),
        "test": (f"{_PRUNE}_test.csv",),
    },
    columns=_TWENTY,
)
_TAIL = "nih-cxr-lt_single-label"
TAIL = LabelSet(
    image="id",
    files={
        "train": (f"{_TAIL}_train.csv",),
        "validate": (f"{_TAIL}_balanced-val.csv",),
        "test": (f"{_TAIL}_test.csv",),
    },
    columns=_TWENTY,
    exclusive=True,
)
BALANCED = LabelSet(
    image="id",
    files={**TAIL.files, "test": (f"{_TAIL}_balanced-test.csv",)},
    columns=_TWENTY,
    exclusive=True,
)
"""As the one before, tested on as many images of each label."""

PARTS: Mapping[str, tuple[str, ...]] = {
    **{label.replace("_", " "): parts for label, parts in MADE_OF.items()},
    "Fracture": ("rib fracture",),
    "Lung Opacity": ("consolidation", "atelectasis", "pulmonary edema", "interstitial opacity"),
    "Nodule or Mass": ("nodule", "mass", "granuloma"),
    "Subcutaneous Emphysema": ("subcutaneous emphysema",),
    "Tortuous Aorta": ("tortuous aorta",),
}
"""The phantom's findings that make each label; it draws none of the others."""

EYES = ("4343882583", "4343882785", "4343880271")
"""Names of a phantom's readers, who all see what is there."""


def write_labels(labels: LabelSet, cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as ChestX-ray14, and these labels in a folder `lists`."""
    write_images(cohort, out)
    words = ("YES", "NO") if labels in (FOUR, ALL) else ("1", "0")
    header = tuple(names[-1] for names in labels.columns.values())
    for split, files in labels.files.items():
        rows = [
            {labels.image: name, **cells_of(labels, study, words)}
            for study, name in numbered(cohort)
            if study.split == split
        ]
        save_table(rows, (labels.image, *header), out / LISTS / files[0])
        if labels.readers:
            read = [{**row, READER: reader} for row in rows for reader in EYES]
            columns = (labels.image, READER, *header)
            save_table(read, columns, out / LISTS / labels.readers[0])


def cells_of(labels: LabelSet, study: Study, words: tuple[str, str]) -> dict[str, str]:
    """The cells of a study: the first of its labels alone where only one may be."""
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    found = [name for name in labels.columns if there & set(PARTS.get(name, ()))]
    if NO_FINDING in labels.columns and not found:
        found = [NO_FINDING]
    found = found[:1] if labels.exclusive else found
    cells = {
        names[-1]: words[0] if name in found else words[1] for name, names in labels.columns.items()
    }
    return cells | {"Abnormal": str(int(bool(there)))} if "Abnormal" in cells else cells


write_four, write_all = partial(write_labels, FOUR), partial(write_labels, ALL)
write_prune, write_tail = partial(write_labels, PRUNE), partial(write_labels, TAIL)
write_balanced = partial(write_labels, BALANCED)
