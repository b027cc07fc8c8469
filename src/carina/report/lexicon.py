"""The words of a report: observations, anatomy, and what says whether they are there.

The words are data: six TOML files in `terms/`. A user adds words with a file of the form of
`observations.toml`, or with pairs of a name and its synonyms, such as an ontology gives.
"""

import functools
import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from importlib import resources
from pathlib import Path
from typing import Any

from carina.errors import ReportError
from carina.study import Change, EntityKind

SPACES = re.compile(r"[\s\-_/()\[\]'\"]+")
SIBILANTS = ("s", "x", "z", "ch", "sh")
# States of health: what they say of a region is absence.
WHOLE = frozenset({"normal", "clear"})
CALCIFIED = "calcified"
# Parts of the body that an observation's phrase can name without its term always being there.
NAMED_PLACES = frozenset(
    {"apex", "base", "perihilar region", "retrocardiac region", "hilum", "mediastinum", "aorta"}
    | {"clavicle", "shoulder", "sternum"}
)
KEYS = {"synonyms", "is_a", "site", "kind", "region", "side"}


class Role(IntEnum):
    """What a phrase does in a sentence (an IntEnum, because its hash is fast)."""

    OBSERVATION = auto()
    ANATOMY = auto()
    STATE = auto()
    SEVERITY = auto()
    BORDERLINE = auto()
    LIMIT = auto()
    SIDE = auto()
    ZONE = auto()
    DENY = auto()
    DENIED = auto()
    NEUTRAL = auto()
    DOUBT = auto()
    DOUBTED = auto()
    PAST = auto()
    AFTER = auto()
    ELSEWHERE = auto()
    HERE = auto()
    SHOWS = auto()
    STOP = auto()
    JOINT = auto()
    CHOICE = auto()
    WITH = auto()
    VERB = auto()
    PREPOSITION = auto()
    ARTICLE = auto()
    CHANGE = auto()
    SAME = auto()
    IGNORE = auto()
    COMMA = auto()
    COLON = auto()
    SEMICOLON = auto()


@dataclass(frozen=True, kw_only=True)
class Term:
    """A standard name and the other ways to write it.

    `is_a` names broader terms. `site` is where an observation is when a report gives no more
    than a side; `region` and `side` belong to anatomy.
    """

    name: str
    kind: EntityKind = EntityKind.OBSERVATION
    synonyms: tuple[str, ...] = ()
    is_a: tuple[str, ...] = ()
    site: str | None = None
    region: str | None = None
    side: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Meaning:
    """What one phrase means; it can be a state, a severity, a limit or a change beside its role.

    `within` is the part of the body that the phrase of an observation names: the base of
    "basilar atelectasis"; its `side` is bilateral in "biapical scarring". `paired` marks plurals
    such as "bases", which mean both sides where no side is named.
    """

    role: Role
    word: str
    term: Term | None = None
    side: str | None = None
    state: str | None = None
    severity: str | None = None
    limit: str | None = None
    change: Change | None = None
    within: Term | None = None
    either: bool = False
    paired: bool = False


def canonical(phrase: str) -> str:
    """Lower case with single spaces, without hyphens: the form in which phrases are compared."""
    return SPACES.sub(" ", phrase.lower()).strip()


def plural(phrase: str) -> str:
    """The regular English plural of a phrase's last word."""
    if phrase.endswith("y") and phrase[-2:-1] not in "aeiou":
        return phrase[:-1] + "ies"
    return phrase + ("es" if phrase.endswith(SIBILANTS) else "s")


def read_terms(table: Mapping[str, object], kind: EntityKind, where: str) -> Iterator[Term]:
    """Yields the terms of one TOML table.

    Raises:
        ReportError: an entry is no table, or has a field that a term does not have.
    """
    for name, entry in table.items():
        if not isinstance(entry, dict) or not set(entry) <= KEYS:
            raise ReportError(
                f"{where}: the entry {name!r} holds {entry!r}; expected a table with any of "
                f"{', '.join(sorted(KEYS))}. Correct the entry or remove it."
            )
        for key in ("synonyms", "is_a"):
            if not isinstance(entry.get(key, []), list):
                raise ReportError(
                    f"{where}: of the entry {name!r}, {key} is {entry[key]!r}, expected a list "
                    "of words. Put it in square brackets."
                )
        if entry.get("kind", kind) not in set(EntityKind):
            raise ReportError(
                f"{where}: of the entry {name!r}, kind is {entry['kind']!r}, expected one of "
                f"{', '.join(EntityKind)}. Correct it or leave it out."
            )
        yield Term(
            name=canonical(name),
            kind=EntityKind(entry.get("kind", kind)),
            synonyms=tuple(canonical(s) for s in entry.get("synonyms", ())),
            is_a=tuple(canonical(s) for s in entry.get("is_a", ())),
            site=entry.get("site"),
            region=entry.get("region"),
            side=entry.get("side"),
        )


def read_toml(path: Path) -> dict[str, object]:
    """Reads a lexicon file.

    Raises:
        ReportError: the file is missing, not UTF-8, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReportError(
            f"{path}: cannot be read as a lexicon ({error}). Expected a UTF-8 TOML file with one "
            'table a term, such as ["pleural effusion"] with synonyms = ["effusion"].'
        ) from error


def packaged(name: str) -> dict[str, Any]:
    """One of the files that carina brings along."""
    text = resources.files("carina.report").joinpath("terms", name).read_text(encoding="utf-8")
    return tomllib.loads(text)


def add_phrase(phrases: dict[str, Meaning], phrase: str, role: Role, **fields: str) -> None:
    """Adds a second reading, such as a severity, to a phrase that may have a role already."""
    old = phrases.get(phrase)
    if old is None:
        old = Meaning(role=role, word=phrase)
    phrases[phrase] = replace(old, **fields)  # type: ignore[arg-type]


def term_phrases(terms: Iterable[Term]) -> dict[str, Meaning]:
    """Every way to write every term; the first term to claim a phrase keeps it."""
    phrases: dict[str, Meaning] = {}
    ordered = sorted(terms, key=lambda term: term.kind is not EntityKind.OBSERVATION)
    for spelling in ("name", "synonym", "plural"):
        for term in ordered:
            role = Role.OBSERVATION if term.kind is EntityKind.OBSERVATION else Role.ANATOMY
            written = {
                "name": (term.name,),
                "synonym": term.synonyms,
                "plural": tuple(map(plural, (term.name, *term.synonyms))),
            }[spelling]
            for phrase in written:
                meaning = Meaning(role=role, word=term.name, term=term, side=term.side)
                phrases.setdefault(phrase, meaning)
    return phrases


def placed(phrase: str, meaning: Meaning, phrases: Mapping[str, Meaning]) -> Meaning:
    """The meaning of an observation's phrase with the place and side that the phrase names."""
    if meaning.role is not Role.OBSERVATION or meaning.term is None:
        return meaning
    words = phrase.split()
    for named in (*words, *map(" ".join, itertools.pairwise(words))):
        held = phrases.get(named)
        if held is not None and held.paired and held.word == meaning.term.site:
            return replace(meaning, within=held.term, side="bilateral")  # "blunted cp angles"
    for word in words:
        held = phrases.get(word)
        place = held.term if held is not None and held.role is Role.ANATOMY else None
        if place is not None and place.name in NAMED_PLACES and place.name != meaning.term.site:
            return replace(meaning, within=place, side=held.side if held is not None else None)
    return meaning


def adjective(word: str) -> str:
    """The standard form of a severity: "mildly" is "mild"."""
    return word.removesuffix(" sized").removesuffix("ly")


def modifier_phrases(phrases: dict[str, Meaning], terms: Mapping[str, Term]) -> None:
    """Adds the words of modifiers.toml."""
    table = packaged("modifiers.toml")
    for side, words in table["side"].items():
        for word in strings(words):
            phrases[word] = Meaning(role=Role.SIDE, word=word, side=side)
    for name, words in table["both"].items():
        for word in strings(words):
            phrases[word] = Meaning(
                role=Role.ANATOMY, word=name, term=terms[name], side="bilateral"
            )
    for name, words in table["pair"].items():
        for word in strings(words):
            phrases[word] = Meaning(role=Role.ANATOMY, word=name, term=terms[name], paired=True)
    for zone, words in table["zone"].items():
        for word in strings(words):
            phrases[word] = Meaning(role=Role.ZONE, word=zone)
    for word in strings(table["severity"]["words"]):
        add_phrase(phrases, word, Role.SEVERITY, severity=adjective(word))
    for word in strings(table["severity"]["borderline"]):
        add_phrase(phrases, word, Role.BORDERLINE, severity="borderline")
    for word in strings(table["limit"]["words"]):
        add_phrase(phrases, word, Role.LIMIT, limit=word)


def cue_phrases(phrases: dict[str, Meaning]) -> None:
    """Adds the words of cues.toml; an observation keeps its role."""
    for cue, words in packaged("cues.toml").items():
        for word in strings(words):
            old = phrases.get(word)
            if old is None or old.role in (Role.LIMIT, Role.SEVERITY, Role.ANATOMY):
                limit = old.limit if old else None
                severity = old.severity if old else None
                phrases[word] = Meaning(
                    role=Role[cue.upper()], word=word, limit=limit, severity=severity
                )
            elif (old.role, cue) in ((Role.DENY, "denied"), (Role.DOUBT, "doubted")):
                phrases[word] = replace(old, either=True)
    phrases[","] = Meaning(role=Role.COMMA, word=",")
    phrases[":"] = Meaning(role=Role.COLON, word=":")
    phrases[";"] = Meaning(role=Role.SEMICOLON, word=";")


def change_phrases(phrases: dict[str, Meaning]) -> None:
    """Adds the words of changes.toml; a phrase that has a role keeps it."""
    for change, words in packaged("changes.toml").items():
        for word in strings(words):
            old = phrases.get(word, Meaning(role=Role.CHANGE, word=word))
            phrases[word] = replace(old, change=Change(change))


def strings(words: object) -> tuple[str, ...]:
    """The phrases of a list in a TOML file, in their canonical form."""
    assert isinstance(words, list)
    return tuple(canonical(word) for word in words)


def read_states(
    phrases: dict[str, Meaning], terms: Mapping[str, Term]
) -> dict[tuple[str, str], tuple[Term, ...]]:
    """Adds the words of states.toml; returns what a state of a region, or of a finding, means."""
    table = packaged("states.toml")
    for state, words in table.pop("words").items():
        for word in strings(words):
            add_phrase(phrases, word, Role.STATE, state=state)
            if state in WHOLE:  # "normal" alone is no observation, "normal chest" is
                phrases[word] = replace(phrases[word], role=Role.STATE)
    meant = {
        (region, state): tuple(
            terms.get(name, Term(name=name))
            for name in ((names,) if isinstance(names, str) else strings(names))
        )
        for region, states in table.items()
        for state, names in states.items()
    }
    for name in terms:  # "calcified right apical granuloma" is a calcified granuloma
        whole = phrases.get(f"{CALCIFIED} {name}")
        if whole is not None and whole.term is not None:
            meant[name, CALCIFIED] = (whole.term,)
    return meant


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Terms, phrases and what they mean.

    Attributes:
        terms: each term by its standard name.
        phrases: each canonical phrase and its meaning.
        states: observations that a state of a region means: present ones, but for the states
            `normal` and `clear`, which make theirs absent. By the name of an observation: what
            it is when it is calcified.
    """

    terms: Mapping[str, Term]
    phrases: Mapping[str, Meaning] = field(repr=False)
    states: Mapping[tuple[str, str], tuple[Term, ...]] = field(repr=False)

    @staticmethod
    @functools.cache
    def default() -> "Lexicon":
        """The lexicon that carina brings along, for frontal and lateral chest radiographs."""
        observations = read_terms(
            packaged("observations.toml"), EntityKind.OBSERVATION, "observations.toml"
        )
        anatomy = read_terms(packaged("anatomy.toml"), EntityKind.ANATOMY, "anatomy.toml")
        return Lexicon.of((*observations, *anatomy))

    @staticmethod
    def of(terms: Iterable[Term]) -> "Lexicon":
        """A lexicon of these terms, with the packaged cues, modifiers and states."""
        named = {term.name: term for term in terms}
        phrases = term_phrases(named.values())
        modifier_phrases(phrases, named)
        phrases = {phrase: placed(phrase, meaning, phrases) for phrase, meaning in phrases.items()}
        states = read_states(phrases, named)
        cue_phrases(phrases)
        change_phrases(phrases)
        return Lexicon(terms=named, phrases=phrases, states=states)

    def extended(self, source: Path | Iterable[tuple[str, Iterable[str]]]) -> "Lexicon":
        """This lexicon and more terms, from a file or from pairs of a name and its synonyms.

        A name that exists gets the new synonyms as well. A phrase that belongs to another
        term goes to the new one: the user knows better.

        Raises:
            ReportError: the file cannot be read, or a term has no letters.
        """
        if isinstance(source, Path):
            new = tuple(read_terms(read_toml(source), EntityKind.OBSERVATION, str(source)))
        else:
            new = tuple(
                Term(name=canonical(name), synonyms=tuple(map(canonical, synonyms)))
                for name, synonyms in source
            )
        for term in new:
            if not all(any(c.isalpha() for c in phrase) for phrase in (term.name, *term.synonyms)):
                raise ReportError(
                    f"the term {term.name!r} with synonyms {term.synonyms!r} has a phrase without "
                    "letters: it would match everywhere. Remove that phrase."
                )
        merged = {term.name: merge(self.terms.get(term.name), term) for term in new}
        kept = (term for name, term in self.terms.items() if name not in merged)
        return Lexicon.of((*merged.values(), *kept))

    def broader(self, name: str) -> frozenset[str]:
        """All terms that `name` is a kind of, without itself; empty for an unknown name."""
        found: set[str] = set()
        waiting = list(self.terms[name].is_a) if name in self.terms else []
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting.extend(self.terms[parent].is_a if parent in self.terms else ())
        return frozenset(found - {name})


def merge(old: Term | None, new: Term) -> Term:
    """A term with the synonyms and parents of both; the newer site, region and side win."""
    if old is None:
        return new
    return Term(
        name=new.name,
        kind=old.kind,
        synonyms=tuple(dict.fromkeys((*new.synonyms, *old.synonyms))),
        is_a=tuple(dict.fromkeys((*new.is_a, *old.is_a))),
        site=new.site or old.site,
        region=new.region or old.region,
        side=new.side or old.side,
    )
