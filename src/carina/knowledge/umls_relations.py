"""Relations of a UMLS release: read in the right direction, each once, in few bytes."""

import logging
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carina.errors import KnowledgeError
from carina.knowledge.graph import IS_A
from carina.knowledge.rrf import MRDOC, MRREL, has_table, read_table
from carina.knowledge.umls_names import SUPPRESSED, Names

RELATIONS_FILE = Path(__file__).with_name("umls_relations.toml")
ROWS_AT_ONCE = 2_000_000  # looked up together
LARGEST = 1 << 24  # concepts, so that two of them and a kind fit into 64 bits

logger = logging.getLogger(__name__)

# REL of rows without RELA. REL says what the second concept is to the first, so the second is
# the head, but for those that say it the other way round.
PLAIN_RELATIONS = {
    "CHD": ("child of", False),
    "PAR": ("child of", True),
    "RN": ("narrower than", False),
    "RB": ("narrower than", True),
    "RO": ("related to", False),
    "RL": ("related to", False),
    "RU": ("related to", False),
}


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Relations as places in a list of concepts: "head kind tail", each once.

    `kinds` are places in `kind_names`.
    """

    heads: NDArray[np.uint32]
    tails: NDArray[np.uint32]
    kinds: NDArray[np.uint16]
    kind_names: tuple[str, ...]


def read_relations(folder: Path, names: Names, cuis: pl.Series, left_out: Counter[str]) -> Edges:
    """The relations between the concepts `cuis`, of the vocabularies that gave names.

    REL and RELA say what the second concept of a row is to the first: "CUI2 RELA CUI1". Each
    relation comes twice, once for each direction; it is kept once, in the direction of
    `umls_relations.toml`, and else of the name that is first in the alphabet.

    Raises:
        KnowledgeError: the table cannot be read, or there are too many concepts.
    """
    if len(cuis) >= LARGEST:
        raise KnowledgeError(
            f"{folder}: {len(cuis):,} concepts are chosen, expected fewer than {LARGEST:,}. "
            "Choose fewer vocabularies."
        )
    collected = _Collected(cuis, inverses(folder))
    if not has_table(folder, MRREL):
        logger.warning("There is no MRREL.RRF, so the graph has no relations.")
        return collected.edges()
    for rows in _relation_rows(folder, names, left_out):
        collected.add(rows)
    left_out["relations to concepts that are left out"] += collected.outside
    return collected.edges()


def _relation_rows(folder: Path, names: Names, left_out: Counter[str]) -> Iterator[pl.DataFrame]:
    """Rows in use, many at once: CUI1, CUI2 and LABEL."""
    waiting: list[pl.DataFrame] = []
    for block in read_table(folder, MRREL, ("CUI1", "REL", "CUI2", "RELA", "SAB", "SUPPRESS")):
        permitted = block.filter(
            pl.col("SAB").is_in(names.vocabularies)
            & ~pl.col("SUPPRESS").fill_null("").is_in(SUPPRESSED)
        )
        left_out["relations suppressed or of other vocabularies"] += len(block) - len(permitted)
        between = permitted.filter(pl.col("CUI1") != pl.col("CUI2"))
        said = between.filter(pl.col("REL").is_in(list(PLAIN_RELATIONS)))
        left_out["relations within one concept"] += len(permitted) - len(between)
        left_out["relations that say too little (SIB, SY, AQ ...)"] += len(between) - len(said)
        waiting.append(said.select("CUI1", "CUI2", LABEL=pl.coalesce("RELA", "REL")))
        if sum(map(len, waiting)) >= ROWS_AT_ONCE:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


class _Collected:
    """Relations as they come in: one 64-bit number each, so that equal ones fall together."""

    def __init__(self, cuis: pl.Series, inverse: Mapping[str, str]) -> None:
        self._places = pl.DataFrame({"CUI": cuis, "PLACE": np.arange(len(cuis), dtype=np.uint64)})
        self._inverse = inverse
        self._kinds: dict[str, int] = {}
        self._numbers: list[NDArray[np.uint64]] = []
        self.outside = 0

    def add(self, rows: pl.DataFrame) -> None:
        first, second = (
            self._places.rename({"CUI": c, "PLACE": f"{c}P"}) for c in ("CUI1", "CUI2")
        )
        inside = rows.join(first, on="CUI1").join(second, on="CUI2")
        self.outside += len(rows) - len(inside)
        labels = inside["LABEL"].unique().sort().to_list()
        meant = [relation_meaning(label, self._inverse) for label in labels]
        kinds = [self._kinds.setdefault(kind, len(self._kinds)) for kind, _ in meant]
        coded = inside.select(
            "CUI1P",
            "CUI2P",
            KIND=pl.col("LABEL").replace_strict(labels, kinds, return_dtype=pl.UInt64),
            TURNED=pl.col("LABEL").replace_strict(
                labels, [turned for _, turned in meant], return_dtype=pl.Boolean
            ),
        )
        one, two = coded["CUI1P"].to_numpy(), coded["CUI2P"].to_numpy()
        kind = coded["KIND"].to_numpy()
        even = np.isin(kind, [self._kinds[k] for k in _table()[1] if k in self._kinds])
        swap = np.where(even, one < two, coded["TURNED"].to_numpy())
        heads, tails = np.where(swap, one, two), np.where(swap, two, one)
        packed = (kind << np.uint64(48)) | (heads << np.uint64(24)) | tails
        self._numbers.append(np.unique(packed))

    def edges(self) -> Edges:
        numbers = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *self._numbers]))
        mask = np.uint64(LARGEST - 1)
        return Edges(
            heads=((numbers >> np.uint64(24)) & mask).astype(np.uint32),
            tails=(numbers & mask).astype(np.uint32),
            kinds=(numbers >> np.uint64(48)).astype(np.uint16),
            kind_names=tuple(self._kinds),
        )


def relation_meaning(label: str, inverse: Mapping[str, str]) -> tuple[str, bool]:
    """What a RELA, or a REL without one, is called here, and whether its row is turned round.

    A row that is not turned reads "CUI2 kind CUI1".
    """
    if label in PLAIN_RELATIONS:
        return PLAIN_RELATIONS[label]
    turned = label in inverse
    name = inverse.get(label, label)
    return (IS_A if name == "isa" else name.replace("_", " ")), turned


@cache
def _table() -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    """The pairs and the symmetric relations of `umls_relations.toml`."""
    table = tomllib.loads(RELATIONS_FILE.read_text(encoding="utf-8"))
    return tuple((kept, other) for kept, other in table["inverses"]), frozenset(table["symmetric"])


def inverses(folder: Path) -> dict[str, str]:
    """The relation that is kept, by the one that is turned round."""
    known = {other: kept for kept, other in _table()[0]}
    if not has_table(folder, MRDOC):
        return known
    listed = {*known, *known.values()}
    for block in read_table(folder, MRDOC, ("DOCKEY", "VALUE", "TYPE", "EXPL")):
        pairs = block.filter((pl.col("DOCKEY") == "RELA") & (pl.col("TYPE") == "rela_inverse"))
        for one, other in pairs.select("VALUE", "EXPL").drop_nulls().iter_rows():
            if one != other and not listed & {one, other}:
                kept, turned = sorted((one, other))
                known[turned] = kept
    return known
