"""What a concept graph looks like as a whole, beyond its counts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from carina.knowledge.graph import ConceptGraph, GraphStatistics, fold

EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class SharedName:
    """A name or synonym that several concepts have, and their ids."""

    name: str
    concepts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GraphSurvey:
    """How a graph hangs together, and what is odd in it.

    `components` are parts that no relation joins, each concept without relation being one;
    `largest` is how many concepts the largest has, `orphans` how many concepts have no relation.
    `longest_names` are the longest preferred names, the longest first. `shared` are names that
    several concepts have, those of most concepts first.
    """

    counts: GraphStatistics
    components: int
    largest: int
    orphans: int
    longest_names: tuple[str, ...]
    shared: tuple[SharedName, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as for JSON."""
        counts = asdict(self.counts)
        counts["kinds"] = dict(self.counts.kinds)
        counts["relation_kinds"] = dict(self.counts.relation_kinds)
        return {
            **counts,
            "components": self.components,
            "largest_component": self.largest,
            "orphans": self.orphans,
            "longest_names": list(self.longest_names),
            "shared_names": {shared.name: list(shared.concepts) for shared in self.shared},
        }


def survey(graph: ConceptGraph) -> GraphSurvey:
    """Looks a graph over."""
    sizes = component_sizes(graph)
    joined = {end for relation in graph.relations for end in (relation.head, relation.tail)}
    names = sorted((concept.name for concept in graph.concepts), key=lambda n: (-len(n), n))
    return GraphSurvey(
        counts=graph.statistics(),
        components=len(sizes),
        largest=sizes[0],
        orphans=len(graph.concepts) - len(joined),
        longest_names=tuple(names[:EXAMPLES]),
        shared=tuple(_shared(graph)),
    )


def component_sizes(graph: ConceptGraph) -> tuple[int, ...]:
    """How many concepts each component has, the largest first."""
    above = {concept.id: concept.id for concept in graph.concepts}

    def root(concept_id: str) -> str:
        while above[concept_id] != concept_id:
            above[concept_id] = above[above[concept_id]]
            concept_id = above[concept_id]
        return concept_id

    for relation in graph.relations:
        above[root(relation.head)] = root(relation.tail)
    counts = Counter(root(concept.id) for concept in graph.concepts)
    return tuple(sorted(counts.values(), reverse=True))


def _shared(graph: ConceptGraph) -> Iterable[SharedName]:
    owners: dict[str, list[str]] = {}
    for concept in graph.concepts:
        for name in dict.fromkeys(map(fold, (concept.name, *concept.synonyms))):
            owners.setdefault(name, []).append(concept.id)
    several = [(name, ids) for name, ids in owners.items() if len(ids) > 1]
    for name, ids in sorted(several, key=lambda item: (-len(item[1]), item[0])):
        yield SharedName(name=name, concepts=tuple(ids))
