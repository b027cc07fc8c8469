"""What a sentence says of one thing, and how the things of a sentence share a place."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carina.report import speech
from carina.report.lexicon import Role, Term
from carina.report.reach import LIST_ROLES, PLACE_ROLES, VERSUS
from carina.report.tokens import Token
from carina.report.whereabouts import Place, place_words
from carina.study import Assertion, Change, EntityKind

OBSERVED = EntityKind.OBSERVATION
PARTS = frozenset({speech.DENY, speech.DENIED, speech.WITH, speech.PAST})
WHERE = PLACE_ROLES | {speech.PREPOSITION, speech.ARTICLE}
# "left opacity consistent with scarring", "right effusion with adjacent atelectasis"
EXPLAINS = frozenset(
    {
        "consistent with",
        "compatible with",
        "representing",
        "represents",
        "represent",
        "reflects",
        "reflecting",
        "relates to",
        "in keeping with",
        "characteristic of",
        "most typical for",
        "typical for",
        "typical of",
        "c w",
        "with adjacent",
        "with associated",
        "associated with",
        "accompanied by",
    }
)
EXPLAINING = frozenset({speech.NEUTRAL, speech.STOP})
SIDE_BY_SIDE = 3  # characters: "atelectasis/scarring", "atelectasis / scarring"


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
    change: Change | None = None
    places: list[Place] = field(default_factory=list)


def inherit_places(statements: list[Statement], tokens: Sequence[Token], roles: list[Role]) -> None:
    """Gives an observation without a place the place of the one it explains or is listed with."""
    observed = [s for s in statements if s.kind is OBSERVED]
    for k in range(1, len(observed)):
        earlier, later = observed[k - 1], observed[k]
        if later.place is not None or earlier.index == later.index or earlier.place is None:
            continue
        if earlier.places and shares(earlier, later, tokens, roles):
            place = both_sides(observed, k - 1)
            later.place = inherited(place, earlier.term, later.term)
            later.places = [place]
    for k in range(len(observed) - 2, -1, -1):
        earlier, later = observed[k], observed[k + 1]
        if earlier.place is not None or later.place is None or earlier.index == later.index:
            continue
        between = set(roles[earlier.index + 1 : later.index])
        if between and between <= PLACE_ROLES:
            earlier.place = later.place  # "calcified right hilar nodes"
            continue
        words = tokens[earlier.index + 1 : later.index]
        joint = between <= LIST_ROLES or all(t.meaning.word in VERSUS for t in words)
        listed = bool(between) and joint and earlier.assertion is later.assertion
        placed_behind = tokens[later.index].end < last_place(later, tokens, roles)
        if listed and placed_behind and later.places:
            earlier.place = inherited(later.places[0], later.term, earlier.term)


def shares(
    earlier: Statement, later: Statement, tokens: Sequence[Token], roles: list[Role]
) -> bool:
    """Whether an observation explains the one before it, or is listed with it."""
    between = roles[earlier.index + 1 : later.index]
    if PARTS.intersection(between):
        return False
    if not between:  # "atelectasis/scarring"
        return tokens[later.index].start - tokens[earlier.index].end <= SIDE_BY_SIDE
    explained = any(
        role in EXPLAINING and tokens[j].meaning.word in EXPLAINS
        for j, role in enumerate(between, earlier.index + 1)
    )
    told = set(between) - WHERE
    doubted = later.assertion is Assertion.UNCERTAIN and (
        speech.DOUBT in told or told == {speech.COMMA}
    )
    listed = LIST_ROLES.issuperset(between) and later.severity is None
    return explained or doubted or (listed and earlier.assertion is later.assertion)


def both_sides(observed: Sequence[Statement], k: int) -> Place:
    """The place of a statement; of "left greater than right bases" that on both sides."""
    place = observed[k].places[0]
    before = observed[k - 1] if k > 0 else observed[k]
    if before.index != observed[k].index or not before.places:
        return place
    other = before.places[0]
    alike = (other.zone, other.term) == (place.zone, place.term)
    if alike and {other.side, place.side} == {"left", "right"}:
        return Place(side="bilateral", zone=place.zone, term=place.term)
    return place


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
    inside = place.term is not None and place.term.region == site
    if giver is None or giver.site == site or inside:
        return place_words(place, site)
    return f"{place.spread} {site}" if place.spread else None
