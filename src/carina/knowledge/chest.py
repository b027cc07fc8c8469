"""Graphs written by hand as TOML, and the embedded one of chest findings."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from carina.errors import KnowledgeError
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin, Relation

CHEST_FILE = Path(__file__).with_name("chest.toml")
CHEST_VERSION = "2"

_TEXTS = ("definition",)
_LISTS = ("synonyms", "related", "cuis")


@cache
def chest_graph() -> ConceptGraph:
    """The embedded graph: findings of a frontal radiograph in terms of what is seen.

    Findings that share attributes (density, shape, border, place, content) are tied by them, so
    that a finding without examples can be reached from those that have some. A graph for the
    demo and for tests; an ontology (`carina knowledge`) knows far more diseases.
    """
    origin = Origin(name="carina chest findings", version=CHEST_VERSION, licence="Apache-2.0")
    return read_toml(CHEST_FILE, origin)


def read_toml(path: Path, origin: Origin | None = None) -> ConceptGraph:
    """Reads a graph written by hand.

    A table is `[KIND."name"]` with KIND of `ConceptKind`; `definition` is a text, `synonyms`,
    `related` and `cuis` are lists of texts, and every other key is a relation whose list names
    other concepts of the file.

    Raises:
        KnowledgeError: the file is missing, no TOML, or a table is not of this form.
    """
    tables = _tables(path)
    named = {name: ConceptKind(kind) for kind, group in tables.items() for name in group}
    concepts: list[Concept] = []
    relations: list[Relation] = []
    for kind, group in tables.items():
        for name, table in group.items():
            concepts.append(_concept(path, name, ConceptKind(kind), table))
            relations.extend(_relations(path, name, table, named))
    made = origin or Origin(name=path.name)
    return ConceptGraph(concepts=tuple(concepts), relations=tuple(relations), origins=(made,))


def concept_id(name: str) -> str:
    """The id of a concept of a hand-written graph: "chest:pleural-effusion"."""
    return "chest:" + "-".join(name.casefold().split())


def _tables(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        with path.open("rb") as handle:
            tables: dict[str, Any] = tomllib.load(handle)
    except OSError as error:
        raise KnowledgeError(
            f"{path}: cannot be read ({error.strerror}). Name a TOML file with concepts."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"{path}: is no TOML ({error}). Correct that line.") from error
    kinds = [kind.value for kind in ConceptKind]
    seen: set[str] = set()
    for kind, group in tables.items():
        if kind not in kinds or not isinstance(group, dict):
            raise KnowledgeError(
                f"{path}: the table [{kind}] is of no known kind, expected one of "
                f'{", ".join(kinds)}. Write [finding."name"], for example.'
            )
        for name, table in group.items():
            if not isinstance(table, dict) or concept_id(name) in seen:
                raise KnowledgeError(
                    f"{path}: {name!r} of [{kind}] is given twice or is no table of its own. "
                    f'Write one [{kind}."{name}"] with its keys below.'
                )
            seen.add(concept_id(name))
    return tables


def _concept(path: Path, name: str, kind: ConceptKind, table: Mapping[str, Any]) -> Concept:
    definition = table.get("definition", "")
    if not isinstance(definition, str):
        raise KnowledgeError(
            f"{path}: the definition of {name!r} is {definition!r}, expected a text. Quote it."
        )
    lists = {key: tuple(_names(path, name, key, table.get(key, []))) for key in _LISTS}
    return Concept(id=concept_id(name), name=name, kind=kind, definition=definition, **lists)


def _relations(
    path: Path, name: str, table: Mapping[str, Any], named: Mapping[str, ConceptKind]
) -> Iterator[Relation]:
    for key, value in table.items():
        if key in (*_TEXTS, *_LISTS):
            continue
        for tail in _names(path, name, key, value):
            if tail not in named:
                raise KnowledgeError(
                    f"{path}: {name!r} {key} {tail!r}, but no table of the file has that name. "
                    "Add one, or correct the name."
                )
            yield Relation(head=concept_id(name), kind=key, tail=concept_id(tail))


def _names(path: Path, name: str, key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise KnowledgeError(
            f"{path}: {key!r} of {name!r} is {value!r}, expected a list of texts. "
            'Write it as ["one", "two"].'
        )
    return value
