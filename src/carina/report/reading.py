"""Reads one sentence: which observations it names, where, how much, and whether they are there."""

import functools
from collections.abc import Mapping, Sequence

from carina.report import speech
from carina.report.changes import find_changes
from carina.report.lexicon import WHOLE, Meaning, Role, Term
from carina.report.places import Place, add_word, find_places, place_words, places_behind
from carina.report.reach import (
    ABSENT,
    LIST_ROLES,
    PRESENT,
    assert_backward,
    assert_forward,
    doubt_alternatives,
    opens_clause,
)
from carina.report.statement import OBSERVED, Statement, inherit_places
from carina.report.tokens import Token
from carina.study import Assertion, Change, EntityKind

FARTHEST_STATE = 12
FORWARD_CUES = frozenset(
    {speech.DENY, speech.DOUBT, speech.BORDERLINE, speech.PAST, speech.ELSEWHERE}
)
BACKWARD_CUES = frozenset({speech.DENY, speech.DENIED, speech.DOUBT, speech.DOUBTED})
ALTERNATIVES = frozenset({speech.CHOICE, speech.DOUBT})
SIDED = frozenset({speech.SIDE, speech.ZONE})
SKIPPED = SIDED | {speech.ARTICLE, speech.SEVERITY, speech.CHANGE}
ENDS_OWNERS = frozenset({speech.STOP, speech.WITH, speech.DENIED, speech.DOUBTED})
OPENS = frozenset({speech.STOP, speech.COMMA, speech.JOINT})
BEFORE_ONE = frozenset({speech.SEVERITY, speech.SIDE, speech.ARTICLE})
ANATOMICAL = EntityKind.ANATOMY
REPEATING = frozenset({speech.SIDE, speech.SAME})


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
    if not met.isdisjoint(FORWARD_CUES):
        assertions = assert_forward(tokens, roles)
    if not met.isdisjoint(BACKWARD_CUES):
        assert_backward(tokens, roles, assertions)
    if not met.isdisjoint(ALTERNATIVES):
        doubt_alternatives(tokens, roles, assertions)
    places = find_places(tokens, roles) if speech.OBSERVATION in met else {}
    statements: list[Statement] = []
    changed = False
    for i, (token, role) in enumerate(zip(tokens, roles, strict=True)):
        meaning = token.meaning
        changed = changed or meaning.change is not None
        if role is speech.OBSERVATION and assertions[i] is not None:
            if not meaning.state or not (
                described := describe(i, tokens, roles, assertions, states)
            ):
                statements.extend(observe(i, token, assertions[i], places[i]))
            else:
                statements.extend(described)
        elif role is speech.ANATOMY:
            statements.append(name_anatomy(i, tokens))
        elif meaning.state and assertions[i] is not None:
            statements.extend(describe(i, tokens, roles, assertions, states))
    if statements:
        if len(statements) > 1:
            inherit_places(statements, tokens, roles)
        if not met.isdisjoint(REPEATING):
            statements.extend(repeat_subject(tokens, roles, assertions, statements))
        if changed:
            set_changes(statements, find_changes(tokens, roles))
    return statements


def set_changes(statements: list[Statement], changes: Mapping[int, Change]) -> None:
    """Gives each statement its change; of what is absent only that it has resolved."""
    for statement in statements:
        change = changes.get(statement.index)
        if statement.kind is OBSERVED and change is not None:
            gone = statement.assertion is ABSENT
            statement.change = change if gone is (change is Change.RESOLVED) else None


def observe(
    i: int, token: Token, assertion: Assertion | None, places: list[Place]
) -> list[Statement]:
    """One statement for each place of an observation."""
    term = token.meaning.term
    assert term is not None
    statements: list[Statement] = []
    for place in places:
        if place.term is None and place.zone is None:
            place.term = token.meaning.within
            place.side = place.side or token.meaning.side
        where = place_words(place, term.site)
        if statements and where == statements[-1].place:
            continue  # "between the fifth and sixth ribs"
        limit = place.limit if assertion is ABSENT else None
        statements.append(
            Statement(
                name=term.name,
                kind=OBSERVED,
                assertion=assertion,
                start=token.start,
                end=token.end,
                index=i,
                term=term,
                place=where,
                severity=place.severity or limit,
                places=[place],
            )
        )
    return statements


def name_anatomy(i: int, tokens: Sequence[Token]) -> Statement:
    """A part of the body as an entity, with the side in front of it."""
    token = tokens[i]
    before = tokens[i - 1].meaning if i > 0 and tokens[i - 1].role in SIDED else None
    assert token.meaning.term is not None
    return Statement(
        name=token.meaning.term.name,
        kind=ANATOMICAL,
        assertion=PRESENT,
        start=token.start,
        end=token.end,
        index=i,
        term=token.meaning.term,
        place=anatomy_place(token.meaning, before),
    )


@functools.cache
def anatomy_place(meaning: Meaning, before: Meaning | None) -> str | None:
    """The words of a part of the body and the side or zone in front of it."""
    place = Place()
    add_word(place, meaning)
    if before is not None:
        add_word(place, before)
    return place_words(place, None)


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
    if tokens[i].role is speech.BORDERLINE and i + 1 < len(roles) and tokens[i + 1].meaning.state:
        return []  # "borderline enlarged" is said once
    assertion = assertions[i]
    denied_directly = i > 0 and roles[i - 1] is speech.DENY
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
        last = max(i, j) + 1
        if last < len(roles) and roles[last] is speech.SIDE:
            place.side = place.side or tokens[last].meaning.side  # "clear bilaterally"
        severity = None if state in WHOLE else severity_before(i, tokens)
        for observation in states[term.region, state]:
            statements.append(
                Statement(
                    name=observation.name,
                    kind=OBSERVED,
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
        if roles[k] in SIDED:
            add_word(place, tokens[k].meaning)
    add_word(place, tokens[j].meaning)
    return place


def severity_before(i: int, tokens: Sequence[Token]) -> str | None:
    """The severity of a state, or that in front of it: "borderline", "mildly enlarged"."""
    severities = (tokens[k].meaning.severity for k in range(i, max(-1, i - 3), -1))
    return next((severity for severity in severities if severity), None)


def subject_is_new(roles: list[Role], owner: int, state: int) -> bool:
    """Whether a verb parts a state from its subject, and no denial does.

    In "no effusion, and the heart is enlarged" the denial ends before the heart.
    """
    between = roles[owner:state]
    if speech.VERB not in between or speech.DENY in between:
        return False
    before = roles[:owner]
    return (
        speech.OBSERVATION in before[max(0, len(before) - before[::-1].index(speech.DENY)) :]
        if speech.DENY in before
        else True
    )


def state_owners(i: int, tokens: Sequence[Token], roles: list[Role]) -> list[int]:
    """The parts of the body that a state word speaks of."""
    ahead = owners_ahead(i, tokens, roles)
    back = owners_back(i, roles)
    said_of_subject = i > 0 and speech.VERB in roles[max(0, i - 3) : i]
    if back and not said_of_subject:  # "heart normal", but not "left lung ... (normal count)"
        apart = tokens[i].start - tokens[i - 1].end
        back = back if apart <= FARTHEST_STATE else []
    if back and (said_of_subject or not ahead):
        return back
    return ahead


def owners_ahead(i: int, tokens: Sequence[Token], roles: list[Role]) -> list[int]:
    """The parts named behind a state: "normal heart size and mediastinal contour"."""
    owners: list[int] = []
    for j in range(i + 1, len(roles)):
        role = roles[j]
        if role is speech.ANATOMY:
            if roles[j + 1 : j + 2] == [speech.OBSERVATION] and not owners:
                break  # "calcified right hilar granuloma": the hilum is not what is calcified
            owners.append(j)
        elif role in LIST_ROLES and roles[j + 1 : j + 2] == [speech.CHANGE]:
            continue  # "normal and stable contours"
        elif owners and (role in LIST_ROLES or role is speech.COMMA):
            if opens_clause(roles, j + 1) or (
                j + 1 < len(roles) and roles[j + 1] is speech.ARTICLE
            ):
                break
        elif role is speech.PREPOSITION:
            if owners or tokens[j].meaning.word not in {"of", "in"}:
                break
        elif role not in SKIPPED:
            break
    return owners


def owners_back(i: int, roles: list[Role]) -> list[int]:
    """The parts named before a state: "the heart and mediastinum are normal"."""
    owners: list[int] = []
    verb = False
    for j in range(i - 1, -1, -1):
        role = roles[j]
        if role is speech.ANATOMY:
            owners.append(j)
        elif role is speech.VERB:
            if owners:
                break
            verb = True
        elif role is speech.STATE or role is speech.OBSERVATION:
            if owners or not (verb or roles[j + 1] in LIST_ROLES):
                break
        elif role in ENDS_OWNERS:
            break
    return owners[::-1]


def repeat_subject(
    tokens: Sequence[Token],
    roles: list[Role],
    assertions: list[Assertion | None],
    statements: list[Statement],
) -> list[Statement]:
    """Reads "left is unchanged" and "a small one persists" as the observation before them."""
    repeated: list[Statement] = []
    for i, role in enumerate(roles):
        if role not in REPEATING or assertions[i] is None:
            continue
        earlier = [s for s in statements if s.kind is OBSERVED and s.index < i]
        if not earlier:
            continue
        subject = earlier[-1]
        if role is speech.SIDE:
            opens = i > 0 and roles[i - 1] in OPENS
            if not opens or i + 1 >= len(roles) or roles[i + 1] is not speech.VERB:
                continue
            place = Place(side=tokens[i].meaning.side)
        elif role is speech.SAME and i > 0 and roles[i - 1] in BEFORE_ONE:
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
                change=next_change(tokens, roles, i),
            )
        )
    return repeated


def next_change(tokens: Sequence[Token], roles: list[Role], i: int) -> Change | None:
    """The change that a clause says of its subject at token `i`: "left is unchanged"."""
    for j in range(i + 1, len(roles)):
        if roles[j] is speech.STOP or roles[j] is speech.COMMA:
            return None
        if tokens[j].meaning.change is not None:
            return tokens[j].meaning.change
    return None
