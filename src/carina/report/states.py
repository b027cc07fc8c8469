"""What a state of a part of the body means: "the heart is enlarged", "clear lungs"."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from carina.report import speech
from carina.report.lexicon import CALCIFIED, WHOLE, Role, Term
from carina.report.places import places_behind
from carina.report.reach import ABSENT, LIST_ROLES, PLACE_ROLES, PRESENT, opens_clause
from carina.report.statement import OBSERVED, Statement
from carina.report.tokens import Token
from carina.report.whereabouts import Place, add_word, place_words
from carina.study import Assertion

FARTHEST_STATE = 12
SIDED = frozenset({speech.SIDE, speech.ZONE})
SKIPPED = SIDED | {speech.ARTICLE, speech.SEVERITY, speech.CHANGE}
ENDS_OWNERS = frozenset({speech.STOP, speech.WITH, speech.DENIED, speech.DOUBTED, speech.SHOWS})
# Regions of parts that are where the word in front of them says: "hilar lymph nodes".
HELD = frozenset({"lymph node"})
# Behind these a report goes on with its subject: "the lungs are hyperinflated but clear".
RESUMING = frozenset({"but", "although", "though", "otherwise", "yet", "however"})
ADVERBS = frozenset({speech.SEVERITY, speech.DOUBT, speech.CHANGE})


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
    if tokens[i].role is speech.BORDERLINE and i + 1 < len(roles) and tokens[i + 1].meaning.state:
        return []  # "borderline enlarged" is said once
    regions = owner_regions(state_owners(i, tokens, roles), tokens, roles)
    owners = [j for j, region in regions.items() if (region, state) in states]
    if state in WHOLE and i > 0 and roles[i - 1] is speech.DENY:
        return []
    assertion = assertions[i]
    if state in WHOLE:
        assertion = ABSENT
    elif assertion is ABSENT and owners and subject_is_new(roles, owners[0], i):
        assertion = PRESENT
    severity = None if state in WHOLE else severity_before(i, tokens)
    said: dict[tuple[str, str | None], Statement] = {}
    for j in owners:
        place = owner_place(i, j, tokens, roles)
        where = place_words(place, None)
        for observation in states[regions[j], state]:
            said[observation.name, where] = Statement(
                name=observation.name,
                kind=OBSERVED,
                assertion=assertion,
                term=observation,
                start=min(tokens[i].start, tokens[j].start),
                end=max(tokens[i].end, tokens[j].end),
                index=i,
                place=where,
                severity=severity,
                places=[place],
            )
    return list(said.values())


def owner_regions(
    owners: Sequence[int], tokens: Sequence[Token], roles: list[Role]
) -> dict[int, str]:
    """The region of each part; of "enlarged hilar and paratracheal lymph nodes" the nodes'."""
    last = owners[-1] if owners else 0
    if region_of(tokens[last]) in HELD and roles[last - 1] is speech.ANATOMY and last > owners[0]:
        return dict.fromkeys(owners[:-1], region_of(tokens[last]))
    return {j: region_of(tokens[j]) for j in owners}


def region_of(token: Token) -> str:
    """The region of a part of the body; "" for any other word, and for a part without one."""
    term = token.meaning.term
    return (term.region or "") if term is not None else ""


def owner_place(i: int, j: int, tokens: Sequence[Token], roles: list[Role]) -> Place:
    """Where the part at token `j` is of which token `i` says a state.

    A side or zone stands in front of it, "the apex of the right lung", or "clear bilaterally".
    """
    place = Place()
    for k in range(max(0, j - 2), j):
        if roles[k] in SIDED:
            add_word(place, tokens[k].meaning)
    if region_of(tokens[j]) in HELD:
        place = held_place(i, j, tokens, roles)
    else:
        add_word(place, tokens[j].meaning)
    if tokens[j + 1 : j + 2] and tokens[j + 1].meaning.word == "of":
        sided = [tokens[k] for k in range(j + 2, min(j + 4, len(roles))) if roles[k] in SIDED]
        place.side = place.side or (sided[0].meaning.side if sided else None)
    last = max(i, j) + 1
    while last < len(roles) and region_of(tokens[last]) in HELD:
        last += 1
    if last < len(roles) and roles[last] is speech.SIDE:
        place.side = place.side or tokens[last].meaning.side
    return place


def held_place(i: int, j: int, tokens: Sequence[Token], roles: list[Role]) -> Place:
    """Where a lymph node is: in "left hilar lymph nodes", "lymph nodes in the mediastinum"."""
    place = Place()
    end = i if i == j - 1 else j  # "hilar calcified lymph nodes"
    begin = end
    while begin > 0 and roles[begin - 1] in PLACE_ROLES:
        begin -= 1
    for token in tokens[begin:end]:
        add_word(place, token.meaning)
    behind = places_behind(tokens, roles, max(i, j), set())[0]
    return place if place.term or behind.term is None else behind


def join_states(
    tokens: Sequence[Token], states: Mapping[tuple[str, str], tuple[Term, ...]]
) -> list[Token]:
    """Reads "calcified right apical granuloma" as the calcified granuloma that it is."""
    joined: list[Token] = []
    for token in tokens:
        whole = states.get((token.meaning.word, CALCIFIED))
        k = len(joined) - 1
        while k >= 0 and joined[k].role in PLACE_ROLES and region_of(joined[k]) not in HELD:
            k -= 1
        apart = 0 <= k < len(joined) - 1 and is_calcified(joined[k])
        if apart and whole is not None and token.role is speech.OBSERVATION:
            del joined[k]
            meaning = replace(token.meaning, word=whole[0].name, term=whole[0])
            joined.append(token._replace(meaning=meaning))
        else:
            joined.append(token)
    return joined


def is_calcified(token: Token) -> bool:
    """Whether a word says of what follows it that it is calcified."""
    return token.role is speech.OBSERVATION and token.meaning.state == CALCIFIED


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
    back = owners_back(i, tokens, roles)
    said_of_subject = i > 0 and speech.VERB in roles[max(0, i - 3) : i]
    if back and not said_of_subject:  # "heart normal", but not "left lung ... (normal count)"
        apart = tokens[i].start - tokens[i - 1].end
        back = back if apart <= FARTHEST_STATE else []
    if back and (said_of_subject or not ahead or have_own_state(ahead, roles)):
        return back
    return ahead


def have_own_state(owners: Sequence[int], roles: list[Role]) -> bool:
    """Whether a state stands behind the parts: the lungs' own in "heart normal lungs clear"."""
    return roles[owners[-1] + 1 : owners[-1] + 2] == [speech.STATE]


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


def owners_back(i: int, tokens: Sequence[Token], roles: list[Role]) -> list[int]:
    """The parts named before a state: "the heart and mediastinum are normal"."""
    owners: list[int] = []
    verb = False
    resumed = resumed_at(i, tokens, roles)
    for j in range(i - 1, -1, -1):
        role = roles[j]
        if role is speech.ANATOMY:
            if not is_complement(j, tokens, roles):
                owners.append(j)
        elif role is speech.VERB:
            if owners:
                break
            verb = True
        elif role is speech.STATE or role is speech.OBSERVATION:
            said = verb or roles[j + 1] in LIST_ROLES or j + 2 >= resumed
            if owners or not said:
                break
        elif role in ENDS_OWNERS and j != resumed:
            break
    return owners[::-1]


def resumed_at(i: int, tokens: Sequence[Token], roles: list[Role]) -> int:
    """The "but" or "otherwise" in front of a state; past the end where there is none."""
    j = i - 1
    while j >= 0 and roles[j] in ADVERBS:
        j -= 1
    found = j >= 0 and roles[j] is speech.STOP and tokens[j].meaning.word in RESUMING
    return j if found else len(roles)


def is_complement(j: int, tokens: Sequence[Token], roles: list[Role]) -> bool:
    """Whether a part only says of which part another is: the thorax in "bones of the thorax"."""
    k = j - 1
    while k >= 0 and (roles[k] in SIDED or roles[k] is speech.ARTICLE):
        k -= 1
    return k > 0 and tokens[k].meaning.word == "of" and roles[k - 1] is speech.ANATOMY
