"""Concept graphs from a release of the Unified Medical Language System, in RRF files.

Files of 10 GB are read block by block; only what is chosen is kept, as tables. A graph is made
of what is asked for in the end: all of it, what is in reach of some concepts, or what some
names may mean.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carina.errors import KnowledgeError
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin, Relation, fold
from carina.knowledge.phrases import inflected, straightened, words
from carina.knowledge.reach import Reach, Reached, refuse_no_seed, walk
from carina.knowledge.umls_names import (
    Names,
    UmlsSelection,
    chosen_types,
    read_definitions,
    read_names,
    read_types,
    without_markup,
)
from carina.knowledge.umls_relations import Edges, read_relations

LICENCE = "UMLS Metathesaurus licence"
KINDS_OF_TYPES = {
    ConceptKind.DISEASE: ("T047", "T191", "T037", "T019", "T020", "T190", "T048", "T049"),
    ConceptKind.FINDING: ("T033", "T184", "T046", "T034"),
    ConceptKind.DEVICE: ("T074", "T203", "T075"),
    ConceptKind.PLACE: ("T023", "T029", "T030", "T082", "T024", "T022", "T017", "T018"),
    ConceptKind.ATTRIBUTE: ("T080", "T081", "T169"),
}
"""What concepts of a semantic type are; the others are `OTHER`."""

_KIND_OF = {tui: kind for kind, types in KINDS_OF_TYPES.items() for tui in types}


def read_umls(folder: Path, selection: UmlsSelection | None = None) -> ConceptGraph:
    """The graph of every concept that is chosen.

    Every concept becomes a Python object: of a whole release (three million concepts) choose some
    vocabularies, or use `reach_umls`.

    Raises:
        KnowledgeError: a file is missing or damaged, or nothing is left.
    """
    release = _Release.read(folder, selection or UmlsSelection())
    everything = np.ones(len(release.cuis), dtype=bool)
    return release.graph(everything, release.edges())


def reach_umls(folder: Path, how: Reach, selection: UmlsSelection | None = None) -> Reached:
    """The graph of the concepts in reach of seeds, without ever building the whole one.

    Semantic types choose among what was reached; the way there may lead over any concept.

    Raises:
        KnowledgeError: a file is missing or damaged, no seed is there, or nothing is left.
    """
    release = _Release.read(folder, selection or UmlsSelection())
    found = release.seeds(how)
    start = np.zeros(len(release.cuis), dtype=bool)
    start[release.places(cui for _, cuis in found for cui in cuis)] = True
    edges = release.edges()
    names = np.array(edges.kind_names, dtype=str)
    kinds = np.flatnonzero(np.isin(names, how.along)) if how.along else np.arange(len(names))
    followed = np.isin(edges.kinds, kinds)
    reached = walk(start, edges.heads[followed], edges.tails[followed], how)
    return Reached(graph=release.graph(reached, edges), found=found)


def named_in_umls(
    folder: Path, names: Iterable[str], selection: UmlsSelection | None = None
) -> ConceptGraph | None:
    """The concepts that some names may mean, without relations; None where there are none.

    A `Linker` of this graph says of these names what one of the whole release would say.

    Raises:
        KnowledgeError: a file is missing or damaged, or nothing is left.
    """
    release = _Release.read(folder, selection or UmlsSelection())
    kept = release.named(names)
    return release.graph(kept, None) if kept.any() else None


@dataclass(frozen=True, kw_only=True)
class _Release:
    """What was read of a release: the names that are chosen, and their concepts in order."""

    folder: Path
    selection: UmlsSelection
    names: Names
    cuis: pl.Series
    left_out: Counter[str]

    @classmethod
    def read(cls, folder: Path, selection: UmlsSelection) -> "_Release":
        names = read_names(folder, selection)
        cuis = names.frame["CUI"].unique(maintain_order=True)
        left_out = Counter(names.left_out)
        return cls(folder=folder, selection=selection, names=names, cuis=cuis, left_out=left_out)

    def edges(self) -> Edges:
        return read_relations(self.folder, self.names, self.cuis, self.left_out)

    def places(self, cuis: Iterable[str]) -> NDArray[np.int64]:
        """Where some concepts stand in `cuis`."""
        return np.flatnonzero(_among(self.cuis, pl.Series(list(cuis), dtype=pl.String)))

    def seeds(self, how: Reach) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The concepts that each seed is the id or a name of; preferred names go before others."""
        wanted = {fold(seed) for seed in how.seeds}
        folded = pl.col("STR").str.to_lowercase().str.replace_all(r"\s+", " ")
        hits = self.names.frame.filter(folded.is_in(wanted))
        theirs = self.names.frame.join(hits, on="CUI", how="semi").sort("KEY", maintain_order=True)
        preferred = dict(theirs.unique("CUI", keep="first").select("CUI", "STR").iter_rows())
        by_preferred: dict[str, list[str]] = {}
        by_name: dict[str, list[str]] = {}
        for cui, name in hits.select("CUI", "STR").iter_rows():
            by_name.setdefault(fold(name), []).append(cui)
            if fold(preferred[cui]) == fold(name):
                by_preferred.setdefault(fold(name), []).append(cui)
        ids = set(self.cuis.filter(self.cuis.is_in(list(how.seeds))))
        found = tuple((seed, _started(seed, ids, by_preferred, by_name)) for seed in how.seeds)
        refuse_no_seed(found)
        return found

    def named(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which concepts have a name that is one of these in some form."""
        forms = {form for name in names for form in (inflected(name), straightened(name)) if form}
        stems = {stem for form in forms for stem in form.split()}
        first = self.names.frame.select(FIRST=pl.col("STR").str.extract(r"([\p{L}\p{N}]+)"))
        beginnings = first["FIRST"].drop_nulls().unique()
        possible = [word for word in beginnings if _begins(word, stems)]
        begun = self.names.frame.filter(first["FIRST"].is_in(possible))
        # Forms leave out no more than these words, so a longer name fits none.
        written = pl.col("STR").str.count_matches(r"[\p{L}\p{N}]+").cast(pl.Int64)
        dropped = pl.col("STR").str.count_matches(r"(?i)\b(?:of|the|a|an|s)\b").cast(pl.Int64)
        rows = begun.filter(written - dropped <= max(map(_words, forms), default=0))
        texts = rows["STR"].unique()
        fitting = [
            text for text in texts if inflected(text) in forms or straightened(text) in forms
        ]
        meant = rows.filter(pl.col("STR").is_in(fitting))["CUI"]
        return _among(self.cuis, meant.unique())

    def graph(self, kept: NDArray[np.bool_], edges: Edges | None) -> ConceptGraph:
        """The graph of some of the concepts, with the relations between them."""
        types = read_types(self.folder)
        wanted = self.cuis.filter(pl.Series(kept))
        if self.selection.types:
            typed = chosen_types(types, self.selection, self.folder)["CUI"]
            wanted = wanted.filter(_among(wanted, typed))
            self.left_out["concepts of other semantic types"] = int(kept.sum()) - len(wanted)
        if wanted.is_empty():
            raise KnowledgeError(
                f"{self.folder}: no concept is left of {int(kept.sum()):,}. Choose other semantic "
                "types or seeds."
            )
        concepts = self._concepts(wanted, types)
        relations = () if edges is None else tuple(_relations(edges, self.cuis, wanted))
        left_out = tuple(sorted((reason, n) for reason, n in self.left_out.items() if n))
        origin = Origin(
            name=f"UMLS: {', '.join(self.names.vocabularies)}", licence=LICENCE, left_out=left_out
        )
        return ConceptGraph(concepts=concepts, relations=relations, origins=(origin,))

    def _concepts(self, wanted: pl.Series, types: pl.DataFrame) -> tuple[Concept, ...]:
        chosen = pl.DataFrame({"CUI": wanted})
        defined = read_definitions(self.folder, self.names, self.selection, self.left_out)
        definitions = dict(defined.join(chosen, on="CUI", how="semi").iter_rows())
        typed = types.join(chosen, on="CUI", how="semi").group_by("CUI").agg(pl.col("TUI"))
        tuis: dict[str, list[str]] = dict(typed.iter_rows())
        texts = (
            self.names.frame.join(chosen, on="CUI", how="semi", maintain_order="left")
            .sort("KEY", maintain_order=True)
            .unique(("CUI", "STR"), keep="first", maintain_order=True)
            .group_by("CUI", maintain_order=True)
            .agg(pl.col("STR"))
        )
        names: dict[str, list[str]] = dict(texts.iter_rows())
        return tuple(
            _concept(cui, names[cui], definitions.get(cui, ""), tuis.get(cui, ())) for cui in wanted
        )


def _among(cuis: pl.Series, others: pl.Series) -> NDArray[np.bool_]:
    """Which of some concepts are among others."""
    inside: NDArray[np.bool_] = cuis.is_in(others.implode()).to_numpy()
    return inside


def _started(
    seed: str,
    ids: set[str],
    by_preferred: Mapping[str, list[str]],
    by_name: Mapping[str, list[str]],
) -> tuple[str, ...]:
    if seed in ids:
        return (seed,)
    named = by_preferred.get(fold(seed)) or by_name.get(fold(seed), [])
    return tuple(dict.fromkeys(named))


def _words(form: str) -> int:
    return form.count(" ") + 1


def _begins(word: str, stems: set[str]) -> bool:
    """Whether a name that begins with this word may be one that is looked for."""
    found = words(word)
    return bool(found) and (inflected(word) in stems or found[0] in ("a", "an", "the", "of"))


def _concept(cui: str, names: list[str], definition: str, types: Iterable[str]) -> Concept:
    ordered = tuple(sorted(set(types)))
    kinds = [kind for kind in KINDS_OF_TYPES if any(_KIND_OF.get(t) is kind for t in ordered)]
    different = {fold(name): name for name in reversed(names)}
    preferred = names[0]
    synonyms = tuple(n for n in names if different[fold(n)] == n and fold(n) != fold(preferred))
    return Concept(
        id=cui,
        name=preferred,
        kind=kinds[0] if kinds else ConceptKind.OTHER,
        definition=without_markup(definition),
        synonyms=synonyms,
        cuis=(cui,),
        types=ordered,
    )


def _relations(edges: Edges, cuis: pl.Series, wanted: pl.Series) -> Iterable[Relation]:
    inside = _among(cuis, wanted)
    kept = inside[edges.heads] & inside[edges.tails]
    heads = cuis.gather(edges.heads[kept]).to_list()
    tails = cuis.gather(edges.tails[kept]).to_list()
    for head, kind, tail in zip(heads, edges.kinds[kept], tails, strict=True):
        yield Relation(head=head, kind=edges.kind_names[kind], tail=tail)
