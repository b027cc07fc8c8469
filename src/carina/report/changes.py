"""Is it new, or has it changed? Which observations the words of change speak of."""

from collections.abc import Sequence

from carina.report import speech
from carina.report.lexicon import WHOLE, Meaning, Role
from carina.report.reach import LIST_ROLES, MODIFIER_ROLES, PLACE_ROLES, VERSUS, subjects
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


def find_changes(tokens: Sequence[Token], roles: list[Role]) -> dict[int, Change]:
    """The change of each observation or state that a word of the sentence speaks of, by index."""
    changes: dict[int, Change] = {}
    roles = [
        speech.OBSERVATION if is_finding(token.meaning) else role
        for token, role in zip(tokens, roles, strict=True)
    ]
    for i, token in enumerate(tokens):
        change = token.meaning.change
        if change is None:
            continue
        for j in spoken_of(tokens, roles, i):
            dense = token.meaning.word == GROWN and i < j and is_density(tokens[j].meaning)
            # "the previously seen effusion is stable": what is said last counts
            if not dense and changes.get(j, Change.RESOLVED) is Change.RESOLVED:
                changes[j] = change
    return changes


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
    if tokens[i].meaning.word == GROWN:  # "kyphosis with increased diameter"
        return before
    ends = roles[i - 1] is speech.COMMA or i + 1 == len(roles) or roles[i + 1] in AFTER_SUBJECT
    return before or (subjects(roles, past_clause(tokens, roles, i)) if ends else [])


def follows_verb(roles: list[Role], i: int) -> bool:
    """Whether the word at token `i` is said of a subject: "has slightly increased"."""
    j = i - 1
    while j >= 0 and roles[j] is speech.SEVERITY:
        j -= 1
    return j >= 0 and roles[j] in SAYS


def past_clause(tokens: Sequence[Token], roles: list[Role], i: int) -> int:
    """Where the subject of token `i` ends: before ", which could be infection," or "but"."""
    if i > 0 and roles[i - 1] is speech.STOP and tokens[i].meaning.role is speech.CHANGE:
        return i - 1
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
        elif tokens[j].meaning.change is not None or role not in passed:
            break
        placed = placed or role is speech.ANATOMY
    return found


def is_density(meaning: Meaning) -> bool:
    """Whether a report calls an observation increased without comparing it with an earlier one."""
    term = meaning.term
    return term is None or bool(DENSITIES.intersection((term.name, *term.is_a)))
