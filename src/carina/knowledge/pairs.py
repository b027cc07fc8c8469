"""Pairs of texts that describe the same concept: what stage 1 of KAD is trained on.

Which pairs a batch holds is a pure function of (seed, step): the global batch is drawn whole,
and each process takes its rows.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from carina.errors import KnowledgeError
from carina.knowledge.graph import Concept, ConceptGraph, Relation
from carina.knowledge.kinship import LOOSE_RELATIONS

SEPARATOR = "[SEP]"
NO_CUI = "0"


@dataclass(frozen=True, kw_only=True)
class TextPair:
    """Two texts about one concept.

    `concept` is its id. Pairs with the same `match` describe the same thing and are positives of
    each other; a pair whose `match` is "" is positive with itself alone.
    """

    first: str
    second: str
    concept: str
    match: str


@runtime_checkable
class PairSampler(Protocol):
    """Draws the pairs of a global batch."""

    def draw(self, seed: int, step: int, pairs: int) -> tuple[TextPair, ...]:
        """The pairs of `step`, always the same for the same seed."""
        ...

    @property
    def size(self) -> int:
        """How many different facts there are to draw from: one epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class PaperPairs:
    """Pairs as KAD's paper has them: half of a batch from definitions, half from relations.

    Source: Zhang et al., Nat Commun 2023, Methods. A concept has three descriptions: its name,
    its definition, and "head relation" for a relation that points to it. The first half of a
    batch are names with definitions; each pair of the second half has one "head relation", drawn
    among those of its tail, and the name or the definition.
    """

    def sampler(self, graph: ConceptGraph) -> PairSampler:
        """A sampler over a graph.

        Raises:
            KnowledgeError: the graph has no definition or no relation.
        """
        return _PaperSampler(graph)


@dataclass(frozen=True, kw_only=True)
class OfficialPairs:
    """Pairs as KAD's published code has them.

    With probability relations / (relations + definitions) a relation, else a definition. Of a
    relation, "head [SEP] relation" goes with the tail's name half of the time, else "relation
    [SEP] tail" with the head's. Concepts match by UMLS identifier; one that has none, or does
    not begin with C, has "0" and matches nothing but itself.
    """

    def sampler(self, graph: ConceptGraph) -> PairSampler:
        """A sampler over a graph.

        Raises:
            KnowledgeError: the graph has neither definitions nor relations.
        """
        return _OfficialSampler(graph)


@dataclass(frozen=True, kw_only=True)
class AppearancePairs:
    """Our own pairs, for small graphs: any two of all that can be said of a concept.

    A concept is drawn evenly, and two different kinds of its texts: a name (or synonym), the
    definition, and a list of some of its attributes in any order ("round, opaque, lung apex").
    The lists teach the encoder to compose a description from attributes seen elsewhere.
    """

    def sampler(self, graph: ConceptGraph) -> PairSampler:
        """A sampler over a graph.

        Raises:
            KnowledgeError: no concept has two kinds of text.
        """
        return _AppearanceSampler(graph)


class _PaperSampler:
    def __init__(self, graph: ConceptGraph) -> None:
        self._graph = graph
        self._defined = _defined(graph)
        self._tails = [c for c in graph.concepts if graph.arriving(c.id)]
        if not self._defined or not self._tails:
            raise KnowledgeError(
                f"the concept graph has {len(self._defined)} definitions and "
                f"{len(graph.relations)} relations; the paper's pairs need some of both. Use "
                "another graph, or the pairs of another recipe."
            )

    @property
    def size(self) -> int:
        return len(self._defined) + len(self._graph.relations)

    def draw(self, seed: int, step: int, pairs: int) -> tuple[TextPair, ...]:
        random = _generator(seed, step)
        from_definitions = (pairs + 1) // 2
        return tuple(
            self._defined_pair(random) if row < from_definitions else self._related_pair(random)
            for row in range(pairs)
        )

    def _defined_pair(self, random: np.random.Generator) -> TextPair:
        concept = _one_of(self._defined, random)
        return _pair(concept.name, concept.definition, concept)

    def _related_pair(self, random: np.random.Generator) -> TextPair:
        concept = _one_of(self._tails, random)
        relation = _one_of(self._graph.arriving(concept.id), random)
        description = f"{self._graph[relation.head].name} {relation.kind}"
        others = [text for text in (concept.name, concept.definition) if text]
        return _pair(_one_of(others, random), description, concept)


class _OfficialSampler:
    def __init__(self, graph: ConceptGraph) -> None:
        self._graph = graph
        self._defined = _defined(graph)
        if not self._defined and not graph.relations:
            raise KnowledgeError(
                "the concept graph has neither definitions nor relations, so there is nothing to "
                "learn. Use another graph."
            )

    @property
    def size(self) -> int:
        return len(self._defined) + len(self._graph.relations)

    def draw(self, seed: int, step: int, pairs: int) -> tuple[TextPair, ...]:
        random = _generator(seed, step)
        share = len(self._graph.relations) / self.size
        return tuple(
            self._related_pair(random) if random.random() < share else self._defined_pair(random)
            for _ in range(pairs)
        )

    def _defined_pair(self, random: np.random.Generator) -> TextPair:
        concept = _one_of(self._defined, random)
        return _official_pair(concept.name, concept.definition, concept)

    def _related_pair(self, random: np.random.Generator) -> TextPair:
        relation: Relation = _one_of(self._graph.relations, random)
        head, tail = self._graph[relation.head], self._graph[relation.tail]
        if random.random() < 0.5:
            return _official_pair(f"{head.name} {SEPARATOR} {relation.kind}", tail.name, tail)
        return _official_pair(f"{relation.kind} {SEPARATOR} {tail.name}", head.name, head)


Voice = Callable[[np.random.Generator], str]
"""One way to put a concept into words."""


class _AppearanceSampler:
    def __init__(self, graph: ConceptGraph) -> None:
        voices = {concept.id: _voices(graph, concept) for concept in graph.concepts}
        self._concepts = [concept for concept in graph.concepts if len(voices[concept.id]) > 1]
        self._voices = voices
        if not self._concepts:
            raise KnowledgeError(
                "no concept of the graph has two kinds of text (synonyms, definition, attributes), "
                "so there is nothing to learn. Use another graph."
            )

    @property
    def size(self) -> int:
        return sum(len(self._voices[concept.id]) for concept in self._concepts)

    def draw(self, seed: int, step: int, pairs: int) -> tuple[TextPair, ...]:
        # As from a shuffled deck, so that few concepts occur twice in a batch.
        random = _generator(seed, step)
        decks = math.ceil(pairs / len(self._concepts))
        order = np.concatenate([random.permutation(len(self._concepts)) for _ in range(decks)])
        return tuple(self._drawn(self._concepts[place], random) for place in order[:pairs])

    def _drawn(self, concept: Concept, random: np.random.Generator) -> TextPair:
        voices = self._voices[concept.id]
        first, second = random.choice(len(voices), 2, replace=False)
        return _pair(voices[first](random), voices[second](random), concept)


def _voices(graph: ConceptGraph, concept: Concept) -> tuple[Voice, ...]:
    """The kinds of text there are of a concept; a name and a synonym are two kinds."""
    attributes = _attributes(graph, concept)
    choices = (
        (concept.name,),
        concept.synonyms,
        (concept.definition,) if concept.definition else (),
    )
    said: list[Voice] = [functools.partial(_one_of, texts) for texts in choices if texts]
    if attributes:
        said.append(functools.partial(_some_of, attributes))
    return tuple(said)


def _some_of(attributes: Sequence[str], random: np.random.Generator) -> str:
    """At least two of the attributes, in any order."""
    count = random.integers(min(2, len(attributes)), len(attributes) + 1)
    return ", ".join(attributes[place] for place in random.permutation(len(attributes))[:count])


def _attributes(graph: ConceptGraph, concept: Concept) -> tuple[str, ...]:
    tails = [r.tail for r in graph.leaving(concept.id) if r.kind not in LOOSE_RELATIONS]
    return tuple(graph[tail].name for tail in dict.fromkeys(tails))


def _defined(graph: ConceptGraph) -> list[Concept]:
    return [concept for concept in graph.concepts if concept.definition]


def _pair(first: str, second: str, concept: Concept) -> TextPair:
    return TextPair(first=first, second=second, concept=concept.id, match=concept.id)


def _official_pair(first: str, second: str, concept: Concept) -> TextPair:
    cui = official_cui(concept)
    match = "" if cui == NO_CUI else cui
    return TextPair(first=first, second=second, concept=concept.id, match=match)


def official_cui(concept: Concept) -> str:
    """The identifier that KAD's published code goes by: the first, or "0" unless it is C..."""
    cui = concept.cuis[0] if concept.cuis else NO_CUI
    return cui if cui.startswith("C") else NO_CUI


def _generator(seed: int, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, step, 0])


ItemT = TypeVar("ItemT")


def _one_of(items: Sequence[ItemT], random: np.random.Generator) -> ItemT:
    return items[int(random.integers(len(items)))]
