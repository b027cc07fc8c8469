"""A graph of medical concepts: names, synonyms, definitions, and how they relate."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from carina.errors import KnowledgeError
from carina.files import atomic_path

FORMAT = "carina.graph.2"
_FORMAT_KEY = "carina.format"
_ORIGINS_KEY = "carina.origins"
_DIGEST_KEY = "carina.digest"

ItemT = TypeVar("ItemT")


class ConceptKind(StrEnum):
    """What a concept is."""

    FINDING = "finding"
    DISEASE = "disease"
    DEVICE = "device"
    PLACE = "place"
    ATTRIBUTE = "attribute"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One idea that texts may name or describe.

    `synonyms` mean the same; `related` are names that a source gives as broader, narrower or
    merely near, and that no look-up follows. `cuis` are concept identifiers of the Unified
    Medical Language System, in the source's order; `types` are its semantic types, such as
    T047 for a disease. `definition` is "" where there is none.
    """

    id: str
    name: str
    kind: ConceptKind = ConceptKind.OTHER
    definition: str = ""
    synonyms: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    cuis: tuple[str, ...] = ()
    alternative_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Relation:
    """`head` has the relation `kind` ("is a", "located in") to `tail`; both are concept ids."""

    head: str
    kind: str
    tail: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where concepts come from, so that it can be cited.

    `left_out` says how many terms of the source were not taken, by reason.
    """

    name: str
    version: str = ""
    licence: str = ""
    left_out: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class GraphStatistics:
    """How large a graph is."""

    concepts: int
    defined: int
    synonyms: int
    with_cui: int
    relations: int
    kinds: tuple[tuple[str, int], ...]  # of concepts, most frequent first
    relation_kinds: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class ConceptGraph:
    """Concepts and the relations between them, each relation once and in the heads' order.

    Raises:
        KnowledgeError: there is no concept, two have one id, one has no name, or a relation
            names a concept that is not there.
    """

    concepts: tuple[Concept, ...]
    relations: tuple[Relation, ...] = ()
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        if not self.concepts:
            raise KnowledgeError(
                "the concept graph holds no concept, expected at least one. Name a source that "
                "has terms."
            )
        _check_ids(self.concepts)
        known = {concept.id for concept in self.concepts}
        for relation in self.relations:
            for end in (relation.head, relation.tail):
                if end not in known:
                    raise KnowledgeError(
                        f"the relation {relation.head} - {relation.kind} - {relation.tail} names "
                        f"{end!r}, which is no concept of the graph. Add it, or leave the "
                        "relation out."
                    )
        object.__setattr__(self, "relations", _in_order(self.relations, self._places))

    def __getitem__(self, concept_id: str) -> Concept:
        """The concept of an id, or of an id that was merged into it.

        Raises:
            KnowledgeError: there is none.
        """
        found = self._by_id.get(concept_id)
        if found is None:
            raise KnowledgeError(
                f"no concept has the id {concept_id!r}; look it up by name with `find`."
            )
        return found

    def find(self, name: str) -> Concept | None:
        """The concept that a name or synonym stands for, whatever its case and spacing.

        A name goes before a synonym; where several concepts share one, the first is returned.
        """
        return next(iter(self.named(name)), None)

    def with_id(self, concept_id: str) -> Concept | None:
        """The concept of an id, or of an id that was merged into it, if there is one."""
        return self._by_id.get(concept_id)

    def named(self, name: str) -> tuple[Concept, ...]:
        """Every concept of a name; where none has it, every concept that has it as a synonym."""
        return self._all_by_name.get(fold(name)) or self._all_by_synonym.get(fold(name), ())

    def index(self, concept_id: str) -> int:
        """The place of a concept in `concepts`."""
        return self._places[self[concept_id].id]

    def leaving(self, concept_id: str) -> tuple[Relation, ...]:
        """The relations whose head is the concept."""
        return self._leaving.get(concept_id, ())

    def arriving(self, concept_id: str) -> tuple[Relation, ...]:
        """The relations whose tail is the concept."""
        return self._arriving.get(concept_id, ())

    def neighbours(self, concept_id: str) -> tuple[Concept, ...]:
        """The concepts one relation away in either direction, each once, in relation order."""
        tails = [relation.tail for relation in self.leaving(concept_id)]
        heads = [relation.head for relation in self.arriving(concept_id)]
        return tuple(self[other] for other in dict.fromkeys(tails + heads))

    def parents(self, concept_id: str) -> tuple[Concept, ...]:
        """The concepts that this one is a kind of."""
        return tuple(self[r.tail] for r in self.leaving(concept_id) if r.kind == IS_A)

    def ancestors(self, concept_id: str) -> frozenset[str]:
        """The ids of all concepts that this one is a kind of, by any number of steps."""
        found: set[str] = set()
        waiting = [concept_id]
        while waiting:
            for parent in self.parents(waiting.pop()):
                if parent.id not in found:
                    found.add(parent.id)
                    waiting.append(parent.id)
        return frozenset(found)

    def of_kind(self, *kinds: ConceptKind) -> tuple[Concept, ...]:
        """The concepts of some kinds, in order."""
        return tuple(concept for concept in self.concepts if concept.kind in kinds)

    def keeping(self, wanted: Callable[[Concept], bool]) -> "ConceptGraph":
        """The graph of some of the concepts and the relations between them."""
        kept = tuple(concept for concept in self.concepts if wanted(concept))
        ids = {concept.id for concept in kept}
        relations = tuple(r for r in self.relations if r.head in ids and r.tail in ids)
        return ConceptGraph(concepts=kept, relations=relations, origins=self.origins)

    def statistics(self) -> GraphStatistics:
        """Counts of what the graph holds."""
        return GraphStatistics(
            concepts=len(self.concepts),
            defined=sum(bool(concept.definition) for concept in self.concepts),
            synonyms=sum(len(concept.synonyms) for concept in self.concepts),
            with_cui=sum(bool(concept.cuis) for concept in self.concepts),
            relations=len(self.relations),
            kinds=_counts(concept.kind.value for concept in self.concepts),
            relation_kinds=_counts(relation.kind for relation in self.relations),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the graph says; origins do not count."""
        content = [_concept_row(concept, self.leaving(concept.id)) for concept in self.concepts]
        for row in content:
            if not row["types"]:  # most sources have none
                del row["types"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Writes one Parquet file, a row a concept, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        rows = [_concept_row(concept, self.leaving(concept.id)) for concept in self.concepts]
        metadata = {
            _FORMAT_KEY: FORMAT,
            _ORIGINS_KEY: json.dumps([_origin_row(origin) for origin in self.origins]),
            _DIGEST_KEY: self.digest,
        }
        with atomic_path(path) as temporary:
            pl.DataFrame(rows, schema=_SCHEMA).write_parquet(temporary, metadata=metadata)

    @classmethod
    def read(cls, path: Path) -> "ConceptGraph":
        """Reads a graph that `write` wrote.

        Raises:
            KnowledgeError: the file is missing, damaged, changed, or no concept graph.
        """
        rows, metadata = _read_parquet(path)
        concepts = tuple(_concept(row) for row in rows)
        relations = tuple(
            Relation(head=row["id"], kind=relation["kind"], tail=relation["tail"])
            for row in rows
            for relation in row["relations"]
        )
        origins = tuple(_origin(row) for row in json.loads(metadata[_ORIGINS_KEY]))
        graph = cls(concepts=concepts, relations=relations, origins=origins)
        if graph.digest != metadata[_DIGEST_KEY]:
            raise KnowledgeError(
                f"{path}: the content does not fit the checksum written with it, so the file was "
                "changed or damaged. Make it again with `carina knowledge`."
            )
        return graph

    @cached_property
    def _by_id(self) -> dict[str, Concept]:
        merged = {old: concept for concept in self.concepts for old in concept.alternative_ids}
        return merged | {concept.id: concept for concept in self.concepts}

    @cached_property
    def _all_by_name(self) -> dict[str, tuple[Concept, ...]]:
        return _grouped((fold(concept.name), concept) for concept in self.concepts)

    @cached_property
    def _all_by_synonym(self) -> dict[str, tuple[Concept, ...]]:
        return _grouped((fold(s), concept) for concept in self.concepts for s in concept.synonyms)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {concept.id: place for place, concept in enumerate(self.concepts)}

    @cached_property
    def _leaving(self) -> dict[str, tuple[Relation, ...]]:
        return _grouped((relation.head, relation) for relation in self.relations)

    @cached_property
    def _arriving(self) -> dict[str, tuple[Relation, ...]]:
        return _grouped((relation.tail, relation) for relation in self.relations)


IS_A = "is a"
"""The relation from a concept to a more general one."""

_TEXTS = pl.List(pl.String)
_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "name": pl.String(),
    "kind": pl.String(),
    "definition": pl.String(),
    "synonyms": _TEXTS,
    "related": _TEXTS,
    "cuis": _TEXTS,
    "alternative_ids": _TEXTS,
    "types": _TEXTS,
    "relations": pl.List(pl.Struct({"kind": pl.String(), "tail": pl.String()})),
}


def fold(name: str) -> str:
    """A name as look-ups compare it: lower case, single spaces."""
    return " ".join(name.casefold().split())


def _check_ids(concepts: tuple[Concept, ...]) -> None:
    seen: set[str] = set()
    for concept in concepts:
        if concept.id in seen:
            raise KnowledgeError(
                f"two concepts have the id {concept.id!r}, expected one. Merge them, or rename one."
            )
        if not concept.name.strip():
            raise KnowledgeError(
                f"the concept {concept.id!r} has no name, and nothing can be learnt of it. Give "
                "it one, or leave it out."
            )
        seen.add(concept.id)


def _in_order(relations: Iterable[Relation], places: Mapping[str, int]) -> tuple[Relation, ...]:
    return tuple(sorted(dict.fromkeys(relations), key=lambda relation: places[relation.head]))


def _grouped(pairs: Iterable[tuple[str, ItemT]]) -> dict[str, tuple[ItemT, ...]]:
    groups: dict[str, list[ItemT]] = {}
    for key, item in pairs:
        groups.setdefault(key, []).append(item)
    return {key: tuple(items) for key, items in groups.items()}


def _counts(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _concept_row(concept: Concept, leaving: Iterable[Relation]) -> dict[str, Any]:
    return {
        "id": concept.id,
        "name": concept.name,
        "kind": concept.kind.value,
        "definition": concept.definition,
        "synonyms": list(concept.synonyms),
        "related": list(concept.related),
        "cuis": list(concept.cuis),
        "alternative_ids": list(concept.alternative_ids),
        "types": list(concept.types),
        "relations": [{"kind": relation.kind, "tail": relation.tail} for relation in leaving],
    }


def _concept(row: Mapping[str, Any]) -> Concept:
    return Concept(
        id=row["id"],
        name=row["name"],
        kind=ConceptKind(row["kind"]),
        definition=row["definition"],
        synonyms=tuple(row["synonyms"]),
        related=tuple(row["related"]),
        cuis=tuple(row["cuis"]),
        alternative_ids=tuple(row["alternative_ids"]),
        types=tuple(row["types"]),
    )


def _origin_row(origin: Origin) -> dict[str, Any]:
    return {
        "name": origin.name,
        "version": origin.version,
        "licence": origin.licence,
        "left_out": [list(item) for item in origin.left_out],
    }


def _origin(row: Mapping[str, Any]) -> Origin:
    left_out = tuple((reason, count) for reason, count in row["left_out"])
    return Origin(
        name=row["name"], version=row["version"], licence=row["licence"], left_out=left_out
    )


def _read_parquet(path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    if not path.is_file():
        raise KnowledgeError(
            f"{path}: there is no such file. Make a concept graph with `carina knowledge SOURCE "
            f"--out {path.name}`, or leave it out for the embedded one."
        )
    try:
        metadata = pl.read_parquet_metadata(path)
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise KnowledgeError(
            f"{path}: cannot be read as Parquet, expected a file that `carina knowledge` wrote. "
            "Make it again."
        ) from error
    if metadata.get(_FORMAT_KEY) != FORMAT or set(frame.columns) != set(_SCHEMA):
        raise KnowledgeError(
            f"{path}: is marked {metadata.get(_FORMAT_KEY)!r}, expected {FORMAT!r}: it is no "
            "concept graph of this version. Make it again with `carina knowledge`."
        )
    return frame.to_dicts(), metadata
