"""Is it new, or has it changed? Which observations the words of change speak of."""

from collections.abc import Sequence

from carina.report import speech
from carina.report.lexicon import WHOLE, Meaning, Role
from carina.report.reach import (
    LIST_ROLES,
    MODIFIER_ROLES,
    PLACE_ROLES,
    VERSUS,
    clause_start,
    subjects,
)
from carina.report.tokens import Token
from carina.study import Change

BEFORE_OBJECT = MODIFIER_ROLES | {speech.ARTICLE, speech.PREPOSITION, speech.VERB, speech.IGNORE}
AFTER_SUBJECT = frozenset(
    {speech.STOP, speech.COMMA, speech.JOINT, speech.PREPOSITION, speech.WITH}
)
NOTHING = frozenset[Role]()
SAYS = frozenset({speech.VERB, speech.NEUTRAL, speech.DOUBTED})
# "Increased opacity" is an opacity; "increased effusion" is an effusion that has grown.
DENSITIES = frozenset(
    {"opacity", "interstitial opacity", "increased markings", "lucency", "calcification"}
)
GROWN = "increased"
COMPARED = frozenset({Change.INCREASED, Change.DECREASED})


def find_changes(tokens: Sequence[Token], roles: list[Role]) -> dict[int, Change]:
    """The change of each observation or state that a word of the sentence speaks of, by index."""
    changes: dict[int, Change] = {}
    roles = [
        speech.OBSERVATION if is_finding(token.meaning) else role
        for token, role in zip(tokens, roles, strict=True)
    ]
    for i, token in enumerate(tokens):
        change = token.meaning.change
        if change is None or compares_sides(tokens, roles, i):
            continue
        for j in spoken_of(tokens, roles, i):
            dense = token.meaning.word == GROWN and i < j and is_density(tokens[j].meaning)
            # "the previously seen effusion is stable": what is said last counts
            if not dense and changes.get(j, Change.RESOLVED) is Change.RESOLVED:
                changes[j] = change
    return changes


def compares_sides(tokens: Sequence[Token], roles: list[Role], i: int) -> bool:
    """Whether token `i` compares the sides: "larger than right", ", worse on the left"."""
    behind = [role for role in roles[i + 1 : i + 4] if role is not speech.ARTICLE]
    if roles[i] is not speech.JOINT:
        if tokens[i].meaning.change not in COMPARED or i == 0 or roles[i - 1] is speech.VERB:
            return False  # "has increased on the left"
        return behind[:2] == [speech.PREPOSITION, speech.SIDE]
    return speech.SIDE in behind[: 2 if behind[:1] == [speech.PREPOSITION] else 1]


def is_finding(meaning: Meaning) -> bool:
    """Whether a word is a state other than of health: "enlarged" of "the heart is enlarged"."""
    return meaning.role is speech.STATE and meaning.state not in WHOLE and meaning.change is None


def spoken_of(tokens: Sequence[Token], roles: list[Role], i: int) -> list[int]:
    """Indices of the observations and states that the word of change at token `i` speaks of."""
    role = roles[i]
    if role is speech.DENIED or role is speech.STOP:
        return subjects(roles, past_clause(tokens, roles, i))
    said = follows_verb(roles, i)
    before = subjects(roles, past_clause(tokens, roles, i)) if said or role is speech.VERB else []
    if said and before:
        return before
    ahead = objects(tokens, roles, i)
    if ahead or role is speech.DENY:
        return ahead
    comma = before_adverbs(roles, i)
    set_off = comma >= 0 and roles[comma] is speech.COMMA  # "effusion, slightly increased"
    if tokens[i].meaning.word == GROWN and not set_off:  # "kyphosis with increased diameter"
        return before
    ends = set_off or i + 1 == len(roles) or roles[i + 1] in AFTER_SUBJECT
    return before or (subjects(roles, past_clause(tokens, roles, i)) if ends else [])


def follows_verb(roles: list[Role], i: int) -> bool:
    """Whether the word at token `i` is said of a subject: "has slightly increased"."""
    j = before_adverbs(roles, i)
    return j >= 0 and roles[j] in SAYS


def before_adverbs(roles: list[Role], i: int) -> int:
    """Where the token stands that is before token `i` and its adverbs; -1 if there is none."""
    j = i - 1
    while j >= 0 and roles[j] is speech.SEVERITY:
        j -= 1
    return j


def past_clause(tokens: Sequence[Token], roles: list[Role], i: int) -> int:
    """Where the subject of token `i` ends: before ", which could be infection," or "but"."""
    if i > 0 and roles[i - 1] is speech.STOP and tokens[i].meaning.role is speech.CHANGE:
        return i - 1
    start = clause_start(tokens, roles, i)
    if start < i:
        return start
    j = i - 1
    while j >= 0 and (roles[j] is speech.VERB or roles[j] is speech.ARTICLE):
        j -= 1
    if j < 0 or roles[j] is not speech.COMMA:
        return i
    for k in range(j - 1, -1, -1):
        if roles[k] is speech.STOP and tokens[k].meaning.word == "which":
            return k
    return i


def objects(tokens: Sequence[Token], roles: list[Role], i: int) -> list[int]:
    """The next observation behind token `i` and those listed with it: "stable mass and nodules"."""
    found: list[int] = []
    listed, placed, passed = True, False, BEFORE_OBJECT
    for j in range(i + 1, len(roles)):
        role = roles[j]
        if role is speech.OBSERVATION:
            if not listed:
                break
            found.append(j)
            listed, passed = False, NOTHING
        elif role in LIST_ROLES or tokens[j].meaning.word in VERSUS:
            if placed and not found:
                break  # "increased airspace and flattening": the airspace has increased
            listed, passed = True, PLACE_ROLES if found else passed
        elif not (role in passed or was_seen(tokens[j])) or (
            tokens[j].meaning.change not in {None, Change.RESOLVED}
        ):
            break
        placed = placed or role is speech.ANATOMY
    return found


def was_seen(token: Token) -> bool:
    """Whether a word says that a finding was there before: "the previously seen effusion"."""
    return token.meaning.change is Change.RESOLVED and token.role is speech.CHANGE


def is_density(meaning: Meaning) -> bool:
    """Whether a report calls an observation increased without comparing it with an earlier one."""
    term = meaning.term
    return term is None or bool(DENSITIES.intersection((term.name, *term.is_a)))
