"""Names, semantic types and definitions of a UMLS release, chosen as they are read."""

import html
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from carina.errors import ConfigError, KnowledgeError
from carina.knowledge.graph import fold
from carina.knowledge.rrf import (
    MRCONSO,
    MRDEF,
    MRRANK,
    MRSTY,
    announced_rows,
    has_table,
    read_table,
)

logger = logging.getLogger(__name__)

# SUPPRESS: obsolete, by the editors, by the source.
SUPPRESSED = ("O", "E", "Y")
OBSOLETE_TERMS = ("OAP", "OAF", "OAM", "OAS", "OA", "OP", "OF", "OM", "OET", "OPN", "IS")
OBSOLETE_TERMS_OF_MTH = tuple(f"MTH_{kind}" for kind in OBSOLETE_TERMS)
ABBREVIATIONS = ("AB", "ACR", "AA", "CDA", "SCN", "SSN")
# SNOMED CT's full names end in what the concept is: "Pneumothorax (disorder)".
FULL_NAMES = ("FN", "MTH_FN")
LAST = 10_000_000  # after every rank
REASONS = (
    "",
    "names in other languages",
    "names of other vocabularies",
    "names under restriction level",
    "suppressed names",
    "names of an obsolete kind",
    "rows without name or identifier",
)
TAKEN, RESTRICTED = 0, 3
TAG = re.compile(r"</?[A-Za-z][^<>]*>")


@dataclass(frozen=True, kw_only=True)
class UmlsSelection:
    """Which rows of a UMLS release are taken.

    `languages` are codes of LAT; `vocabularies` are source abbreviations (SAB) in the order in
    which their definitions are preferred, () for all; `types` are semantic types by number or
    name (T047, "Disease or Syndrome"), () for all; `restrictions` are the levels of the UMLS
    licence (SRL) that the user may use: 0 is free for all, 9 is SNOMED CT, 4 is as 0 within the
    USA.

    Raises:
        ConfigError: no language or level is given.
    """

    languages: tuple[str, ...] = ("ENG",)
    vocabularies: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    restrictions: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.languages or not self.restrictions:
            raise ConfigError(
                "a language and a level of restriction are needed, got none. Give ENG and 0, "
                "for example."
            )


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names that were taken.

    `frame` has CUI, STR and KEY (the smallest is the preferred name), in the file's order.
    `vocabularies` are the sources that gave a name.
    """

    frame: pl.DataFrame
    vocabularies: tuple[str, ...]
    left_out: Counter[str]


def read_names(folder: Path, selection: UmlsSelection) -> Names:
    """The names of MRCONSO that are chosen.

    Left out, and counted by the first reason that applies: other languages, other vocabularies,
    vocabularies under a restriction, suppressed names, and kinds of term that are obsolete.

    Raises:
        KnowledgeError: the table cannot be read, or no row is left.
    """
    columns = ("CUI", "LAT", "TS", "STT", "ISPREF", "SAB", "TTY", "STR", "SRL", "SUPPRESS")
    ranks = _ranks(folder)
    left_out: Counter[str] = Counter()
    kept: list[pl.DataFrame] = []
    rows = 0
    for block in read_table(folder, MRCONSO, columns):
        rows += len(block)
        reason = block.select(_reason(selection)).to_series()
        _count(block.filter(reason > TAKEN), reason.filter(reason > TAKEN), left_out)
        kept.append(_keyed(block.filter(reason == TAKEN), ranks))
    _count_missing(folder, rows, left_out)
    frame = pl.concat(kept) if kept else pl.DataFrame(schema={"CUI": pl.String})
    if frame.is_empty():
        raise KnowledgeError(
            f"{folder / 'MRCONSO.RRF'}: none of its {rows:,} names is left: {_told(left_out)}. "
            "Choose other languages, vocabularies or levels of restriction."
        )
    vocabularies = tuple(sorted(frame["SAB"].drop_nulls().unique()))
    return Names(
        frame=frame.select("CUI", "STR", "KEY"), vocabularies=vocabularies, left_out=left_out
    )


def _reason(selection: UmlsSelection) -> pl.Expr:
    """Why a row is left out, as a place in `REASONS`; `TAKEN` where it is not."""
    allowed = [str(level) for level in selection.restrictions]
    wanted = selection.vocabularies
    other = ~pl.col("SAB").fill_null("").is_in(wanted) if wanted else pl.lit(False)
    return (
        pl.when(~pl.col("LAT").fill_null("").is_in(selection.languages))
        .then(1)
        .when(other)
        .then(2)
        .when(~pl.col("SRL").fill_null("").is_in(allowed))
        .then(RESTRICTED)
        .when(pl.col("SUPPRESS").is_in(SUPPRESSED))
        .then(4)
        .when(pl.col("TTY").is_in((*OBSOLETE_TERMS, *OBSOLETE_TERMS_OF_MTH)))
        .then(5)
        .when(pl.col("STR").str.strip_chars().fill_null("").eq("") | pl.col("CUI").is_null())
        .then(6)
        .otherwise(TAKEN)
        .cast(pl.UInt8)
    )


def _count(rows: pl.DataFrame, reasons: pl.Series, left_out: Counter[str]) -> None:
    """Counts rows by why they are left out, those under restriction by its level, too."""
    for reason, count in reasons.value_counts().iter_rows():
        if reason != RESTRICTED:
            left_out[REASONS[reason]] += count
    levels = rows["SRL"].filter(reasons == RESTRICTED)
    for level, count in levels.value_counts().iter_rows():
        left_out[f"{REASONS[RESTRICTED]} {level or '?'}"] += count


def _keyed(taken: pl.DataFrame, ranks: pl.DataFrame | None) -> pl.DataFrame:
    """Names in order of preference: the UMLS's own choice, then by rank; abbreviations last."""
    chosen = (pl.col("TS") == "P") & (pl.col("STT") == "PF") & (pl.col("ISPREF") == "Y")
    behind = pl.when(pl.col("TS") == "P").then(LAST - 2).otherwise(LAST - 1)
    if ranks is not None:
        taken = taken.join(ranks, on=("SAB", "TTY"), how="left", maintain_order="left")
        behind = pl.coalesce(pl.lit(LAST - 2) - pl.col("RANK"), behind)
    short = pl.col("TTY").is_in(ABBREVIATIONS)
    key = pl.when(short).then(LAST).when(chosen).then(0).otherwise(behind)
    full = pl.col("TTY").is_in(FULL_NAMES)
    name = pl.when(full).then(pl.col("STR").str.replace(r"\s*\([^()]*\)$", "")).otherwise("STR")
    return taken.select("CUI", "SAB", STR=name, KEY=key.cast(pl.Int32))


def _ranks(folder: Path) -> pl.DataFrame | None:
    """MRRANK's order of (SAB, TTY), the highest first; None where the table is not there."""
    if not has_table(folder, MRRANK):
        return None
    columns = ("RANK", "SAB", "TTY")
    none = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    ranks = pl.concat([none, *read_table(folder, MRRANK, columns)])
    numbered = ranks.with_columns(pl.col("RANK").cast(pl.Int32, strict=False))
    return numbered.group_by("SAB", "TTY").agg(pl.col("RANK").max())


def _count_missing(folder: Path, rows: int, left_out: Counter[str]) -> None:
    announced = announced_rows(folder, MRCONSO)
    if announced is not None and announced > rows:
        left_out["rows that MRFILES.RRF announces and MRCONSO.RRF lacks"] = announced - rows


def _told(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))


def read_types(folder: Path) -> pl.DataFrame:
    """CUI, TUI and STY of every semantic type; no row where there is no MRSTY.

    Raises:
        KnowledgeError: the table cannot be read.
    """
    columns = ("CUI", "TUI", "STY")
    none = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    if not has_table(folder, MRSTY):
        return none
    return pl.concat([none, *read_table(folder, MRSTY, columns)])


def read_definitions(
    folder: Path, names: Names, selection: UmlsSelection, left_out: Counter[str]
) -> pl.DataFrame:
    """CUI and DEF: one definition a concept, of the vocabularies that gave names.

    The first in the order of `selection.vocabularies`, then of the file. Those that are
    suppressed, or of other vocabularies, are counted in `left_out`.

    Raises:
        KnowledgeError: the table cannot be read.
    """
    schema = {"CUI": pl.String, "DEF": pl.String}
    if not has_table(folder, MRDEF):
        logger.warning("There is no MRDEF.RRF, so the graph has no definitions.")
        return pl.DataFrame(schema=schema)
    preference = {sab: place for place, sab in enumerate(selection.vocabularies)}
    known = names.frame.select(pl.col("CUI").unique())
    kept = [pl.DataFrame(schema={**schema, "ORDER": pl.Int64})]
    for block in read_table(folder, MRDEF, ("CUI", "SAB", "DEF", "SUPPRESS")):
        usable = block.filter(pl.col("DEF").is_not_null())
        taken = usable.filter(
            pl.col("SAB").is_in(names.vocabularies)
            & ~pl.col("SUPPRESS").fill_null("").is_in(SUPPRESSED)
        )
        left_out["definitions suppressed or of other vocabularies"] += len(usable) - len(taken)
        order = pl.col("SAB").replace_strict(preference, default=0, return_dtype=pl.Int64)
        inside = taken.join(known, on="CUI", how="semi", maintain_order="left")
        kept.append(inside.select("CUI", "DEF", ORDER=order))
    ordered = pl.concat(kept).sort("ORDER", maintain_order=True)
    return ordered.unique("CUI", keep="first", maintain_order=True).select("CUI", "DEF")


def without_markup(text: str) -> str:
    """A definition without tags and entities of HTML, with single spaces."""
    return " ".join(html.unescape(TAG.sub(" ", text)).split())


def chosen_types(types: pl.DataFrame, selection: UmlsSelection, folder: Path) -> pl.DataFrame:
    """The CUIs of the semantic types that are chosen.

    Raises:
        KnowledgeError: there is no MRSTY, or it has no such type.
    """
    wanted = {fold(name): name for name in selection.types}
    if types.is_empty():
        raise KnowledgeError(
            f"{folder}: semantic types are chosen, but there is no MRSTY.RRF to tell them. Put it "
            "beside MRCONSO.RRF, or choose no type."
        )
    found = types.filter(
        pl.col("TUI").str.to_lowercase().is_in(list(wanted))
        | pl.col("STY").str.to_lowercase().is_in(list(wanted))
    )
    present = {fold(t) for row in found.select("TUI", "STY").unique().iter_rows() for t in row}
    unknown = [name for folded, name in wanted.items() if folded not in present]
    if unknown:
        raise KnowledgeError(
            f"{folder / 'MRSTY.RRF'}: has no semantic type {', '.join(map(repr, unknown))}. Give "
            'numbers or names, such as T047 or "Disease or Syndrome".'
        )
    return found.select(pl.col("CUI").unique())
