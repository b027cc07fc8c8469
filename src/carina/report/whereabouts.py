"""A place in words: which side, which part of the body, how much."""

from dataclasses import dataclass

from carina.report import speech
from carina.report.lexicon import Meaning, Term

# Places that say little; a second place word wins over them ("left lower lobe pulmonary nodule").
VAGUE = frozenset({"lung", "chest", "bone", "pleural", "interstitium", "lobe", "soft tissue"})
ZONED = frozenset({"lung", "lobe"})


@dataclass(slots=True)
class Place:
    """Words in front of or behind an observation that say where and how much."""

    side: str | None = None
    zone: str | None = None
    term: Term | None = None
    severity: str | None = None
    limit: str | None = None
    paired: bool = False

    @property
    def spread(self) -> str | None:
        """The side, which is both where only a plural speaks of it: "the lung bases"."""
        return self.side or ("bilateral" if self.paired else None)


def add_word(place: Place, meaning: Meaning) -> None:
    """Adds one modifier to a place; the more telling of two place words stays."""
    role = meaning.role
    if role is speech.SIDE:
        place.side = meaning.side if place.side in {None, meaning.side} else "bilateral"
    elif role is speech.ZONE:
        place.zone = meaning.word
    elif role is speech.ANATOMY:
        if place.term is None or place.term.name in VAGUE:
            place.term, place.paired = meaning.term, meaning.paired
        place.side = place.side or meaning.side
    if meaning.severity:
        place.severity = joined_words(place.severity, meaning.severity)
    if meaning.limit:
        place.limit = place.limit or meaning.limit


def joined_words(first: str | None, second: str) -> str:
    """Two severities as one, without saying the same twice."""
    return second if first is None or first in second else f"{first} {second}"


def complete_from_right(groups: list[Place]) -> list[Place]:
    """Gives "right upper" of "right upper and middle lobes" its noun.

    In "upper zones and perihilar region" the upper lung is meant.
    """
    noun = groups[-1].term
    for group in reversed(groups):
        if group.zone is None or noun is None or takes_zone(noun):
            group.paired = group.paired if group.term else groups[-1].paired
            group.term = group.term or noun
        noun = group.term or noun
    first = groups[0]
    for group in groups[1:]:
        group.side = group.side or first.side
        if group.severity is None and group.side == first.side:
            group.severity = first.severity
    if len(groups) > 1 and first.severity and not any(g.severity for g in groups[1:]):
        for group in groups[1:]:
            group.severity = first.severity
    return groups


def takes_zone(term: Term) -> bool:
    """Whether the upper part of a place is called so: that of a lung is, that of an apex not."""
    return term.region != "lung" or term.name.split()[-1] in ZONED


def is_side_alone(place: Place) -> bool:
    """Whether words name a side and no place on it: "left" of "left greater than right"."""
    return place.side is not None and place.term is None and place.zone is None


def place_words(place: Place, site: str | None) -> str | None:
    """Where something is, in standard words: "right upper lobe", "left pleural"."""
    side = place.spread
    if place.zone == "site":
        return f"{side} {site}" if side and site else site
    if place.term is not None:
        name, own = place.term.name, place.term.side
        if name == "chest" and site:
            name = site
        elif name == "lung volumes":
            name = "lung"
        if place.zone:
            name = zoned(place.zone, name)
        fixed = own is not None and name == place.term.name  # "right upper and left lower lobes"
        return f"{side} {name}" if side and not fixed else name
    if place.zone and site in {None, "lung"}:
        zone = zoned(place.zone, "lung")
        return f"{side} {zone}" if side else zone
    if side is None:
        return None
    return f"{side} {site}" if site else side


def zoned(zone: str, name: str) -> str:
    """A part of the body with the zone in front of it: "mid lung", "upper lobe".

    Only lungs and lobes have zones: a vertebra in the middle of the thoracic spine is in the
    thoracic spine.
    """
    noun = name.rsplit(maxsplit=1)[-1]
    if name not in VAGUE and noun not in ZONED:
        return name
    return "mid lung" if (zone, noun) == ("middle", "lung") else f"{zone} {noun}"
