"""Where the entities of a source are that names no places: read by the rules at the same words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from carina.files import progress
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Entity, EntityKind, Study

Found = tuple[tuple[Entity, ...] | None, ...]


def names_places(found: Iterable[tuple[Entity, ...] | None]) -> bool:
    """Whether any observation of any report has a place."""
    return any(
        entity.place is not None
        for entities in found
        for entity in entities or ()
        if entity.kind is EntityKind.OBSERVATION
    )


def with_places(studies: Sequence[Study], found: Found) -> Found:
    """The entities of each study at the places that the rules read at their words."""
    rules = RuleExtractor(Lexicon.default())
    pairs = zip(studies, found, strict=True)
    return tuple(
        tuple(placed(entities, rules.extract(study.report.text))) if entities else entities
        for study, entities in progress(pairs, "Reading places", len(studies))
    )


def placed(entities: Sequence[Entity], read: Sequence[Entity]) -> Iterator[Entity]:
    """Each observation at the places of those of the rules that share words with it.

    Args:
        entities: of one report, by their start.
        read: those of the rules.
    """
    known = sorted(
        (e for e in read if e.kind is EntityKind.OBSERVATION and e.place is not None),
        key=lambda e: (e.start, e.end),
    )
    first = 0
    for entity in entities:
        while first < len(known) and known[first].end <= entity.start:
            first += 1
        places: list[str | None] = []
        for number in range(first, len(known)):
            other = known[number]
            if other.start >= entity.end:
                break
            if other.end > entity.start and other.place not in places:
                places.append(other.place)
        observed = entity.kind is EntityKind.OBSERVATION
        for place in places if observed and places else [entity.place]:
            yield replace(entity, place=place)
