"""CheXpert's test part: 500 studies that were kept back, and what radiologists said of them.

Source: Irvin et al., AAAI 2019, arXiv:1901.07031, section 5; Saporta et al., Nat Mach Intell 2022,
doi:10.1038/s42256-022-00536-x, who released it. The truth is the majority of five radiologists;
three others read the same studies, so that a model can be measured against people.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from carina.datasets.chexpert import (
    LICENCE,
    findings_of,
    opened,
    place_of,
    studies_there,
    visits_in,
)
from carina.datasets.chexpert_layout import LABELS
from carina.datasets.chexpert_test_layout import READERS_FOLDER, TABLES, write_chexpert_test
from carina.datasets.declaration import Dataset, Release
from carina.datasets.table import Row
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Severity, Study

DEPTHS = ("", "*/", "*/*/")
"""Labels and images are two downloads; one lies in the other's folder, or beside it."""

_VALUES: Mapping[Assertion, float] = {Assertion.PRESENT: 1.0, Assertion.ABSENT: 0.0}

Opinions = dict[str, list[Severity]]


def read_chexpert_test(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the test studies, with what each reader said as `severity`: 1 present, 0 absent.

    A model's labels are in `findings`; a reader's stand under the same names in `severity`, with
    the reader's name, because a study has one truth and several readers.

    Raises:
        DatasetError: there is no table or image, a table is not CheXpert's, a label is neither 0
            nor 1, or a reader's studies are others than those of the truth.
    """
    visits = visits_in(release.root, (table_of(release),), tally)
    opinions = opinions_in(release.root, {visit.place.study_id for visit in visits}, tally)
    for study in studies_there(release.root, visits, tally):
        yield replace(study, split="test", severity=tuple(opinions.get(study.study_id, ())))


def table_of(release: Release) -> Path:
    """The table that the caller names, else the first of `TABLES` in or below the root."""
    if release.table is not None:
        return release.root / release.table
    found = (path for name in TABLES for path in places_of(release.root, name))
    return next(found)


def places_of(root: Path, name: str) -> list[Path]:
    """Where a file is, in the root or up to two folders below."""
    found = (path for depth in DEPTHS for path in sorted(root.glob(f"{depth}{name}")))
    return [path for path in found if not path.name.startswith(".")]  # "._x" of another system


def opinions_in(root: Path, studies: set[str], tally: Tally) -> Opinions:
    """Study -> what each reader said, of every reader's table that is there.

    Raises:
        DatasetError: a table is not CheXpert's, or has other studies than the truth.
    """
    opinions: Opinions = {}
    tables = places_of(root, f"{READERS_FOLDER}/*.csv")
    if not tables:
        tally.note(f"{READERS_FOLDER}/ is not there: no reader to measure a model against.")
    for path in tables:
        told = opinions_of(path)
        if told.keys() != studies:
            odd = sorted(told.keys() ^ studies)
            raise DatasetError(
                f"{path}: {len(odd)} studies are in this reader's table or in the truth only, "
                f"such as {odd[0]}; expected the same. Take both from one release."
            )
        for study, said in told.items():
            opinions.setdefault(study, []).extend(said)
    return opinions


def opinions_of(path: Path) -> dict[str, tuple[Severity, ...]]:
    """Study -> what one reader said, the reader being the table's name.

    Raises:
        DatasetError: it is another table, names a study twice, or leaves a label out.
    """
    told: dict[str, tuple[Severity, ...]] = {}
    for row in opened(path).rows:
        study = place_of(row).study_id
        if study in told:
            raise row.error("Study", "is listed a second time", "Remove one of the two rows.")
        told[study] = _said(row, path.stem)
    return told


def _said(row: Row, reader: str) -> tuple[Severity, ...]:
    said = {finding.name: _VALUES.get(finding.value) for finding in findings_of(row)}
    scores = {label: said.get(label) for label in LABELS}
    for label, score in scores.items():
        if score is None:
            raise row.error(
                label,
                f"found {row.get(label)!r}, expected 1 or 0: a reader decides",
                "Take the tables that came with the truth.",
            )
    return tuple(
        Severity(name=label, value=score, reader=reader)
        for label, score in scores.items()
        if score is not None
    )


CHEXPERT_TEST = Dataset(
    name="chexpert-test",
    source="Saporta et al., Nat Mach Intell 2022, doi:10.1038/s42256-022-00536-x "
    "(images); github.com/rajpurkarlab/cheXpert-test-set-labels (labels and readers)",
    licence=LICENCE,
    layout=(" or ".join(f"{depth}{name}" for name in TABLES for depth in DEPTHS),),
    read=read_chexpert_test,
    write=write_chexpert_test,
    counts={"studies": 500, "radiographs": 668, "patients": 500},
    labels={
        "studies with No Finding": 62,
        "studies with Enlarged Cardiomediastinum": 253,
        "studies with Cardiomegaly": 151,
        "studies with Lung Opacity": 264,
        "studies with Lung Lesion": 8,
        "studies with Edema": 78,
        "studies with Consolidation": 29,
        "studies with Pneumonia": 11,
        "studies with Atelectasis": 153,
        "studies with Pneumothorax": 9,
        "studies with Pleural Effusion": 104,
        "studies with Pleural Other": 4,
        "studies with Fracture": 5,
        "studies with Support Devices": 261,
    },
    takes_table=True,
)
