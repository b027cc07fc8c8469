"""Reading the large CSV files of releases into polars: every cell text, every column by name."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from carina.datasets.tally import Tally
from carina.errors import DatasetError

ROW = "row"
"""The column that numbers the rows as a spreadsheet does: the header is row 1."""

_LONGEST_CELL = 2**30


def find_table(folders: Sequence[Path], pattern: str) -> Path | None:
    """The table of a release in the first folder that has it, packed (.gz) or not.

    Where both forms of one file are there, the unpacked one is taken.

    Args:
        folders: where to look, in order.
        pattern: a glob for the name up to and including ".csv".

    Raises:
        DatasetError: several versions of the table lie in one folder.
    """
    for folder in folders:
        found = {path.name.removesuffix(".gz"): path for path in folder.glob(f"{pattern}.gz")}
        found |= {path.name: path for path in folder.glob(pattern)}
        if len(found) > 1:
            raise DatasetError(
                f"{folder}: found {', '.join(sorted(found))}, expected one of them. "
                "Remove those of other versions."
            )
        if found:
            return next(iter(found.values()))
    return None


def read_columns(path: Path, columns: Sequence[str], tally: Tally) -> pl.DataFrame:
    """The named columns as text without blanks around it, empty cells null, and `ROW`.

    Raises:
        DatasetError: the file is no whole CSV table, or lacks a column.
    """
    content = _clean(path, _content(path), tally)
    header = _checked_header(path, content, columns)
    _check_rows(path, content, len(header))
    frame = pl.read_csv(content, infer_schema=False, new_columns=header)
    cells = [pl.col(name).str.strip_chars().replace("", None) for name in columns]
    numbered = frame.with_row_index(ROW, offset=2).filter(
        pl.any_horizontal(pl.col(header).is_not_null())
    )
    return numbered.select(pl.col(ROW).cast(pl.Int64), *cells)


def checked_ids(
    frame: pl.DataFrame, column: str, pattern: str, example: str, path: Path, tally: Tally
) -> pl.DataFrame:
    """The frame with ids as text; a ".0" that a spreadsheet left behind them is taken off.

    Args:
        frame: what `read_columns` gave.
        column: the column of ids.
        pattern: a regular expression that each id must match.
        example: an id that does.
        path: the table.
        tally: gets the number of ids that were written as decimal numbers.

    Raises:
        DatasetError: an id is missing or of another form.
    """
    decimal = frame.filter(pl.col(column).str.contains(r"^\d+\.0+$"))
    if len(decimal):
        place = f"{path.name}, row {decimal[ROW][0]}"
        tally.add(f"values of {column} that were written as decimal numbers", place, len(decimal))
        frame = frame.with_columns(pl.col(column).str.replace(r"\.0+$", ""))
    wrong = frame.filter(~pl.col(column).str.contains(f"^(?:{pattern})$").fill_null(value=False))
    if len(wrong):
        raise DatasetError(
            f"{path}, row {wrong[ROW][0]}, {column}: found {wrong[column][0]!r}, expected an id "
            f"such as {example} ({len(wrong)} rows are so). Ids are text: use the file as "
            "downloaded, a spreadsheet may have rounded them."
        )
    return frame


def _content(path: Path) -> bytes:
    """The bytes of the table, unpacked."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(
            f"{path}: the packed file ends too early or is damaged ({error}). Download it again."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); expected a table."
        ) from error


def _clean(path: Path, content: bytes, tally: Tally) -> bytes:
    """The table in UTF-8, with line ends all alike."""
    start = content[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise DatasetError(
            f"{path}: is a web page, expected a CSV table: the download was not allowed in. "
            "Log in and download it again."
        )
    if not content.strip():
        raise DatasetError(f"{path}: is empty, expected a CSV table. Download it again.")
    if b"\0" in content:
        raise DatasetError(f"{path}: is no text, expected a CSV table. Download it again.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        content.decode()
    except UnicodeDecodeError:
        tally.add("tables that are not UTF-8, read as Latin-1", path.name)
        content = content.decode("latin-1").encode()
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not content.endswith(b"\n"):
        tally.add("tables without a line end after the last row: perhaps cut short", path.name)
    return content


def _checked_header(path: Path, content: bytes, columns: Sequence[str]) -> list[str]:
    """The names of the columns, which must include the expected ones, once each."""
    header = [name.strip() for name in next(_rows(path, content))]
    missing = [name for name in columns if name not in header]
    if missing:
        raise DatasetError(
            f"{path}: found the columns {', '.join(header)}, expected {', '.join(missing)} too. "
            "This may be the file of another version or another release: use the one that came "
            "with these images."
        )
    twice = sorted({name for name in columns if header.count(name) > 1})
    if twice:
        raise DatasetError(
            f"{path}: the header names {', '.join(twice)} more than once. Download it again."
        )
    return [name if name in columns else f"{place}: {name}" for place, name in enumerate(header)]


def _check_rows(path: Path, content: bytes, width: int) -> None:
    """Refuses a row that is too short or too long: polars would fill up the short ones."""
    for number, cells in enumerate(_rows(path, content), start=1):
        if cells and len(cells) != width:
            raise DatasetError(
                f"{path}, row {number}: found {len(cells)} cells, expected {width} as in the "
                "header. The file may be cut short: download it again."
            )


def _rows(path: Path, content: bytes) -> Iterator[list[str]]:
    """The rows as Python's own reader parts them."""
    csv.field_size_limit(_LONGEST_CELL)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    reader = csv.reader(text, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: {error}. The file may be cut short: download it "
            "again."
        ) from error
