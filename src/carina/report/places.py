"""Where, and how much? The words in front of an observation and behind it that say so."""

from collections.abc import Sequence
from dataclasses import dataclass

from carina.report import speech
from carina.report.lexicon import Meaning, Role, Term
from carina.report.reach import LIST_ROLES, MODIFIER_ROLES, PLACE_ROLES, opens_clause
from carina.report.tokens import Token, is_device
from carina.study import Change

# Places that say little; a second place word wins over them ("left lower lobe pulmonary nodule").
VAGUE = frozenset({"lung", "chest", "bone", "pleural", "interstitium", "lobe", "soft tissue"})
ZONED = frozenset({"lung", "lobe"})
FARTHEST_MODIFIER = 30
PASSED_BY_PLACES = frozenset(
    {
        speech.VERB,
        speech.ARTICLE,
        speech.CHANGE,
        speech.HERE,
        speech.NEUTRAL,
        speech.LIMIT,
        speech.IGNORE,
        speech.DOUBTED,
    }
)
LISTED_PLACES = PLACE_ROLES | {speech.SEVERITY, speech.ARTICLE, speech.PREPOSITION}
GRADED_PLACES = PLACE_ROLES | {speech.SEVERITY}
BEFORE = MODIFIER_ROLES | LIST_ROLES | {speech.PREPOSITION}
# Behind these no place of an observation follows.
NEVER_BEHIND = frozenset({speech.DENY, speech.STOP, speech.STATE, speech.DOUBT})
ENDS_PLACE = frozenset({speech.STOP, speech.COMMA, speech.CHANGE})
AFTER_ZONE = ([speech.ANATOMY], [speech.JOINT], [speech.ZONE], [speech.CHOICE])
GOING_ON = ([speech.SIDE], [speech.DOUBTED], [speech.PREPOSITION])
BOTH_SIDES = "bilaterally"
AWAY_FROM = frozenset({"above", "below", "from", "beneath", "under"})


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


def find_places(tokens: Sequence[Token], roles: list[Role]) -> dict[int, list[Place]]:
    """The places and severities of each observation: those in front of it, else behind it."""
    places: dict[int, list[Place]] = {}
    claimed: set[int] = set()
    observations = [i for i, role in enumerate(roles) if role is speech.OBSERVATION]
    for i in observations:
        places[i] = places_before(tokens, roles, i, claimed)
    last = len(roles) - 1
    for i in observations:
        if i < last and roles[i + 1] not in NEVER_BEHIND:
            places[i] = joined(places[i], places_behind(tokens, roles, i, claimed))
    first = observations[0]
    if first > 1 and roles[0] in OPENS_PLACE and is_nowhere(places[first]):
        places[first] = joined(places[first], opening_places(tokens, roles, first))
    return places


def is_nowhere(places: Sequence[Place]) -> bool:
    """Whether nothing says where an observation is."""
    return len(places) == 1 and places[0] == Place(
        severity=places[0].severity, limit=places[0].limit
    )


def opening_places(tokens: Sequence[Token], roles: list[Role], first: int) -> list[Place]:
    """The places that a sentence opens with, said of its first observation.

    "In the left lower lobe there is a patchy infiltrate", "left upper lobe with scarring".
    """
    begin = 1 if roles[0] is speech.PREPOSITION else 0
    if begin and tokens[0].meaning.word not in INSIDE:
        return [Place()]
    groups: list[Place] = [Place()]
    end = begin
    while end < first and (roles[end] in PLACE_ROLES or roles[end] in PASSED_IN_OPENING):
        if roles[end] in LIST_ROLES:
            groups.append(Place())
        elif roles[end] in PLACE_ROLES:
            add_word(groups[-1], tokens[end].meaning)
        end += 1
    if groups[-1] == Place() or not (begin or opens_finding(groups[-1], roles[end])):
        return [Place()]
    for j in range(end, first):
        if roles[j] is speech.STOP and tokens[j].meaning.word not in THERE_IS:
            return [Place()]
        if roles[j] not in BEHIND_OPENING:
            return [Place()]
    return complete_from_right(groups) if len(groups) > 1 else groups


def opens_finding(place: Place, behind: Role) -> bool:
    """Whether a place and the word behind it open a finding: "left base with", "... shows"."""
    if behind is not speech.SHOWS:
        return behind is speech.WITH
    term = place.term
    telling = term is not None and (term.name not in VAGUE or place.side is not None)
    return telling and term is not None and term.region in SHOWING


def places_before(
    tokens: Sequence[Token], roles: list[Role], i: int, claimed: set[int]
) -> list[Place]:
    """Reads the modifiers in front of an observation: "moderate right and small left"."""
    if i == 0 or roles[i - 1] not in BEFORE:
        return [Place()]
    used: list[int] = []
    for j in range(i - 1, -1, -1):
        near = tokens[j + 1].start - tokens[j].end <= FARTHEST_MODIFIER
        role = roles[j]
        if near and role is speech.PREPOSITION and is_amount(tokens, roles, j):
            continue
        if not near or (role not in MODIFIER_ROLES and role not in LIST_ROLES):
            break
        if role in LIST_ROLES and (j == 0 or roles[j - 1] not in GRADED_PLACES):
            break
        if role is not speech.SEVERITY or not measures_change(tokens, roles, j):
            used.append(j)
    if not used:
        return [Place()]
    used.reverse()
    used = after_other_owner(tokens, roles, used)
    claimed.update(used)
    groups: list[Place] = [Place()]
    for j in used:
        if roles[j] in LIST_ROLES:
            groups.append(Place())
        else:
            add_word(groups[-1], tokens[j].meaning)
    return complete_from_right(groups) if len(groups) > 1 else groups


def measures_change(tokens: Sequence[Token], roles: list[Role], j: int) -> bool:
    """Whether token `j` is the "significant" of "significant decrease", not of the finding."""
    return (
        roles[j] is speech.SEVERITY
        and j + 1 < len(roles)
        and tokens[j + 1].meaning.change in {Change.INCREASED, Change.DECREASED}
    )


def is_amount(tokens: Sequence[Token], roles: list[Role], j: int) -> bool:
    """Whether token `j` is the "of" of "bibasilar patchy areas of" or "small amount of"."""
    return (
        j > 0
        and tokens[j].meaning.word == "of"
        and (roles[j - 1] in PLACE_ROLES or roles[j - 1] is speech.SEVERITY)
        and tokens[j].start - tokens[j - 1].end > 1
    )


def after_other_owner(tokens: Sequence[Token], roles: list[Role], used: list[int]) -> list[int]:
    """Leaves the words that a preposition or a state gives to what stands before it.

    In "opacity in the left base and right effusion" only "right" belongs to the effusion, and in
    "elevated left diaphragm and basilar opacity" the diaphragm belongs to what is elevated.
    """
    if not used:
        return used
    before = used[0] - 1
    while before >= 0 and roles[before] is speech.ARTICLE:
        before -= 1
    if before < 0:
        return used
    state = roles[before] is speech.STATE or tokens[before].meaning.state is not None
    owned = state or (roles[before] is speech.PREPOSITION and speech.OBSERVATION in roles[:before])
    lists = [k for k, j in enumerate(used) if roles[j] in LIST_ROLES]
    if not owned or not lists:
        return used
    own_noun = any(roles[j] is speech.ANATOMY for j in used[: lists[-1]])
    if state and not own_noun:
        return used  # "prominent left and right bases"
    return used[lists[-1] + 1 :]


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


def places_behind(
    tokens: Sequence[Token], roles: list[Role], i: int, claimed: set[int]
) -> list[Place]:
    """Reads the places behind an observation: "in the right upper lobe", "is tiny"."""
    groups: list[Place] = [Place()]
    opened = False
    verb = False
    for j in range(i + 1, len(roles)):
        role = roles[j]
        if j in claimed or tokens[j].start - tokens[j - 1].end > 2 * FARTHEST_MODIFIER:
            break
        if role is speech.PREPOSITION:
            if tokens[j].meaning.word in AWAY_FROM and is_device(tokens[i]):
                if j + 1 < len(roles) and tokens[i].meaning.term is not None:
                    groups[-1].zone = "site"
                break
            opened = True
        elif role in LIST_ROLES:
            lists_place = j + 1 == len(roles) or roles[j + 1] in LISTED_PLACES
            if not opened or not lists_place or opens_clause(roles, j + 1):
                break
            groups.append(Place())
        elif role is speech.COMMA:
            if grades_side(roles, j + 1):
                groups += [Place()] if opened else []
            elif roles[j - 1] is not speech.DOUBTED and (
                roles[j + 1 : j + 2] not in GOING_ON or opens_clause(roles, j + 1)
            ):
                break
            opened = opened or roles[j + 1 : j + 2] == [speech.SIDE]
        elif role in PLACE_ROLES:
            said = not verb or roles[j - 1] is speech.VERB or roles[j - 1] is speech.ARTICLE
            opened = opened or tokens[j].meaning.word == BOTH_SIDES
            opened = opened or (said and names_place(roles, j))
            if not opened and role is not speech.SIDE:
                break
            if verb and not opened:
                break
            if role is speech.ZONE and roles[j + 1 : j + 2] not in AFTER_ZONE:
                break
            add_word(groups[-1], tokens[j].meaning)
        elif role is speech.SEVERITY or role is speech.BORDERLINE:
            told = verb or is_size(tokens[j]) or grades_side(roles, j)
            if not told or measures_change(tokens, roles, j):
                break
            groups[-1].severity = groups[-1].severity or tokens[j].meaning.severity
        elif role is speech.VERB:
            verb = True
        elif not (
            role in PASSED_BY_PLACES
            or tokens[j].meaning.change is not None  # "has increased on the right"
            or is_own_tip(tokens[j], tokens[i])
        ):
            break
    if len(groups) > 1 and groups[-1] == Place():  # "in the left base and the effusion"
        groups.pop()
    if len(groups) > 1 and is_side_alone(groups[-1]):  # "the bases, left greater than right"
        groups[-1].term = groups[0].term
    return complete_from_right(groups) if len(groups) > 1 else groups


def grades_side(roles: list[Role], j: int) -> bool:
    """Whether token `j` begins a degree on a side: "small on the left"."""
    behind = [role for role in roles[j + 1 : j + 4] if role is not speech.ARTICLE]
    return roles[j : j + 1] == [speech.SEVERITY] and behind[:2] == [speech.PREPOSITION, speech.SIDE]


def is_size(token: Token) -> bool:
    """Whether a severity is a measured size: "6 mm"."""
    return token.meaning.word[:1].isdigit()


def names_place(roles: list[Role], j: int) -> bool:
    """Whether the words from token `j` on are a place and end the clause: "scar left base"."""
    for k in range(j, len(roles)):
        if roles[k] is speech.ANATOMY:
            return k + 1 == len(roles) or roles[k + 1] in ENDS_PLACE
        if roles[k] not in PLACE_ROLES:
            return False
    return False


def is_own_tip(token: Token, device: Token) -> bool:
    """Whether an observation is the tip of the device before it."""
    return token.meaning.word == "tip" and is_device(device)


INSIDE = frozenset({"in", "within", "at", "along", "over", "overlying", "throughout"})
THERE_IS = frozenset({"there is", "there are"})
OPENS_PLACE = PLACE_ROLES | {speech.PREPOSITION, speech.ARTICLE}
PASSED_IN_OPENING = LIST_ROLES | {speech.ARTICLE}
SHOWING = frozenset({"lung", "hilum", "bone"})
"""Regions that a report says to show something: "the left lower lobe shows a nodule"."""
BEHIND_OPENING = frozenset(
    {
        speech.SHOWS,
        speech.COMMA,
        speech.STOP,
        speech.WITH,
        speech.VERB,
        speech.ARTICLE,
        speech.SEVERITY,
        speech.CHANGE,
        speech.NEUTRAL,
    }
)


def joined(before: list[Place], behind: list[Place]) -> list[Place]:
    """One list of places from the words in front of and behind an observation."""
    if len(behind) > 1 and len(before) > 1:
        return before
    if len(behind) > 1:
        front = before[0]
        for group in behind:
            group.severity = front.severity or group.severity
            group.limit = front.limit
            if front.side not in {None, "bilateral"}:
                group.side = group.side or front.side
            elif is_side_alone(group):
                group.term, group.zone = front.term, front.zone
        return behind
    for group in before:
        extra = behind[0]
        group.severity = group.severity or extra.severity
        if extra.zone == "site":
            group.zone = "site"
            continue
        group.side = group.side or extra.side
        group.zone = group.zone or extra.zone
        if extra.term is not None and (group.term is None or group.term.name in VAGUE):
            group.term, group.paired = extra.term, extra.paired
            group.side = group.side or extra.side
    return before


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
