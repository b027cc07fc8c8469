"""Concept graphs from ontologies in OBO: HPO, the Disease Ontology, Uberon and their like."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import obonet

from carina.errors import KnowledgeError
from carina.knowledge.graph import IS_A, Concept, ConceptGraph, ConceptKind, Origin, Relation, fold

KINDS = {
    "HP": ConceptKind.FINDING,
    "DOID": ConceptKind.DISEASE,
    "UBERON": ConceptKind.PLACE,
}
"""What the terms of an ontology are, by the prefix of their ids."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*([A-Z]*)')
_ESCAPED = re.compile(r"\\(.)")
_MEANINGS = {"n": " ", "t": " ", "W": " "}  # escapes that stand for white space
_CUI = re.compile(r"UMLS[A-Z_]*:(C\d{7})\b")


def read_obo(paths: Sequence[Path]) -> ConceptGraph:
    """Reads OBO files as one graph.

    A term that several files hold becomes one concept: the first file's name, all synonyms and
    identifiers, the first definition. `alt_id` leads to the term it was merged into. Obsolete
    terms and terms without a name are left out and counted in `origins`, as are relations that
    lead out of the files. References behind a definition are not part of it.

    Raises:
        KnowledgeError: a file is missing, no OBO, or holds no term.
    """
    if not paths:
        raise KnowledgeError("no OBO file was given, expected one or more.")
    concepts: dict[str, Concept] = {}
    origins: list[Origin] = []
    relations: list[Relation] = []
    left_out: list[Counter[str]] = []
    for path in paths:
        network = _network(path)
        skipped: Counter[str] = Counter()
        found: list[Relation] = []
        for term, fields in network.nodes(data=True):
            concept = _concept(term, fields, skipped)
            if concept is not None:
                known = concepts.get(concept.id)
                concepts[concept.id] = _merged(known, concept) if known else concept
                found.extend(_relations(term, fields))
        if not found and not any(term in concepts for term in network.nodes):
            raise KnowledgeError(
                f"{path}: holds no term in use, expected some [Term] with id and name. Check that "
                "it is the ontology and not an empty export."
            )
        relations.extend(found)
        left_out.append(skipped)
        origins.append(Origin(name=path.name, version=_version(network), licence=_licence(network)))
    return _assembled(concepts, relations, origins, left_out)


def merge(graphs: Sequence[ConceptGraph]) -> ConceptGraph:
    """Several graphs as one; a concept of two graphs is merged as `read_obo` does."""
    concepts: dict[str, Concept] = {}
    for graph in graphs:
        for concept in graph.concepts:
            known = concepts.get(concept.id)
            concepts[concept.id] = _merged(known, concept) if known else concept
    return ConceptGraph(
        concepts=tuple(concepts.values()),
        relations=tuple(relation for graph in graphs for relation in graph.relations),
        origins=tuple(origin for graph in graphs for origin in graph.origins),
    )


def _network(path: Path) -> Any:
    try:
        # Obsolete terms are read, too, so that they can be counted.
        network = obonet.read_obo(str(path), ignore_obsolete=False, encoding="utf-8")
    except OSError as error:
        raise KnowledgeError(
            f"{path}: cannot be read ({error.strerror}). Name an OBO file."
        ) from error
    except Exception as error:  # the parser raises whatever its regular expressions trip over
        raise KnowledgeError(
            f"{path}: is no OBO ({type(error).__name__}), expected lines of `tag: value` under "
            "[Term]. Download it again, in OBO and not OWL."
        ) from error
    if not network:
        raise KnowledgeError(
            f"{path}: holds no [Term], expected an ontology in OBO. Download it again, in OBO and "
            "not OWL."
        )
    return network


def _concept(term: str, fields: dict[str, Any], skipped: Counter[str]) -> Concept | None:
    if fields.get("is_obsolete") == "true":
        skipped["obsolete"] += 1
        return None
    name = _plain(fields.get("name", ""))
    if not name:
        # A term without any field is merely pointed at: its relations are counted instead.
        skipped.update({"without name": 1} if fields else {})
        return None
    synonyms = list(_synonyms(fields.get("synonym", ())))
    exact = tuple(text for text, scope in synonyms if scope == "EXACT")
    others = tuple(text for text, scope in synonyms if scope != "EXACT")
    return Concept(
        id=term,
        name=name,
        kind=KINDS.get(term.partition(":")[0], ConceptKind.OTHER),
        definition=_definition(fields.get("def", "")),
        synonyms=_different(exact, (name,)),
        related=_different(others, (name, *exact)),
        cuis=tuple(dict.fromkeys(_cuis(fields.get("xref", ())))),
        alternative_ids=tuple(fields.get("alt_id", ())),
    )


def _relations(term: str, fields: dict[str, Any]) -> Iterator[Relation]:
    for parent in fields.get("is_a", ()):
        yield Relation(head=term, kind=IS_A, tail=parent)
    for line in fields.get("relationship", ()):
        kind, _, tail = line.partition(" ")
        yield Relation(head=term, kind=kind.replace("_", " "), tail=tail.split()[0])


def _assembled(
    concepts: dict[str, Concept],
    relations: Iterable[Relation],
    origins: Sequence[Origin],
    left_out: Sequence[Counter[str]],
) -> ConceptGraph:
    """The graph of concepts and the relations among them; the others are counted."""
    ids = {old: concept.id for concept in concepts.values() for old in concept.alternative_ids}
    ids |= {concept_id: concept_id for concept_id in concepts}
    inside = [
        Relation(head=ids[r.head], kind=r.kind, tail=ids[r.tail])
        for r in relations
        if r.head in ids and r.tail in ids
    ]
    outside = sum(r.tail not in ids for r in relations)
    left_out[0].update({"relations that lead outside": outside} if outside else {})
    counted = tuple(
        Origin(
            name=origin.name,
            version=origin.version,
            licence=origin.licence,
            left_out=tuple(sorted(skipped.items())),
        )
        for origin, skipped in zip(origins, left_out, strict=True)
    )
    return ConceptGraph(concepts=tuple(concepts.values()), relations=tuple(inside), origins=counted)


def _merged(first: Concept, second: Concept) -> Concept:
    """One concept of two accounts of it; the first's name and definition go before."""
    names = (first.name, *first.synonyms)
    synonyms = (*first.synonyms, *_different((second.name, *second.synonyms), names))
    return Concept(
        id=first.id,
        name=first.name,
        kind=first.kind,
        definition=first.definition or second.definition,
        synonyms=synonyms,
        related=(*first.related, *_different(second.related, (*names, *first.related))),
        cuis=tuple(dict.fromkeys((*first.cuis, *second.cuis))),
        alternative_ids=tuple(dict.fromkeys((*first.alternative_ids, *second.alternative_ids))),
        types=tuple(dict.fromkeys((*first.types, *second.types))),
    )


def _different(texts: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The texts that are not among the known ones nor twice among themselves, case aside."""
    seen = {fold(text) for text in known}
    kept: list[str] = []
    for text in texts:
        if fold(text) not in seen:
            seen.add(fold(text))
            kept.append(text)
    return tuple(kept)


def _definition(line: str) -> str:
    """The quoted part of a def line; what follows it are references."""
    found = _QUOTED.match(line)
    return _plain(found.group(1)) if found else ""


def _synonyms(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        found = _QUOTED.match(line)
        if found and _plain(found.group(1)):
            yield _plain(found.group(1)), found.group(2) or "RELATED"


def _cuis(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        found = _CUI.match(line)
        if found:
            yield found.group(1)


def _plain(text: str) -> str:
    r"""A text without OBO's escapes (\", \:, \n) and with single spaces."""
    unescaped = _ESCAPED.sub(lambda match: _MEANINGS.get(match.group(1), match.group(1)), text)
    return " ".join(unescaped.split())


def _version(network: Any) -> str:
    return str(network.graph.get("data-version", "") or "")


def _licence(network: Any) -> str:
    """The licence that a header's property_value gives, if any."""
    for line in network.graph.get("property_value", ()):
        name, _, value = str(line).partition(" ")
        if name.endswith("license"):
            return value.split()[0].strip('"') if value else ""
    return ""
