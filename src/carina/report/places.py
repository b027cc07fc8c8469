"""Where, and how much? The words in front of an observation and behind it that say so."""

from collections.abc import Sequence

from carina.report import speech
from carina.report.lexicon import Role
from carina.report.reach import LIST_ROLES, MODIFIER_ROLES, PLACE_ROLES, opens_clause
from carina.report.tokens import Token, is_device
from carina.report.whereabouts import (
    VAGUE,
    Place,
    add_word,
    complete_from_right,
    is_side_alone,
)
from carina.study import Change

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
            if not (opened and lists_place(roles, j + 1)):
                break
            groups.append(Place())
        elif role is speech.COMMA:
            if grades_side(roles, j + 1):
                groups += [Place()] if opened else []
            elif not goes_on(roles, j):
                break
            opened = opened or roles[j + 1 : j + 2] == [speech.SIDE]
        elif role in PLACE_ROLES:
            opened = opened or stands_alone(tokens, roles, j, verb)
            if not opened and (verb or role is not speech.SIDE):
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
    return tidied(groups)


def tidied(groups: list[Place]) -> list[Place]:
    """Places behind an observation, without an empty one and each with its noun."""
    if len(groups) > 1 and groups[-1] == Place():  # "in the left base and the effusion"
        groups.pop()
    if len(groups) > 1 and is_side_alone(groups[-1]):  # "the bases, left greater than right"
        groups[-1].term = groups[0].term
    return complete_from_right(groups) if len(groups) > 1 else groups


def lists_place(roles: list[Role], j: int) -> bool:
    """Whether another place begins at token `j`, and not another statement."""
    return j == len(roles) or (roles[j] in LISTED_PLACES and not opens_clause(roles, j))


def goes_on(roles: list[Role], comma: int) -> bool:
    """Whether a place may follow a comma: ", on the right", ", if any, in the left base"."""
    listed = roles[comma + 1 : comma + 2] in GOING_ON and not opens_clause(roles, comma + 1)
    return roles[comma - 1] is speech.DOUBTED or listed


def stands_alone(tokens: Sequence[Token], roles: list[Role], j: int, verb: bool) -> bool:
    """Whether token `j` is of a place without a preposition: "scar left base", "bilaterally"."""
    said = not verb or roles[j - 1] is speech.VERB or roles[j - 1] is speech.ARTICLE
    return tokens[j].meaning.word == BOTH_SIDES or (said and names_place(roles, j))


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
