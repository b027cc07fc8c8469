"""Reads one sentence: which observations it names, where, how much, and whether they are there."""

import functools
from collections.abc import Mapping, Sequence

from carina.report import speech
from carina.report.changes import find_changes
from carina.report.lexicon import WHOLE, Meaning, Role, Term
from carina.report.places import find_places, places_behind
from carina.report.reach import (
    ABSENT,
    PRESENT,
    assert_backward,
    assert_forward,
    doubt_alternatives,
)
from carina.report.statement import OBSERVED, Statement, inherit_places
from carina.report.states import SIDED, describe, is_calcified, join_states
from carina.report.tokens import Token, is_device
from carina.report.whereabouts import Place, add_word, place_words
from carina.study import Assertion, Change, EntityKind

FORWARD_CUES = frozenset(
    {speech.DENY, speech.DOUBT, speech.BORDERLINE, speech.PAST, speech.AFTER, speech.ELSEWHERE}
)
BACKWARD_CUES = frozenset({speech.DENY, speech.DENIED, speech.DOUBT, speech.DOUBTED})
ALTERNATIVES = frozenset({speech.CHOICE, speech.DOUBT})
OPENS = frozenset({speech.STOP, speech.COMMA, speech.JOINT})
BEFORE_ONE = frozenset({speech.SEVERITY, speech.SIDE, speech.ARTICLE})
ANATOMICAL = EntityKind.ANATOMY
FRACTURE, HOLDS_BONE = "fracture", "hardware"
OF_DEVICE = SIDED | {speech.PREPOSITION, speech.ARTICLE}
REPEATING = frozenset({speech.SIDE, speech.SAME})


def read_statements(
    tokens: Sequence[Token], states: Mapping[tuple[str, str], tuple[Term, ...]]
) -> list[Statement]:
    """What a sentence says, in the order of its words.

    Args:
        tokens: the phrases found in the sentence, in order, not overlapping.
        states: observations that a state of a region means, as in `Lexicon.states`.
    """
    if any(map(is_calcified, tokens)):
        tokens = join_states(tokens, states)
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
    statements = [
        statement
        for i in range(len(tokens))
        for statement in statements_at(i, tokens, roles, assertions, places, states)
    ]
    if statements:
        if len(statements) > 1:
            statements = without_contradictions(statements, tokens)
            inherit_places(statements, tokens, roles)
        if not met.isdisjoint(REPEATING):
            statements.extend(repeat_subject(tokens, roles, assertions, statements))
        if any(token.meaning.change is not None for token in tokens):
            set_changes(statements, find_changes(tokens, roles))
    return statements


def statements_at(
    i: int,
    tokens: Sequence[Token],
    roles: list[Role],
    assertions: list[Assertion | None],
    places: Mapping[int, list[Place]],
    states: Mapping[tuple[str, str], tuple[Term, ...]],
) -> list[Statement]:
    """What one phrase of a sentence says; nothing for most of them."""
    role, meaning = roles[i], tokens[i].meaning
    if role is speech.ANATOMY:
        return [name_anatomy(i, tokens)]
    if assertions[i] is None or not (role is speech.OBSERVATION or meaning.state):
        return []
    described = describe(i, tokens, roles, assertions, states) if meaning.state else []
    if described or role is not speech.OBSERVATION:
        return described
    if meaning.word == FRACTURE and breaks_device(i, tokens, roles):
        return []
    return observe(i, tokens[i], assertions[i], places[i])


def without_contradictions(statements: list[Statement], tokens: Sequence[Token]) -> list[Statement]:
    """Leaves out what a part of the body is well of, and has: "tortuous but normal in caliber"."""
    held = {(s.name, s.place) for s in statements if s.assertion is not ABSENT}
    return [
        s
        for s in statements
        if (s.name, s.place) not in held
        or s.assertion is not ABSENT
        or tokens[s.index].meaning.state not in WHOLE
    ]


def breaks_device(i: int, tokens: Sequence[Token], roles: list[Role]) -> bool:
    """Whether a fracture is that of a device and of no bone: "fractured sternal wire"."""
    ahead, back = i + 1, i - 1
    while ahead < len(roles) and roles[ahead] in OF_DEVICE:
        ahead += 1
    while back >= 0 and roles[back] is speech.VERB:
        back -= 1
    spoken_of = [tokens[ahead]] if ahead < len(roles) else []
    spoken_of += [tokens[back]] if -1 < back < i - 1 else []
    return any(is_device(t) and t.meaning.word != HOLDS_BONE for t in spoken_of)


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
        subject, place = earlier[-1], repeated_place(tokens, roles, i)
        if place is None or place.side is None:
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


def repeated_place(tokens: Sequence[Token], roles: list[Role], i: int) -> Place | None:
    """Where the observation that token `i` stands for is; None where it stands for none."""
    if roles[i] is speech.SIDE:
        opens = i > 0 and roles[i - 1] in OPENS
        said = opens and i + 1 < len(roles) and roles[i + 1] is speech.VERB
        return Place(side=tokens[i].meaning.side) if said else None
    if roles[i] is speech.SAME and i > 0 and roles[i - 1] in BEFORE_ONE:
        place = (places_behind(tokens, roles, i, set()) or [Place()])[0]
        add_word(place, tokens[i - 1].meaning)
        return place
    return None


def next_change(tokens: Sequence[Token], roles: list[Role], i: int) -> Change | None:
    """The change that a clause says of its subject at token `i`: "left is unchanged"."""
    for j in range(i + 1, len(roles)):
        if roles[j] is speech.STOP or roles[j] is speech.COMMA:
            return None
        if tokens[j].meaning.change is not None:
            return tokens[j].meaning.change
    return None
