"""Is it there? How far the cues of a sentence reach, in front of them and behind.

Method: NegEx and ConText (Chapman et al. 2001; Harkema et al. 2009), with reach ended by stop
words, verbs and commas that open a new statement.
"""

from collections.abc import Sequence

from carina.report import speech
from carina.report.lexicon import Role
from carina.report.tokens import Token, is_device
from carina.study import Assertion, Change

PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN
PLACE_ROLES = frozenset({speech.SIDE, speech.ZONE, speech.ANATOMY})
MODIFIER_ROLES = PLACE_ROLES | {speech.SEVERITY, speech.LIMIT, speech.BORDERLINE, speech.CHANGE}
LIST_ROLES = frozenset({speech.JOINT, speech.CHOICE})
LISTED_ROLES = frozenset(
    {speech.OBSERVATION, speech.LIMIT, speech.ZONE, speech.ANATOMY, *LIST_ROLES}
)
VERSUS = frozenset(
    {"versus", "vs", "and or", "favored over", "is favored over", "are favored over"}
    | {"preferred over", "more likely than", "is more likely than"}
)
NAMED_HERE = frozenset({speech.HERE, speech.STOP, speech.OBSERVATION})
CUES_AGAIN = frozenset({speech.DENY, speech.DOUBT, speech.IGNORE, speech.BORDERLINE})
ENDS_LIST = frozenset({speech.STOP, speech.VERB, speech.DENY, speech.WITH})
AFTER_DOUBT = frozenset({speech.STOP, speech.COMMA, speech.PREPOSITION, speech.WITH, speech.JOINT})
INCLUDES = ("include", "includes")
OPERATIONS = frozenset({"postoperative change", "mastectomy", "spinal fusion"})
BETWEEN_WHICH = frozenset({speech.VERB, speech.ARTICLE, speech.SEVERITY})
ENDS_SUBJECT = frozenset({speech.STOP, speech.DENIED, speech.DOUBTED, speech.SHOWS})


def assert_forward(tokens: Sequence[Token], roles: list[Role]) -> list[Assertion | None]:
    """What the cues in front of each token make of it; None is nothing about this radiograph."""
    state: Assertion | None = PRESENT
    sealed = False  # another examination is spoken of, until this one is named
    including = False  # "differential includes infection, aspiration, edema"
    operated = False  # "status post CABG": what was done is still there, what was had is not
    result: list[Assertion | None] = []
    for i, role in enumerate(roles):
        if role is speech.DENY:
            if not (tokens[i].meaning.either and has_subject(roles, i)):
                state = ABSENT
        elif role is speech.DOUBT:
            # "no pneumonia, possible atelectasis" doubts; "no effusion, suspicious nodule" limits
            apart = i > 0 and (roles[i - 1] is speech.COMMA or roles[i - 1] is speech.JOINT)
            keeps = state is ABSENT and (not apart or tokens[i].meaning.limit is not None)
            if not (keeps or state is None or doubts_backward(tokens, roles, i)):
                state = UNCERTAIN
                including = tokens[i].meaning.word.endswith(INCLUDES)
        elif role is speech.BORDERLINE:
            state = UNCERTAIN if state is PRESENT else state
        elif role is speech.PAST or role is speech.AFTER:
            state, operated = None, role is speech.AFTER
        elif role is speech.STOP:
            state = PRESENT
            sealed = sealed and tokens[i].meaning.word != ";"
        elif role is speech.WITH:
            state = PRESENT if state is not None or operated else None
        elif role is speech.ELSEWHERE:
            sealed = sealed or shows_something(roles, i)
        elif role is speech.HERE:
            sealed = False
            state = PRESENT if state is None else state
        elif role is speech.COMMA or role is speech.JOINT:
            listed = including and state is UNCERTAIN
            state = PRESENT if not listed and closes(tokens, roles, i, state) else state
        elif state is ABSENT and opens_anew(tokens, roles, i):
            state = PRESENT
        lasts = operated and state is None and leaves_traces(tokens[i])
        result.append(None if sealed else PRESENT if lasts else state)
    return result


def leaves_traces(token: Token) -> bool:
    """Whether what was done to the patient is seen afterwards: "status post CABG"."""
    return is_device(token) or token.meaning.word in OPERATIONS


def opens_anew(tokens: Sequence[Token], roles: list[Role], i: int) -> bool:
    """Whether token `i` opens a statement where a dictation left the full stop out.

    "no effusion mild cardiomegaly", "no pneumothorax the lungs are hyperinflated"; but "no
    effusion large pneumothorax or edema" goes on as a list.
    """
    if i == 0 or roles[i - 1] is not speech.OBSERVATION:
        return False
    if tokens[i].start - tokens[i - 1].end > 1 or tokens[i].meaning.limit is not None:
        return False
    if roles[i] is speech.SEVERITY or roles[i] is speech.CHANGE:
        named = next_observation(roles, range(i, len(roles))) is not None
        return named and not goes_on_as_list(roles, i)
    first = i + 1 if roles[i] is speech.ARTICLE else i
    return roles[first : first + 1] == [speech.ANATOMY] and opens_clause(roles, first)


def has_subject(roles: list[Role], i: int) -> bool:
    """Whether an observation stands before token `i` in its clause."""
    for role in reversed(roles[:i]):
        if role is speech.OBSERVATION:
            return True
        if role is speech.STOP:
            return False
    return False


def doubts_backward(tokens: Sequence[Token], roles: list[Role], i: int) -> bool:
    """Whether a doubt at token `i` is of what stands before it: "small effusion suspected"."""
    ends = i + 1 == len(roles) or roles[i + 1] in AFTER_DOUBT
    return tokens[i].meaning.either and ends and has_subject(roles, i)


def shows_something(roles: list[Role], i: int) -> bool:
    """Whether the examination at token `i` is said to show something."""
    for role in roles[i + 1 : i + 6]:
        if role is speech.SHOWS:
            return True
        if role in NAMED_HERE:
            return False
    return False


def closes(tokens: Sequence[Token], roles: list[Role], i: int, state: Assertion | None) -> bool:
    """Whether a comma or an "and" ends the reach of what stands before it."""
    if state is PRESENT or i + 1 >= len(roles):
        return False
    following = roles[i + 1]
    if following in LISTED_ROLES:
        if state is UNCERTAIN and roles[i] is speech.COMMA:
            return not goes_on_as_list(roles, i + 1)
        return following is speech.ANATOMY and opens_clause(roles, i + 1)
    if following is speech.SIDE or following is speech.SEVERITY:
        return not goes_on_as_list(roles, i + 1) or (
            following is speech.SIDE and opens_clause(roles, i + 1)
        )
    return following not in CUES_AGAIN


def goes_on_as_list(roles: list[Role], i: int) -> bool:
    """Whether an "or" (or, in a list, "and") follows before the clause ends."""
    for role in roles[i:]:
        if role in LIST_ROLES:
            return True
        if role in ENDS_LIST:
            return False
    return False


def opens_clause(roles: list[Role], i: int) -> bool:
    """Whether the place at token `i` is the subject of a statement: "the heart is large"."""
    for role in roles[i:]:
        if role in PLACE_ROLES or role in LIST_ROLES:
            continue
        return role is speech.VERB or role is speech.STATE
    return False


def assert_backward(
    tokens: Sequence[Token], roles: list[Role], assertions: list[Assertion | None]
) -> None:
    """Applies "has resolved", "is possible" and their like to what stands before them."""
    for i, role in enumerate(roles):
        denied = (
            role is speech.DENIED
            or (role is speech.DENY and tokens[i].meaning.either and has_subject(roles, i))
            or (
                role is speech.DENY
                and i > 0
                and roles[i - 1] is speech.COLON
                and i + 1 == len(roles)
            )
        )
        doubted = role is speech.DOUBTED or (
            role is speech.DOUBT and doubts_backward(tokens, roles, i)
        )
        if denied or doubted:
            gone = tokens[i].meaning.change is Change.RESOLVED
            for j in subjects(roles, clause_start(tokens, roles, i) if gone else i):
                if denied:
                    assertions[j] = ABSENT
                elif assertions[j] is PRESENT:
                    assertions[j] = UNCERTAIN


def clause_start(tokens: Sequence[Token], roles: list[Role], i: int) -> int:
    """The "which" of an "effusion, which has resolved" before token `i`; else token `i` itself."""
    j = i - 1
    while j >= 0 and roles[j] in BETWEEN_WHICH:
        j -= 1
    return j if j >= 0 and tokens[j].meaning.word == "which" else i


def subjects(roles: list[Role], cue: int) -> list[int]:
    """Indices of the observations that a cue behind them speaks of."""
    found: list[int] = []
    listed = False
    for j in range(cue - 1, -1, -1):
        role = roles[j]
        if role is speech.OBSERVATION:
            found.append(j)
        elif role in LIST_ROLES:
            listed = True
        elif role in ENDS_SUBJECT or (
            found
            and (
                role is speech.WITH or role is speech.VERB or (role is speech.COMMA and not listed)
            )
        ):
            break
    return found


def doubt_alternatives(
    tokens: Sequence[Token], roles: list[Role], assertions: list[Assertion | None]
) -> None:
    """Makes both sides of "atelectasis or infiltrate" uncertain."""
    for i, role in enumerate(roles):
        if role is not speech.CHOICE and tokens[i].meaning.word not in VERSUS:
            continue
        before = next_observation(roles, range(i - 1, -1, -1))
        after = next_observation(roles, range(i + 1, len(roles)))
        if before is None:
            continue
        if role is not speech.CHOICE and assertions[before] is PRESENT:
            assertions[before] = UNCERTAIN  # "effusion versus thickening", whatever thickens
        if after is None:
            continue
        if tokens[before].meaning.word == tokens[after].meaning.word:
            continue
        if assertions[before] is PRESENT and role is speech.CHOICE and assertions[after] is PRESENT:
            assertions[before] = assertions[after] = UNCERTAIN


def next_observation(roles: list[Role], order: range) -> int | None:
    """The first observation in a direction, past nothing but modifiers."""
    for j in order:
        if roles[j] is speech.OBSERVATION:
            return j
        if roles[j] not in MODIFIER_ROLES and roles[j] is not speech.ARTICLE:
            return None
    return None
