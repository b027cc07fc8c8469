"""How much two concepts have in common, by the relations that they share."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carina.knowledge.graph import ConceptGraph

LOOSE_RELATIONS = frozenset({"may cause", "may be", "looks like"})
"""Relations between concepts that go together or are confused, and yet are not alike."""


class Kinship:
    """The likeness of concepts: the cosine between what they are, weighted by rarity.

    A concept is described by itself, by what it is a kind of (any number of steps up), and by
    each (relation, tail) that it or these have. A property counts log(concepts / concepts that
    have it), so to share an air-fluid level says more than to share being opaque.
    """

    def __init__(self, graph: ConceptGraph) -> None:
        properties = [_properties(graph, concept.id) for concept in graph.concepts]
        holders = Counter(item for held in properties for item in held)
        # Sorted: a set's order is another one in each process, and so would be the last bits of
        # the sums over it.
        self._weights = [
            {item: math.log(len(properties) / holders[item]) for item in sorted(held)}
            for held in properties
        ]
        self._graph = graph

    def matrix(self, concept_ids: Sequence[str]) -> NDArray[np.float32]:
        """Likeness of every two of the concepts.

        Returns:
            [concepts, concepts] in [0, 1], symmetric. A concept that has no property another
            concept could share is like itself alone.
        """
        held = [self._weights[self._graph.index(concept_id)] for concept_id in concept_ids]
        columns = {item: place for place, item in enumerate(dict.fromkeys(_chain(held)))}
        table = np.zeros((len(held), max(1, len(columns))), dtype=np.float32)
        for row, weights in enumerate(held):
            for item, weight in weights.items():
                table[row, columns[item]] = weight
        lengths = np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
        likeness = np.clip((table / lengths) @ (table / lengths).T, 0.0, 1.0)
        same = np.array(concept_ids)[:, None] == np.array(concept_ids)[None, :]
        return np.where(same, np.float32(1.0), likeness).astype(np.float32)


Property = tuple[str, str]


def _properties(graph: ConceptGraph, concept_id: str) -> frozenset[Property]:
    found: set[Property] = {("self", concept_id)}
    for relation in graph.leaving(concept_id):
        if relation.kind not in LOOSE_RELATIONS:
            found.add((relation.kind, relation.tail))
    # The tails of tails count once more: the lung apex is part of the upper zone.
    for kind, tail in tuple(found):
        if kind != "self":
            found |= {(kind, ancestor) for ancestor in graph.ancestors(tail)}
    return frozenset(found)


def _chain(held: Sequence[dict[Property, float]]) -> list[Property]:
    return [item for weights in held for item in weights]
