"""Words of reports linked to the concepts that they name; where several fit, all are told."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind
from carina.knowledge.phrases import inflected, is_abbreviation, plain, straightened
from carina.study import Entity, EntityKind

WORDS_FILE = Path(__file__).with_name("ordinary_words.txt")


class Way(StrEnum):
    """How a phrase was found to name a concept, the safest first."""

    NAME = "name"
    SYNONYM = "synonym"
    ABBREVIATION = "abbreviation"
    INFLECTED = "plural or spelling"
    REORDERED = "word order"


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a phrase may mean.

    `concepts` are all that fit in the safest `way` in which any does; none, and no way, where
    nothing fits. Concepts that share a UMLS identifier are one meaning.
    """

    phrase: str
    way: Way | None
    concepts: tuple[Concept, ...]
    meanings: int

    @property
    def concept(self) -> Concept | None:
        """The first concept of the one meaning; None where there is none, or more than one."""
        return self.concepts[0] if self.meanings == 1 else None

    @property
    def ambiguous(self) -> bool:
        """Whether the phrase has several meanings."""
        return self.meanings > 1


class Linker:
    """Finds the concept that a phrase names.

    A phrase is compared, whatever its case and marks, with names, then with synonyms and
    abbreviations, then with all of these in another number or spelling ("effusions", "oedema"),
    then turned round at a comma or "of" ("effusion, pleural", "base of the lung"). The first of
    these that gives anything decides. Names that a source calls broader, narrower or related are
    never used. An ordinary word in lower case is no abbreviation: "all" does not name ALL.
    """

    def __init__(self, graph: ConceptGraph) -> None:
        self._graph = graph
        self._names = _Index()
        self._synonyms = _Index()
        self._abbreviations = _Index()
        self._inflected = _Index()
        self._straightened = _Index()
        for place, concept in enumerate(graph.concepts):
            self._names.add(plain(concept.name), place)
            short = [text for text in concept.synonyms if is_abbreviation(text)]
            long = [text for text in concept.synonyms if text not in short]
            for text in short:
                self._abbreviations.add(plain(text), place)
            for text in long:
                self._synonyms.add(plain(text), place)
            for text in (concept.name, *long):
                self._inflected.add(inflected(text), place)
                self._straightened.add(straightened(text), place)

    def link(self, phrase: str, kind: EntityKind | None = None) -> Link:
        """What a phrase may mean.

        Args:
            phrase: words of a report, or a term of the lexicon.
            kind: what the phrase is known to be: anatomy is linked to places only, an observation
                never to a place; concepts of kind `OTHER` may be either.
        """
        for way, places in self._found(phrase):
            concepts = [self._graph.concepts[place] for place in dict.fromkeys(places)]
            fitting = tuple(c for c in concepts if _fits(c, kind))
            if fitting:
                return Link(
                    phrase=phrase, way=way, concepts=fitting, meanings=count_meanings(fitting)
                )
        return Link(phrase=phrase, way=None, concepts=(), meanings=0)

    def _found(self, phrase: str) -> Iterable[tuple[Way, Sequence[int]]]:
        form = plain(phrase)
        yield Way.NAME, self._names[form]
        # A synonym and an abbreviation are equally good, so both are told where both fit.
        synonyms, short = self._synonyms[form], self._abbreviations[form]
        if phrase in ordinary_words():
            short = ()
        yield (Way.SYNONYM if synonyms else Way.ABBREVIATION), (*synonyms, *short)
        yield Way.INFLECTED, self._inflected[inflected(phrase)]
        yield Way.REORDERED, self._straightened[straightened(phrase)]


@cache
def ordinary_words() -> frozenset[str]:
    """Words that an abbreviation must not be taken for when they are in lower case."""
    return frozenset(WORDS_FILE.read_text(encoding="utf-8").split())


class _Index:
    """Places of concepts by a form of their names."""

    def __init__(self) -> None:
        self._places: dict[str, list[int]] = {}

    def add(self, form: str, place: int) -> None:
        if form:
            self._places.setdefault(form, []).append(place)

    def __getitem__(self, form: str) -> Sequence[int]:
        return self._places.get(form, ())


def _fits(concept: Concept, kind: EntityKind | None) -> bool:
    if kind is None or concept.kind is ConceptKind.OTHER:
        return True
    return (concept.kind is ConceptKind.PLACE) == (kind is EntityKind.ANATOMY)


def count_meanings(concepts: Sequence[Concept]) -> int:
    """How many different things concepts are; those that share a UMLS identifier are one."""
    groups: list[set[str]] = []
    for concept in concepts:
        own = {concept.id, *concept.cuis}
        apart = [group for group in groups if group.isdisjoint(own)]
        joined = set[str]().union(own, *(g for g in groups if not g.isdisjoint(own)))
        groups = [*apart, joined]
    return len(groups)


@dataclass(frozen=True, kw_only=True)
class LinkedTerm:
    """A term of reports, how often it occurs, and what it was linked to.

    `term` is the lexicon's word for the entity, `link.phrase` what was linked in the end.
    """

    term: str
    kind: EntityKind
    mentions: int
    link: Link


@dataclass(frozen=True, kw_only=True)
class LinkSummary:
    """What became of the entities of many reports, the most frequent term first."""

    terms: tuple[LinkedTerm, ...]

    @property
    def mentions(self) -> int:
        """How many entities there were."""
        return sum(term.mentions for term in self.terms)

    @property
    def linked(self) -> int:
        """How many of them were linked to one meaning."""
        return sum(term.mentions for term in self.terms if term.link.concept is not None)

    @property
    def ambiguous(self) -> int:
        """How many of them have several meanings."""
        return sum(term.mentions for term in self.terms if term.link.ambiguous)

    @property
    def by_way(self) -> tuple[tuple[Way, int], ...]:
        """Linked entities by the way in which they were."""
        return tuple(
            (way, sum(t.mentions for t in self.terms if t.link.concept and t.link.way is way))
            for way in Way
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as for JSON."""
        return {
            "mentions": self.mentions,
            "linked": self.linked,
            "ambiguous": self.ambiguous,
            "by_way": {way.value: count for way, count in self.by_way},
            "terms": [
                {
                    "term": term.term,
                    "kind": term.kind.value,
                    "mentions": term.mentions,
                    "phrase": term.link.phrase,
                    "way": term.link.way.value if term.link.way else None,
                    "meanings": term.link.meanings,
                    "concepts": [concept.id for concept in term.link.concepts],
                }
                for term in self.terms
            ],
        }


def link_entities(linker: Linker, entities: Iterable[Entity]) -> LinkSummary:
    """Links the entities of reports, by their name, or else by the words as they are written.

    The name goes first because it was chosen by what stands around the words: "base" is read as
    a part of the lung.
    """
    counts = Counter((e.name, e.kind, e.text.lower()) for e in entities)
    linked: dict[tuple[str, EntityKind, Link], int] = {}
    for (name, kind, text), count in counts.items():
        link = linker.link(name, kind)
        if not link.meanings:
            link = linker.link(text, kind)
        if not link.meanings:
            link = Link(phrase=name, way=None, concepts=(), meanings=0)
        linked[name, kind, link] = linked.get((name, kind, link), 0) + count
    ranked = sorted(linked.items(), key=lambda item: (-item[1], item[0][0], item[0][2].phrase))
    return LinkSummary(
        terms=tuple(
            LinkedTerm(term=name, kind=kind, mentions=count, link=link)
            for (name, kind, link), count in ranked
        )
    )
