"""Label files of the public CheXpert test set's form: who says what of which study.

Source: github.com/rajpurkarlab/cheXpert-test-set-labels: a column `Study`, such as
CheXpert-v1.0/test/patient64741/study1, and one of 1 and 0 for each finding, in an order that
differs from file to file. Tables of radiographs with `Path` in its place come with the images.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.datasets.cells import slashes
from carina.datasets.table import Row, Table, read_table
from carina.errors import EvaluationError
from carina.studies.truth import canonical

STUDY_COLUMNS = ("study", "path")
"""The columns that may name a study, in lower case; the first that is there does."""

VALUES = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0}

_OF_CHEXPERT = re.compile(r"(?:.*/)?(?P<patient>patient\d+)/(?P<study>study\d+)(?:/(?P<file>.+))?")

Labels = Mapping[str, Mapping[str, float]]
"""Study -> finding -> 1 or 0."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A study as a row has it: the number of the row, and what it says of each finding."""

    number: int
    values: dict[str, float]


def read_labels(path: Path, findings: Sequence[str]) -> Labels:
    """Reads what a label file says of some findings; other columns may hold anything.

    Radiographs of one study are joined, since a study has one answer.

    Args:
        path: the file.
        findings: names of columns, in any case, with blanks or underscores.

    Raises:
        DatasetError: it is no table, a study stands twice, or a label is neither 0 nor 1.
        EvaluationError: it has no column of studies, none of a finding, or no rows.
    """
    table = read_table(path)
    column = study_column(path, table)
    columns = finding_columns(path, table, findings)
    told: dict[str, Said] = {}
    seen: set[str] = set()
    for row in table.rows:
        study = study_of(row, column)
        place = slashes(row.get(column))
        if place in seen:
            raise row.error(column, f"{place} is listed a second time", "Remove one of the rows.")
        seen.add(place)
        said = Said(
            number=row.number,
            values={name: label_of(row, columns[name]) for name in findings},
        )
        first = told.setdefault(study, said)
        if first.values != said.values:
            raise row.error(
                column,
                f"the labels differ from those of row {first.number}, of the same study {study}",
                "A study has one answer for all its radiographs: correct one of the two.",
            )
    if not told:
        raise EvaluationError(f"{path}: has no rows; expected one a study. Download it again.")
    return {study: said.values for study, said in told.items()}


def study_column(path: Path, table: Table) -> str:
    """The column that names the study.

    Raises:
        EvaluationError: there is none.
    """
    known = {name.lower(): name for name in table.columns}
    found = [known[name] for name in STUDY_COLUMNS if name in known]
    if not found:
        raise EvaluationError(
            f"{path}: has the columns {', '.join(table.columns[:6])}, ...; expected Study (or "
            "Path) and one a finding. Take the label files of CheXpert's test set."
        )
    return found[0]


def finding_columns(path: Path, table: Table, findings: Sequence[str]) -> dict[str, str]:
    """Finding -> the name of its column.

    Raises:
        EvaluationError: a finding has none.
    """
    known = {canonical(name): name for name in table.columns}
    missing = [name for name in findings if canonical(name) not in known]
    if missing:
        others = [name for name in table.columns if name.lower() not in STUDY_COLUMNS]
        raise EvaluationError(
            f"{path}: has no column {', '.join(map(repr, missing))}; it has {', '.join(others)}. "
            "Choose among these with --finding."
        )
    return {name: known[canonical(name)] for name in findings}


def study_of(row: Row, column: str) -> str:
    """The study of a row: `patient00001_study1` of CheXpert's paths, else the cell as it is.

    Raises:
        DatasetError: the cell is empty.
    """
    place = slashes(row.get(column)).rstrip("/")
    if not place:
        raise row.error(column, "is empty", "Every row is of a study: name it.")
    match = _OF_CHEXPERT.fullmatch(place)
    return place if match is None else f"{match['patient']}_{match['study']}"


def label_of(row: Row, column: str) -> float:
    """1 or 0.

    Raises:
        DatasetError: the cell says something else, or nothing.
    """
    cell = row.get(column)
    if cell not in VALUES:
        raise row.error(
            column,
            f"found {cell!r}, expected 1 or 0: readers and the truth decide",
            "Take the file that came with the others, or leave this finding out.",
        )
    return VALUES[cell]
