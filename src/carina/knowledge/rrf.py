"""Files in UMLS's Rich Release Format, read in blocks: plain, compressed, or in parts.

A line is a row, every field ends in "|" (the last one, too), and nothing is quoted or escaped.
Source: UMLS Reference Manual, chapter 3 (National Library of Medicine).
"""

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from carina.errors import KnowledgeError
from carina.files import progress

BLOCK = 32 * 2**20  # bytes read at once; memory is a few times this, however large the file
_BOM = b"\xef\xbb\xbf"
_PART = re.compile(r"\.RRF(?:\.(?!gz$)([a-z]{2}))?(?:\.gz)?$")


@dataclass(frozen=True, kw_only=True)
class RrfTable:
    """A table of the release and its columns, in order, where `MRFILES.RRF` does not say others."""

    name: str
    columns: tuple[str, ...]


def _table(name: str, columns: str) -> RrfTable:
    return RrfTable(name=name, columns=tuple(columns.split()))


MRCONSO = _table(
    "MRCONSO",
    "CUI LAT TS LUI STT SUI ISPREF AUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF",
)
MRREL = _table(
    "MRREL",
    "CUI1 AUI1 STYPE1 REL CUI2 AUI2 STYPE2 RELA RUI SRUI SAB SL RG DIR SUPPRESS CVF",
)
MRDEF = _table("MRDEF", "CUI AUI ATUI SATUI SAB DEF SUPPRESS CVF")
MRSTY = _table("MRSTY", "CUI TUI STN STY ATUI CVF")
MRRANK = _table("MRRANK", "RANK SAB TTY SUPPRESS")
MRDOC = _table("MRDOC", "DOCKEY VALUE TYPE EXPL")
MRFILES = _table("MRFILES", "FIL DES FMT CLS RWS BTS")


def has_table(folder: Path, table: RrfTable) -> bool:
    """Whether a folder holds a table, in whatever form."""
    return bool(_candidates(folder, table))


def read_table(folder: Path, table: RrfTable, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yields some columns of a table, block by block, as strings; an empty field is null.

    `MRCONSO.RRF` may be plain, compressed (`.RRF.gz`), or in parts (`.RRF.aa`, `.RRF.ab.gz`),
    which are joined as bytes. Line ends may be those of Windows.

    Raises:
        KnowledgeError: the table is missing or in two forms, a part is missing or cut short, a
            line has too few or too many fields, or is not UTF-8.
    """
    layout = _layout(folder, table)
    missing = [column for column in columns if column not in layout]
    if missing:
        raise KnowledgeError(
            f"{folder / 'MRFILES.RRF'}: gives {table.name}.RRF the columns {', '.join(layout)}, "
            f"but {', '.join(missing)} is needed. Make the subset again with all columns."
        )
    yield from _parsed(folder, table, layout, columns)


def announced_rows(folder: Path, table: RrfTable) -> int | None:
    """The number of rows that `MRFILES.RRF` gives a table; None where it says nothing."""
    if not has_table(folder, MRFILES):
        return None
    for block in _parsed(folder, MRFILES, MRFILES.columns, ("FIL", "RWS")):
        for name, rows in block.iter_rows():
            if _names(name, table) and (rows or "").isdigit():
                return int(rows)
    return None


def _layout(folder: Path, table: RrfTable) -> tuple[str, ...]:
    """The columns of a table, from `MRFILES.RRF` where that is there."""
    if has_table(folder, MRFILES):
        for block in _parsed(folder, MRFILES, MRFILES.columns, ("FIL", "FMT")):
            for name, columns in block.iter_rows():
                if _names(name, table) and columns:
                    return tuple(columns.split(","))
    return table.columns


def _names(file: str | None, table: RrfTable) -> bool:
    """Whether a FIL field names the table's file ("MRCONSO.RRF", also below a folder)."""
    return (file or "").rpartition("/")[2] == f"{table.name}.RRF"


def _parsed(
    folder: Path, table: RrfTable, layout: Sequence[str], columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    parts = _parts(folder, table)
    name = folder / f"{table.name}.RRF"
    total = None
    if not any(part.suffix == ".gz" for part in parts):
        total = math.ceil(sum(part.stat().st_size for part in parts) / BLOCK)
    line = 1
    for block in progress(_blocks(parts), f"Reading {name.name}", total):
        yield _frame(block, layout, columns, name, line)
        line += block.count(b"\n")


def _parts(folder: Path, table: RrfTable) -> tuple[Path, ...]:
    """The files that make up a table, in order."""
    found = _candidates(folder, table)
    if not found:
        raise KnowledgeError(
            f"{folder}: holds no {table.name}.RRF (nor .RRF.gz, nor parts such as .RRF.aa.gz). "
            "Name the folder with the release's RRF files, which is often called META."
        )
    letters = [_part_letters(path) for path in found]
    expected = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(len(found))]
    if letters not in ([""], expected):
        names = ", ".join(path.name for path in found)
        raise KnowledgeError(
            f"{folder}: holds {names}; expected one {table.name}.RRF or .RRF.gz, or all parts "
            "from .aa on, each once. Fetch the part that is missing, or move away what is there "
            "twice."
        )
    return found


def _candidates(folder: Path, table: RrfTable) -> tuple[Path, ...]:
    found = [path for path in folder.glob(f"{table.name}.RRF*") if _PART.search(path.name)]
    return tuple(sorted(found))


def _part_letters(path: Path) -> str:
    found = _PART.search(path.name)
    return (found.group(1) or "") if found else ""


def _blocks(parts: Sequence[Path]) -> Iterator[bytes]:
    """Whole lines, about `BLOCK` bytes at once; a line may go on in the next part."""
    rest = b""
    first = True
    for part in parts:
        try:
            with _opened(part) as handle:
                while read := handle.read(BLOCK):
                    block = rest + (read.removeprefix(_BOM) if first else read)
                    first = False
                    cut = block.rfind(b"\n") + 1
                    rest = block[cut:]
                    if cut:
                        yield block[:cut]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise KnowledgeError(
                f"{part}: is damaged or cut short ({error}). Download it again."
            ) from error
        except OSError as error:
            raise KnowledgeError(
                f"{part}: cannot be read ({error.strerror or error}). Check the disk and rights."
            ) from error
    if rest:
        yield rest + b"\n"


def _opened(part: Path) -> io.BufferedIOBase:
    return gzip.open(part, "rb") if part.suffix == ".gz" else part.open("rb")


def _frame(
    block: bytes, layout: Sequence[str], columns: Sequence[str], name: Path, line: int
) -> pl.DataFrame:
    # The parser fills short lines up, and cuts long ones, without a word.
    _check_fields(block, len(layout), name, line)
    numbered = {f"column_{place + 1}": pl.String() for place in range(len(layout) + 1)}
    places = [layout.index(column) for column in columns]
    try:
        frame = pl.read_csv(
            block,
            separator="|",
            quote_char=None,
            has_header=False,
            schema=numbered,
            columns=[f"column_{place + 1}" for place in places],
        )
    except pl.exceptions.ComputeError:
        _refuse_letters(block, name, line)
    return frame.rename({f"column_{p + 1}": c for p, c in zip(places, columns, strict=True)})


def _check_fields(block: bytes, fields: int, name: Path, line: int) -> None:
    """Names the first line with another number of fields."""
    marks = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(marks == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    found = np.add.reduceat((marks == ord("|")).view(np.uint8), starts, dtype=np.int32)
    wrong = np.flatnonzero(found != fields)
    if len(wrong):
        raise KnowledgeError(
            f"{name}: line {line + int(wrong[0]):,} has {found[wrong[0]]} fields, expected "
            f'{fields}, each ended by "|". The file is damaged, cut short, or of another version; '
            "make or download it again."
        )


def _refuse_letters(block: bytes, name: Path, line: int) -> NoReturn:
    """Names the first line that is not UTF-8."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        line += block.count(b"\n", 0, error.start)
    raise KnowledgeError(
        f"{name}: line {line:,} is not UTF-8. Convert the file, or download it again."
    )
