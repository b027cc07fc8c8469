"""On which side of the patient a report puts an observation."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

SIDES = ("left", "right")


def sides_of(entity: Entity) -> frozenset[str]:
    """The sides that an entity's place names: both for what is bilateral, none if none is named."""
    words = (entity.place or "").split()
    return frozenset(SIDES if "bilateral" in words else [side for side in SIDES if side in words])


def most_frequent_sided(reports: Iterable[Sequence[Entity]], count: int) -> tuple[str, ...]:
    """Observations with a side, such as "left pneumothorax", that most reports call present.

    Most frequent first, ties by name.
    """
    counts: Counter[str] = Counter()
    for entities in reports:
        counts.update(
            {
                f"{side} {entity.name}"
                for entity in observations(entities)
                if entity.assertion is Assertion.PRESENT
                for side in sides_of(entity)
            }
        )
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:count])


def sided_assertions(
    entities: Iterable[Entity],
) -> dict[tuple[str, str], set[Assertion | None]]:
    """What a report says of observations on each side, by side and standard name.

    A kind of an observation speaks for it. None in a set says that the report puts the
    observation on no side, so that it may be this one. Present on the other side alone is
    absent on this.
    """
    broader = Lexicon.default().broader
    found: dict[tuple[str, str], set[Assertion | None]] = defaultdict(set)
    for entity in observations(entities):
        names = {entity.name, *broader(entity.name)}
        for side in SIDES:
            value = assertion_on(side, entity)
            for name in names:
                found[side, name].add(value)
    return dict(found)


def assertion_on(side: str, entity: Entity) -> Assertion | None:
    """What one mention says of one side; None if it may be meant."""
    sides = sides_of(entity)
    if entity.assertion is Assertion.ABSENT or side in sides:
        return entity.assertion
    return Assertion.ABSENT if sides else None


def observations(entities: Iterable[Entity]) -> list[Entity]:
    """The entities that name observations."""
    return [entity for entity in entities if entity.kind is EntityKind.OBSERVATION]
