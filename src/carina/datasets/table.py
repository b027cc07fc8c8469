"""Reading a table of text as people keep them: any usual encoding and separator."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.errors import DatasetError

_log = logging.getLogger(__name__)
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_LONGEST_CELL = 2**30  # a report may be long; the module's own limit is 128 KiB


@dataclass(frozen=True)
class Row:
    """One row: its number as a spreadsheet counts (the header is row 1) and its cells."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """The text of a cell without blanks around it; "" where empty or no such column."""
        return self.cells.get(column, "").strip()

    def error(self, column: str, problem: str, advice: str) -> DatasetError:
        """An error that says where: file, row and column."""
        return DatasetError(f"{self.path}, row {self.number}, {column}: {problem}. {advice}")


@dataclass(frozen=True)
class Table:
    """The header of a table and its rows, read as they are asked for."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def read_table(path: Path) -> Table:
    """Opens a table: UTF-8, UTF-16 or Windows-1252; commas, semicolons or tabs.

    Raises:
        DatasetError: the file is no text, has no header or names a column twice; on reading, a
            row has too many or too few cells or its quotes do not match.
    """
    text = _decoded(path)
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise DatasetError(f"{path}, row 1: {error}. Correct the quotes of the header.") from error
    named = enumerate(_without_blank_end(header, 0), start=1)
    columns = tuple(name or f"column {place} without a name" for place, name in named)
    _check_header(path, columns)
    return Table(columns, _rows(path, columns, reader))


def read_table_of(path: Path, columns: Sequence[str], release: str) -> Table:
    """Opens a table that must have some columns.

    Args:
        path: the table.
        columns: what it must have.
        release: whose table it is, for the message.

    Raises:
        DatasetError: it is no table, or one of something else.
    """
    table = read_table(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DatasetError(
            f"{path}: found the columns {', '.join(table.columns[:7])}, expected "
            f"{', '.join(missing)} too. Take the file that came with {release}."
        )
    return table


def read_lines(path: Path) -> list[str]:
    """The lines of a list of names, without blanks around them and without empty ones.

    Raises:
        DatasetError: the file is no text.
    """
    return [line.strip() for line in _decoded(path).splitlines() if line.strip()]


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); expected a table or a list."
        ) from error
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return _decode(path, content, encoding)
    if b"\0" in content:
        raise DatasetError(f"{path}: is no text; expected a CSV table. Export it as CSV.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        _log.warning("The table is not UTF-8; it is read as Windows-1252.")
        return _decode(path, content, "cp1252")


def _decode(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: byte {error.start} is neither UTF-8 nor {encoding}. Save the table as UTF-8."
        ) from error


def _separator(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def _without_blank_end(cells: list[str], length: int) -> list[str]:
    """The cells without empty ones at the end, down to `length`: spreadsheets add separators."""
    end = len(cells)
    while end > length and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _check_header(path: Path, columns: tuple[str, ...]) -> None:
    if not columns:
        raise DatasetError(f"{path}: is empty; expected a header and one row an image.")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DatasetError(
            f"{path}: the header names {', '.join(map(repr, twice))} more than once. "
            "Rename or remove one of them."
        )


def _rows(path: Path, columns: tuple[str, ...], reader: Iterator[list[str]]) -> Iterator[Row]:
    number = 1
    try:
        for number, found in enumerate(reader, start=2):
            if not any(found):
                continue
            cells = _without_blank_end(found, len(columns))
            if len(cells) != len(columns):
                raise DatasetError(
                    f"{path}, row {number}: found {len(cells)} cells, expected {len(columns)} "
                    "as in the header. Put text that holds the separator in quotes."
                )
            yield Row(path, number, dict(zip(columns, cells, strict=True)))
    except csv.Error as error:
        raise DatasetError(
            f"{path}, row {number + 1}: {error}. Quotes inside quoted text are doubled."
        ) from error
