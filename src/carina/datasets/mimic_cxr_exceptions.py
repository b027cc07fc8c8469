"""Reports of MIMIC-CXR whose findings stand where no header says so, named by the user.

The section rules that the makers of the set published end with a list of such reports, by study:
a section of another name that holds the findings, or the characters that do. The list is theirs;
whoever has it writes it down as a table beside the reports.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from carina.datasets.released_table import ROW, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.report.sections import split_sections

FILE = "section-exceptions.csv"
COLUMNS = ("study_id", "section", "start", "end")
HEADER = "FINDINGS: "
_STUDY = re.compile(r"s?(5\d{7})")
_PLACE = re.compile(r"\d{1,6}")

Correct = Callable[[str, str, Tally], str]
"""Gives the text of (study, text) in which the findings stand below their header."""


@dataclass(frozen=True, kw_only=True)
class NamedSection:
    """The last section of this name holds the findings."""

    name: str

    def corrected(self, text: str) -> str | None:
        """The text with that section's header replaced; None where there is no such section."""
        found = [section for section in split_sections(text) if section.name == self.name]
        if not found:
            return None
        return f"{text[: found[-1].header]}{HEADER}{text[found[-1].start :].lstrip(' ')}"


@dataclass(frozen=True, kw_only=True)
class Characters:
    """The characters `start:end` hold the findings; with 0 and 0 there are none."""

    start: int
    end: int

    def corrected(self, text: str) -> str | None:
        """These characters alone below a header; None where the text is too short for them."""
        if self.end > len(text):
            return None
        body = text[self.start : self.end].strip()
        return f"{HEADER}{body}" if body else ""


def open_exceptions(reports: Path, tally: Tally) -> Correct:
    """Reads the user's table where there is one.

    Args:
        reports: the folder of the reports, or their archive, beside which the table lies.
        tally: gets the counts of the table.

    Raises:
        DatasetError: the table lacks a column, or a row is neither of the two kinds.
    """
    path = (reports if reports.is_dir() else reports.parent) / FILE
    held = dict(_read(path, tally)) if path.is_file() else {}

    def correct(study: str, text: str, tally: Tally) -> str:
        exception = held.get(study)
        if exception is None:
            return text
        corrected = exception.corrected(text)
        if corrected is None:
            tally.add(f"reports that do not fit their row of {FILE}, left as they are", study)
            return text
        tally.add(f"reports whose findings are where {FILE} says", study)
        return corrected

    return correct


def _read(path: Path, tally: Tally) -> list[tuple[str, NamedSection | Characters]]:
    """Each row of the table: a study, and where its findings are."""
    table = read_columns(path, COLUMNS, tally)
    rows = [_row(path, *cells) for cells in table.select(ROW, *COLUMNS).rows()]
    studies = [study for study, _ in rows]
    twice = next((study for study in studies if studies.count(study) > 1), None)
    if twice is not None:
        raise DatasetError(f"{path}: study {twice} stands in two rows, expected one. Remove one.")
    return rows


def _row(
    path: Path, row: int, study: str | None, section: str | None, start: str | None, end: str | None
) -> tuple[str, NamedSection | Characters]:
    named = _STUDY.fullmatch(study or "")
    if named is None:
        raise DatasetError(
            f"{path}, row {row}, study_id: found {study!r}, expected an id such as 50414267. "
            "Correct it, or remove the row."
        )
    if section is not None and start is None and end is None:
        return named[1], NamedSection(name=section.lower())
    if section is None and start and end and _PLACE.fullmatch(start) and _PLACE.fullmatch(end):
        return named[1], Characters(start=int(start), end=int(end))
    raise DatasetError(
        f"{path}, row {row}: found section {section!r}, start {start!r}, end {end!r}; expected the "
        "name of a section alone, or start and end in characters. Correct it, or remove the row."
    )
