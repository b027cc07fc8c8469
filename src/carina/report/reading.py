"""Reads one sentence: which observations it names, where, how much, and whether they are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carina.report.lexicon import WHOLE, Meaning, Role, Term
from carina.report.tokens import Token
from carina.study import Assertion, EntityKind

PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN
# Places that say little; a second place word wins over them ("left lower lobe pulmonary nodule").
VAGUE = frozenset({"lung", "chest", "bone", "pleural", "interstitium", "lobe", "soft tissue"})
FARTHEST_MODIFIER = 30
FARTHEST_STATE = 12
PLACE_ROLES = frozenset({Role.SIDE, Role.ZONE, Role.ANATOMY})
MODIFIER_ROLES = PLACE_ROLES | {Role.SEVERITY, Role.LIMIT, Role.BORDERLINE, Role.CHANGE}
LIST_ROLES = frozenset({Role.JOINT, Role.CHOICE})
LISTED_ROLES = frozenset({Role.OBSERVATION, Role.LIMIT, Role.ZONE, Role.ANATOMY, *LIST_ROLES})
PASSED_BY_PLACES = frozenset(
    {
        Role.VERB,
        Role.ARTICLE,
        Role.CHANGE,
        Role.HERE,
        Role.NEUTRAL,
        Role.LIMIT,
        Role.IGNORE,
        Role.DOUBTED,
    }
)
FORWARD_CUES = frozenset({Role.DENY, Role.DOUBT, Role.BORDERLINE, Role.PAST, Role.ELSEWHERE})
BACKWARD_CUES = frozenset({Role.DENY, Role.DENIED, Role.DOUBTED})
ALTERNATIVES = frozenset({Role.CHOICE, Role.DOUBT})
REPEATING = frozenset({Role.SIDE, Role.SAME})
ENDS_SUBJECT = frozenset({Role.STOP, Role.DENIED, Role.DOUBTED, Role.SHOWS})
LISTED_PLACES = PLACE_ROLES | {Role.SEVERITY, Role.ARTICLE, Role.PREPOSITION}
BEFORE_ONE = frozenset({Role.SEVERITY, Role.SIDE, Role.ARTICLE})
AFTER_ZONE = ([Role.ANATOMY], [Role.JOINT], [Role.ZONE], [Role.CHOICE])
GOING_ON = ([Role.SIDE], [Role.DOUBTED], [Role.PREPOSITION])
AWAY_FROM = frozenset({"above", "below", "from", "beneath", "under"})


@dataclass(slots=True)
class Place:
    """Words in front of or behind an observation that say where and how much."""

    side: str | None = None
    zone: str | None = None
    term: Term | None = None
    severity: str | None = None
    limit: str | None = None


@dataclass(slots=True)
class Statement:
    """One entity of a sentence, at characters `start:end` of the sentence."""

    name: str
    kind: EntityKind
    assertion: Assertion | None
    start: int
    end: int
    index: int
    term: Term | None = None
    place: str | None = None
    severity: str | None = None
    limit: str | None = None
    places: list[Place] = field(default_factory=list)


def read_statements(
    tokens: Sequence[Token], states: Mapping[tuple[str, str], tuple[Term, ...]]
) -> list[Statement]:
    """What a sentence says, in the order of its words.

    Args:
        tokens: the phrases found in the sentence, in order, not overlapping.
        states: observations that a state of a region means, as in `Lexicon.states`.
    """
    roles = [token.role for token in tokens]
    met = frozenset(roles)
    assertions: list[Assertion | None] = [PRESENT] * len(roles)
    if met & FORWARD_CUES:
        assertions = assert_forward(tokens, roles)
    if met & BACKWARD_CUES:
        assert_backward(tokens, roles, assertions)
    if met & ALTERNATIVES:
        doubt_alternatives(tokens, roles, assertions)
    places = find_places(tokens, roles)
    statements: list[Statement] = []
    for i, token in enumerate(tokens):
        if token.role is Role.OBSERVATION and assertions[i] is not None:
            if not token.meaning.state or not (
                described := describe(i, tokens, roles, assertions, states)
            ):
                statements.extend(observe(i, token, assertions[i], places.get(i)))
            else:
                statements.extend(described)
        elif token.role is Role.ANATOMY:
            statements.append(name_anatomy(i, tokens))
        elif token.meaning.state and assertions[i] is not None:
            statements.extend(describe(i, tokens, roles, assertions, states))
    if statements:
        inherit_places(statements, tokens, roles)
        if met & REPEATING:
            statements.extend(repeat_subject(tokens, roles, assertions, statements))
    return statements


# ------------------------------------------------------------------ is it there?


def assert_forward(tokens: Sequence[Token], roles: list[Role]) -> list[Assertion | None]:
    """What the cues in front of each token make of it; None is nothing about this radiograph."""
    state: Assertion | None = PRESENT
    sealed = False  # another examination is spoken of, until this one is named
    result: list[Assertion | None] = []
    for i, role in enumerate(roles):
        if role is Role.DENY:
            if not (tokens[i].meaning.either and has_subject(roles, i)):
                state = ABSENT
        elif role is Role.DOUBT:
            # "no pneumonia, possible atelectasis" doubts; "no effusion, suspicious nodule" limits
            apart = i > 0 and roles[i - 1] in {Role.COMMA, Role.JOINT}
            keeps = state is ABSENT and (not apart or tokens[i].meaning.limit is not None)
            state = state if keeps or state is None else UNCERTAIN
        elif role is Role.BORDERLINE:
            state = UNCERTAIN if state is PRESENT else state
        elif role is Role.PAST:
            state = None
        elif role is Role.STOP:
            state = PRESENT
            sealed = sealed and tokens[i].meaning.word != ";"
        elif role is Role.WITH:
            state = PRESENT if state is not None else None
        elif role is Role.ELSEWHERE:
            sealed = sealed or shows_something(roles, i)
        elif role is Role.HERE:
            sealed = False
            state = PRESENT if state is None else state
        elif role is Role.COMMA or role is Role.JOINT:
            state = PRESENT if closes(tokens, roles, i, state) else state
        result.append(None if sealed else state)
    return result


def has_subject(roles: list[Role], i: int) -> bool:
    """Whether an observation stands before token `i` in its clause."""
    for role in reversed(roles[:i]):
        if role is Role.OBSERVATION:
            return True
        if role is Role.STOP:
            return False
    return False


def shows_something(roles: list[Role], i: int) -> bool:
    """Whether the examination at token `i` is said to show something."""
    for role in roles[i + 1 : i + 6]:
        if role is Role.SHOWS:
            return True
        if role in {Role.HERE, Role.STOP, Role.OBSERVATION}:
            return False
    return False


def closes(tokens: Sequence[Token], roles: list[Role], i: int, state: Assertion | None) -> bool:
    """Whether a comma or an "and" ends the reach of what stands before it."""
    if state is PRESENT or i + 1 >= len(roles):
        return False
    following = roles[i + 1]
    if following in LISTED_ROLES:
        if state is UNCERTAIN and roles[i] is Role.COMMA:
            return not goes_on_as_list(roles, i + 1)
        return following is Role.ANATOMY and opens_clause(roles, i + 1)
    if following is Role.SIDE or following is Role.SEVERITY:
        return not goes_on_as_list(roles, i + 1) or (
            following is Role.SIDE and opens_clause(roles, i + 1)
        )
    return following not in {Role.DENY, Role.DOUBT, Role.IGNORE, Role.BORDERLINE}


def goes_on_as_list(roles: list[Role], i: int) -> bool:
    """Whether an "or" (or, in a list, "and") follows before the clause ends."""
    for role in roles[i:]:
        if role in LIST_ROLES:
            return True
        if role in {Role.STOP, Role.VERB, Role.DENY, Role.WITH}:
            return False
    return False


def opens_clause(roles: list[Role], i: int) -> bool:
    """Whether the place at token `i` is the subject of a statement: "the heart is large"."""
    for role in roles[i:]:
        if role in PLACE_ROLES or role in LIST_ROLES:
            continue
        return role is Role.VERB or role is Role.STATE
    return False


def assert_backward(
    tokens: Sequence[Token], roles: list[Role], assertions: list[Assertion | None]
) -> None:
    """Applies "has resolved", "is possible" and their like to what stands before them."""
    for i, role in enumerate(roles):
        denied = (
            role is Role.DENIED
            or (role is Role.DENY and tokens[i].meaning.either and has_subject(roles, i))
            or (role is Role.DENY and i > 0 and roles[i - 1] is Role.COLON and i + 1 == len(roles))
        )
        if denied or role is Role.DOUBTED:
            for j in subjects(roles, i):
                if denied:
                    assertions[j] = ABSENT
                elif assertions[j] is PRESENT:
                    assertions[j] = UNCERTAIN


def subjects(roles: list[Role], cue: int) -> list[int]:
    """Indices of the observations that a cue behind them speaks of."""
    found: list[int] = []
    listed = False
    for j in range(cue - 1, -1, -1):
        role = roles[j]
        if role is Role.OBSERVATION:
            found.append(j)
        elif role in LIST_ROLES:
            listed = True
        elif role in ENDS_SUBJECT or (
            found and (role in {Role.WITH, Role.VERB} or (role is Role.COMMA and not listed))
        ):
            break
    return found


def doubt_alternatives(
    tokens: Sequence[Token], roles: list[Role], assertions: list[Assertion | None]
) -> None:
    """Makes both sides of "atelectasis or infiltrate" uncertain."""
    for i, role in enumerate(roles):
        if role is not Role.CHOICE and tokens[i].meaning.word not in {"versus", "vs", "and or"}:
            continue
        before = next_observation(roles, range(i - 1, -1, -1))
        after = next_observation(roles, range(i + 1, len(roles)))
        if before is None or after is None:
            continue
        if tokens[before].meaning.word == tokens[after].meaning.word:
            continue
        if assertions[before] is PRESENT and role is Role.CHOICE and assertions[after] is PRESENT:
            assertions[before] = assertions[after] = UNCERTAIN
        elif role is not Role.CHOICE and assertions[before] is PRESENT:
            assertions[before] = UNCERTAIN


def next_observation(roles: list[Role], order: range) -> int | None:
    """The first observation in a direction, past nothing but modifiers."""
    for j in order:
        if roles[j] is Role.OBSERVATION:
            return j
        if roles[j] not in MODIFIER_ROLES and roles[j] is not Role.ARTICLE:
            return None
    return None


# ------------------------------------------------------------------ where, and how much?


def find_places(tokens: Sequence[Token], roles: list[Role]) -> dict[int, list[Place]]:
    """The places and severities of each observation: those in front of it, else behind it."""
    places: dict[int, list[Place]] = {}
    claimed: set[int] = set()
    observations = [i for i, role in enumerate(roles) if role is Role.OBSERVATION]
    for i in observations:
        places[i] = places_before(tokens, roles, i, claimed)
    for i in observations:
        behind = places_behind(tokens, roles, i, claimed)
        places[i] = joined(places[i], behind, tokens[i].meaning.term)
    return places


def places_before(
    tokens: Sequence[Token], roles: list[Role], i: int, claimed: set[int]
) -> list[Place]:
    """Reads the modifiers in front of an observation: "moderate right and small left"."""
    used: list[int] = []
    for j in range(i - 1, -1, -1):
        near = tokens[j + 1].start - tokens[j].end <= FARTHEST_MODIFIER
        if near and is_amount(tokens, roles, j):
            continue
        if not near or (roles[j] not in MODIFIER_ROLES and roles[j] not in LIST_ROLES):
            break
        if roles[j] in LIST_ROLES and (j == 0 or roles[j - 1] not in PLACE_ROLES | {Role.SEVERITY}):
            break
        used.append(j)
    used.reverse()
    used = after_other_owner(roles, used)
    claimed.update(used)
    groups: list[Place] = [Place()]
    for j in used:
        if roles[j] in LIST_ROLES:
            groups.append(Place())
        else:
            add_word(groups[-1], tokens[j].meaning)
    return complete_from_right(groups)


def is_amount(tokens: Sequence[Token], roles: list[Role], j: int) -> bool:
    """Whether token `j` is the "of" of "bilateral patchy areas of" or "small amount of"."""
    return (
        j > 0
        and tokens[j].meaning.word == "of"
        and roles[j - 1] in {Role.SIDE, Role.SEVERITY}
        and tokens[j].start - tokens[j - 1].end > 1
    )


def after_other_owner(roles: list[Role], used: list[int]) -> list[int]:
    """Leaves the words that a preposition gives to the observation before it.

    In "opacity in the left base and right effusion" only "right" belongs to the effusion.
    """
    if not used:
        return used
    before = used[0] - 1
    while before >= 0 and roles[before] is Role.ARTICLE:
        before -= 1
    if before < 1 or roles[before] is not Role.PREPOSITION:
        return used
    if Role.OBSERVATION not in roles[:before]:
        return used
    lists = [k for k, j in enumerate(used) if roles[j] in LIST_ROLES]
    return used[lists[-1] + 1 :] if lists else used


def add_word(place: Place, meaning: Meaning) -> None:
    """Adds one modifier to a place; the more telling of two place words stays."""
    role = meaning.role
    if role is Role.SIDE:
        place.side = meaning.side if place.side in {None, meaning.side} else "bilateral"
    elif role is Role.ZONE:
        place.zone = meaning.word
    elif role is Role.ANATOMY:
        if place.term is None or place.term.name in VAGUE:
            place.term = meaning.term
        place.side = place.side or meaning.side
    if meaning.severity:
        place.severity = joined_words(place.severity, meaning.severity)
    if meaning.limit:
        place.limit = place.limit or meaning.limit


def joined_words(first: str | None, second: str) -> str:
    """Two severities as one, without saying the same twice."""
    return second if first is None or first in second else f"{first} {second}"


def complete_from_right(groups: list[Place]) -> list[Place]:
    """Gives "right upper" of "right upper and middle lobes" its noun."""
    last = groups[-1]
    for group in groups[:-1]:
        group.term = group.term or last.term
    first = groups[0]
    for group in groups[1:]:
        group.side = group.side or first.side
        if group.severity is None and group.side == first.side:
            group.severity = first.severity
    if len(groups) > 1 and first.severity and not any(g.severity for g in groups[1:]):
        for group in groups[1:]:
            group.severity = first.severity
    return groups


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
        if role is Role.PREPOSITION:
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
        elif role is Role.COMMA:
            if roles[j - 1] is not Role.DOUBTED and roles[j + 1 : j + 2] not in GOING_ON:
                break
            opened = opened or roles[j + 1 : j + 2] == [Role.SIDE]
        elif role in PLACE_ROLES:
            if not opened and role is not Role.SIDE:
                break
            if verb and not opened:
                break
            if role is Role.ZONE and roles[j + 1 : j + 2] not in AFTER_ZONE:
                break
            add_word(groups[-1], tokens[j].meaning)
        elif role is Role.SEVERITY or role is Role.BORDERLINE:
            if not verb:
                break
            groups[-1].severity = groups[-1].severity or tokens[j].meaning.severity
        elif role is Role.VERB:
            verb = True
        elif not (role in PASSED_BY_PLACES or is_own_tip(tokens[j], tokens[i])):
            break
    return complete_from_right(groups)


def is_own_tip(token: Token, device: Token) -> bool:
    """Whether an observation is the tip of the device before it."""
    return token.meaning.word == "tip" and is_device(device)


def is_device(token: Token) -> bool:
    """Whether an observation is something that was put into the patient."""
    term = token.meaning.term
    return term is not None and (term.name == "device" or bool(DEVICES.intersection(term.is_a)))


DEVICES = frozenset({"device", "tube", "line", "catheter", "central venous catheter", "wire"})


def joined(before: list[Place], behind: list[Place], term: Term | None) -> list[Place]:
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
            group.term = extra.term
            group.side = group.side or extra.side
    return before


def place_words(place: Place, site: str | None) -> str | None:
    """Where something is, in standard words: "right upper lobe", "left pleural"."""
    side = place.side
    if place.zone == "site":
        return f"{side} {site}" if side and site else site
    if place.term is not None:
        name, own = place.term.name, place.term.side
        if name == "chest" and site:
            name = site
        elif name == "lung volumes":
            name = "lung"
        if place.zone and name in VAGUE:
            name = f"{place.zone} {name}"
        elif place.zone and place.zone not in name:
            name = f"{place.zone} {name.split()[-1]}"
        return f"{side} {name}" if side and own is None else name
    if place.zone and site in {None, "lung"}:
        return f"{side} {place.zone} lung" if side else f"{place.zone} lung"
    if side is None:
        return None
    return f"{side} {site}" if site else side


# ------------------------------------------------------------------ statements


def observe(
    i: int, token: Token, assertion: Assertion | None, places: list[Place] | None
) -> list[Statement]:
    """One statement for each place of an observation."""
    term = token.meaning.term
    assert term is not None
    statements = []
    for place in places or [Place()]:
        limit = place.limit if assertion is ABSENT else None
        statements.append(
            Statement(
                name=term.name,
                kind=EntityKind.OBSERVATION,
                assertion=assertion,
                start=token.start,
                end=token.end,
                index=i,
                term=term,
                place=place_words(place, term.site),
                severity=place.severity or limit,
                places=[place],
            )
        )
    return statements


def name_anatomy(i: int, tokens: Sequence[Token]) -> Statement:
    """A part of the body as an entity, with the side in front of it."""
    token = tokens[i]
    place = Place()
    add_word(place, token.meaning)
    if i > 0 and tokens[i - 1].role in {Role.SIDE, Role.ZONE}:
        add_word(place, tokens[i - 1].meaning)
    assert token.meaning.term is not None
    return Statement(
        name=token.meaning.term.name,
        kind=EntityKind.ANATOMY,
        assertion=PRESENT,
        start=token.start,
        end=token.end,
        index=i,
        term=token.meaning.term,
        place=place_words(place, None),
    )


def describe(
    i: int,
    tokens: Sequence[Token],
    roles: list[Role],
    assertions: list[Assertion | None],
    states: Mapping[tuple[str, str], tuple[Term, ...]],
) -> list[Statement]:
    """What a state of a part of the body means: "heart is enlarged", "clear lungs"."""
    state = tokens[i].meaning.state
    assert state is not None
    owners = [
        j
        for j in state_owners(i, tokens, roles)
        if (region := tokens[j].meaning.term) is not None
        and region.region is not None
        and (region.region, state) in states
    ]
    assertion = assertions[i]
    denied_directly = i > 0 and roles[i - 1] is Role.DENY
    if state in WHOLE:
        if denied_directly or not owners:
            return []
        assertion = ABSENT
    elif assertion is ABSENT and owners and subject_is_new(roles, owners[0], i):
        assertion = PRESENT
    statements = []
    for j in owners:
        term = tokens[j].meaning.term
        assert term is not None
        assert term.region is not None
        place = owner_place(j, tokens, roles)
        severity = None if state in WHOLE else severity_before(i, tokens)
        for observation in states[term.region, state]:
            statements.append(
                Statement(
                    name=observation.name,
                    kind=EntityKind.OBSERVATION,
                    assertion=assertion,
                    term=observation,
                    start=min(tokens[i].start, tokens[j].start),
                    end=max(tokens[i].end, tokens[j].end),
                    index=i,
                    place=place_words(place, None),
                    severity=severity,
                    places=[place],
                )
            )
    return statements


def owner_place(j: int, tokens: Sequence[Token], roles: list[Role]) -> Place:
    """A part of the body with the side and zone in front of it."""
    place = Place()
    for k in range(max(0, j - 2), j):
        if roles[k] in {Role.SIDE, Role.ZONE}:
            add_word(place, tokens[k].meaning)
    add_word(place, tokens[j].meaning)
    return place


def severity_before(i: int, tokens: Sequence[Token]) -> str | None:
    """The severity in front of a state: "mildly enlarged"."""
    severities = (tokens[k].meaning.severity for k in range(i - 1, max(-1, i - 3), -1))
    return next((severity for severity in severities if severity), None)


def subject_is_new(roles: list[Role], owner: int, state: int) -> bool:
    """Whether a verb parts a state from its subject, and no denial does.

    In "no effusion, and the heart is enlarged" the denial ends before the heart.
    """
    between = roles[owner:state]
    if Role.VERB not in between or Role.DENY in between:
        return False
    before = roles[:owner]
    return (
        Role.OBSERVATION in before[max(0, len(before) - before[::-1].index(Role.DENY)) :]
        if Role.DENY in before
        else True
    )


def state_owners(i: int, tokens: Sequence[Token], roles: list[Role]) -> list[int]:
    """The parts of the body that a state word speaks of."""
    ahead = owners_ahead(i, tokens, roles)
    back = owners_back(i, roles)
    said_of_subject = i > 0 and Role.VERB in roles[max(0, i - 3) : i]
    if back and not said_of_subject:  # "heart normal", but not "left lung ... (normal count)"
        apart = tokens[i].start - tokens[i - 1].end
        back = back if apart <= FARTHEST_STATE else []
    if back and (said_of_subject or not ahead):
        return back
    return ahead


def owners_ahead(i: int, tokens: Sequence[Token], roles: list[Role]) -> list[int]:
    """The parts named behind a state: "normal heart size and mediastinal contour"."""
    owners: list[int] = []
    skipped = {Role.SIDE, Role.ZONE, Role.ARTICLE, Role.SEVERITY, Role.CHANGE}
    for j in range(i + 1, len(roles)):
        role = roles[j]
        if role is Role.ANATOMY:
            if roles[j + 1 : j + 2] == [Role.OBSERVATION] and not owners:
                break  # "calcified right hilar granuloma": the hilum is not what is calcified
            owners.append(j)
        elif owners and (role in LIST_ROLES or role is Role.COMMA):
            if opens_clause(roles, j + 1) or (j + 1 < len(roles) and roles[j + 1] is Role.ARTICLE):
                break
        elif role is Role.PREPOSITION:
            if owners or tokens[j].meaning.word not in {"of", "in"}:
                break
        elif role not in skipped:
            break
    return owners


def owners_back(i: int, roles: list[Role]) -> list[int]:
    """The parts named before a state: "the heart and mediastinum are normal"."""
    owners: list[int] = []
    verb = False
    for j in range(i - 1, -1, -1):
        role = roles[j]
        if role is Role.ANATOMY:
            owners.append(j)
        elif role is Role.VERB:
            if owners:
                break
            verb = True
        elif role is Role.STATE or role is Role.OBSERVATION:
            if owners or not (verb or roles[j + 1] in LIST_ROLES):
                break
        elif role in {Role.STOP, Role.WITH, Role.DENIED, Role.DOUBTED}:
            break
    return owners[::-1]


def inherit_places(statements: list[Statement], tokens: Sequence[Token], roles: list[Role]) -> None:
    """Gives an observation without a place the place of the one it explains or is listed with."""
    observed = [s for s in statements if s.kind is EntityKind.OBSERVATION]
    for k in range(1, len(observed)):
        earlier, later = observed[k - 1], observed[k]
        if later.place is not None or earlier.index == later.index or earlier.place is None:
            continue
        between = set(roles[earlier.index + 1 : later.index])
        if between & {Role.DENY, Role.DENIED, Role.WITH, Role.PAST} or not earlier.places:
            continue
        explains = later.assertion is UNCERTAIN and (
            Role.DOUBT in between or between == {Role.COMMA}
        )
        listed = bool(between) and between <= LIST_ROLES and later.severity is None
        if explains or (listed and earlier.assertion is later.assertion):
            later.place = inherited(earlier.places[0], earlier.term, later.term)
            later.places = earlier.places
    for k in range(len(observed) - 2, -1, -1):
        earlier, later = observed[k], observed[k + 1]
        if earlier.place is not None or later.place is None or earlier.index == later.index:
            continue
        between = set(roles[earlier.index + 1 : later.index])
        listed = bool(between) and between <= LIST_ROLES and earlier.assertion is later.assertion
        placed_behind = tokens[later.index].end < last_place(later, tokens, roles)
        if listed and placed_behind and later.places:
            earlier.place = inherited(later.places[0], later.term, earlier.term)


def last_place(statement: Statement, tokens: Sequence[Token], roles: list[Role]) -> int:
    """Where the first place word behind a statement starts; 0 if there is none."""
    for j in range(statement.index + 1, len(roles)):
        if roles[j] in PLACE_ROLES:
            return tokens[j].start
    return 0


def inherited(place: Place, giver: Term | None, taker: Term | None) -> str | None:
    """A place handed on: whole within the lung, only the side to another organ."""
    site = taker.site if taker else None
    if site is None:
        return None
    if giver is None or giver.site == site:
        return place_words(place, site)
    return f"{place.side} {site}" if place.side else None


def repeat_subject(
    tokens: Sequence[Token],
    roles: list[Role],
    assertions: list[Assertion | None],
    statements: list[Statement],
) -> list[Statement]:
    """Reads "left is unchanged" and "a small one persists" as the observation before them."""
    repeated: list[Statement] = []
    for i, role in enumerate(roles):
        earlier = [s for s in statements if s.kind is EntityKind.OBSERVATION and s.index < i]
        if not earlier or assertions[i] is None:
            continue
        subject = earlier[-1]
        if role is Role.SIDE:
            opens = i > 0 and roles[i - 1] in {Role.STOP, Role.COMMA, Role.JOINT}
            if not opens or i + 1 >= len(roles) or roles[i + 1] is not Role.VERB:
                continue
            place = Place(side=tokens[i].meaning.side)
        elif (
            role is Role.SAME and i > 0 and roles[i - 1] in {Role.SEVERITY, Role.SIDE, Role.ARTICLE}
        ):
            place = (places_behind(tokens, roles, i, set()) or [Place()])[0]
            add_word(place, tokens[i - 1].meaning)
        else:
            continue
        if place.side is None:
            continue
        repeated.append(
            Statement(
                name=subject.name,
                kind=subject.kind,
                assertion=assertions[i],
                start=tokens[i].start,
                end=tokens[i].end,
                index=i,
                term=subject.term,
                place=place_words(place, subject.term.site if subject.term else None),
                severity=place.severity,
            )
        )
    return repeated
