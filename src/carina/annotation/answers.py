"""Checks what a language model answered: nothing is taken that the report does not hold.

An answer of another form than was asked for is refused as a whole. An entity whose words are not
in the report, or whose assertion is unknown, is left out; the rest of the answer stays.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carina.report.lexicon import Role, canonical
from carina.report.sections import Section, split_sections
from carina.report.wording import Wording
from carina.study import Assertion, Entity, EntityKind

FENCED = re.compile(r"\s*```(?:json|python)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
LABEL_LIST = re.compile(r"\s*(?:label_list\s*=\s*)?\[([^\[\]]*)\]\s*\.?\s*")
NEEDED, OPTIONAL = ("text", "name", "kind", "assertion"), ("place", "severity")

NOT_IN_REPORT = "answered entities whose words are not in the report: left out"
NO_ASSERTION = "answered entities whose assertion is not present, absent or uncertain: left out"
NO_KIND = "answered entities that are neither observation nor anatomy: left out"
NO_PLACE = "answered places that are not in the words of the report: left out"
NO_SEVERITY = "answered degrees that are not in the words of the report: left out"
NOT_ASKED = "answered findings that were not asked about: left out"


class NonsenseError(Exception):
    """An answer is not of the form that was asked for; its text says in which way.

    It never reaches a user as an error: the source counts it.
    """


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What is left of an answer, and how much was left out for which reason."""

    entities: tuple[Entity, ...]
    left_out: Mapping[str, int]


@runtime_checkable
class AnswerForm(Protocol):
    """A form of answer: how it is read and checked."""

    def read(self, answer: str, text: str, wording: Wording) -> Checked:
        """The entities of an answer about a report.

        Raises:
            NonsenseError: the answer is of another form.
        """
        ...


@dataclass(frozen=True)
class EntityAnswers:
    """A JSON object with a list of entities, each with words that stand in the report."""

    def read(self, answer: str, text: str, wording: Wording) -> Checked:
        """The entities of an answer, in the order of the report.

        The n-th entity of the same words is at the n-th place where they stand.

        Raises:
            NonsenseError: the answer is no JSON object with a list of entities.
        """
        left_out: Counter[str] = Counter()
        mentions = Mentions(text)
        entities = [
            entity
            for item in entity_items(answer)
            if (entity := checked_entity(item, mentions, wording, left_out)) is not None
        ]
        entities.sort(key=lambda entity: (entity.start, entity.end))
        return Checked(entities=tuple(dict.fromkeys(entities)), left_out=left_out)


@dataclass(frozen=True, kw_only=True)
class FindingAnswers:
    """KAD's form: `label_list = [...]` with the findings of a list that are there.

    Source: Zhang et al., Nat Commun 2023 (KAD), "Entity extraction", third attempt. Numbers
    are refused: nothing says whether they count from 0 or 1.
    """

    findings: tuple[str, ...]

    def read(self, answer: str, text: str, wording: Wording) -> Checked:
        """The findings of an answer, all present, each where the report first names it.

        Where the lexicon does not see the finding in the report it has no words, and stands
        where the report begins to tell what the radiograph shows.

        Raises:
            NonsenseError: the answer is no list of names.
        """
        left_out: Counter[str] = Counter()
        asked = {canonical(finding): finding for finding in self.findings}
        entities = []
        for item in label_items(answer):
            finding = asked.get(canonical(item))
            if finding is None:
                left_out[NOT_ASKED] += 1
                continue
            name = wording.observation(finding) or finding
            entities.append(first_mention(name, text, wording))
        entities.sort(key=lambda entity: (entity.start, entity.end))
        return Checked(entities=tuple(dict.fromkeys(entities)), left_out=left_out)


# ------------------------------------------------------------------ forms


def unfenced(answer: str) -> str:
    """An answer without the marks of a code block around it."""
    found = FENCED.fullmatch(answer)
    return found[1] if found else answer


def entity_items(answer: str) -> list[dict[str, str | None]]:
    """The entities of a JSON answer, each with all its fields.

    Raises:
        NonsenseError: it is no JSON, or not of the form that was asked for.
    """
    try:
        read = json.loads(unfenced(answer))
    except (json.JSONDecodeError, RecursionError) as error:
        raise NonsenseError("is no JSON") from error
    items = read.get("entities") if isinstance(read, dict) else None
    if not isinstance(items, list):
        raise NonsenseError("is JSON without a list of entities")
    for item in items:
        needed = isinstance(item, dict) and all(isinstance(item.get(k), str) for k in NEEDED)
        if not needed or not all(isinstance(item.get(k), str | None) for k in OPTIONAL):
            raise NonsenseError("has an entity with a field missing or of a wrong type")
    return [{key: item.get(key) for key in (*NEEDED, *OPTIONAL)} for item in items]


def label_items(answer: str) -> list[str]:
    """The names in "label_list = [...]", or in the list alone.

    Raises:
        NonsenseError: it is no such list, or holds numbers.
    """
    found = LABEL_LIST.fullmatch(unfenced(answer))
    if found is None:
        raise NonsenseError("is no label_list")
    items = [item.strip().strip("'\"").strip() for item in found[1].split(",")]
    if any(item.isdecimal() for item in items):
        raise NonsenseError("lists numbers and no names")
    return [item for item in items if item]


# ------------------------------------------------------------------ against the report


class Mentions:
    """Where words stand in the sections that tell what a radiograph shows."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sections = reported_sections(text)
        self._words = set(canonical(reported_text(text)).replace(",", " ").split())
        self._met: Counter[str] = Counter()

    def next(self, words: str) -> tuple[Section, int, int] | None:
        """The place of the words, each time the next one, the last one again and again."""
        places = list(self._places(words))
        if not places:
            return None
        key = canonical(words)
        place = places[min(self._met[key], len(places) - 1)]
        self._met[key] += 1
        return place

    def holds(self, words: str) -> bool:
        """Whether every word stands somewhere in these sections, marks aside."""
        known = {word.strip(".;:") for word in self._words} | self._words
        return all(word.strip(".,;:") in known for word in canonical(words).split())

    def _places(self, words: str) -> Iterator[tuple[Section, int, int]]:
        parts = words.split()
        if not parts:
            return
        pattern = re.compile(
            r"(?<!\w)" + r"\s+".join(map(re.escape, parts)) + r"(?!\w)", re.IGNORECASE
        )
        for section in self.sections:
            for found in pattern.finditer(self.text, section.start, section.end):
                yield section, found.start(), found.end()


def reported_sections(text: str) -> list[Section]:
    """The sections that tell what a radiograph shows."""
    return [section for section in split_sections(text) if section.reported]


def reported_text(text: str) -> str:
    """These sections with their headers: all that leaves for a server."""
    parts = (text[s.header : s.end].strip() for s in reported_sections(text))
    return "\n".join(part for part in parts if part)


def checked_entity(
    item: Mapping[str, str | None], mentions: Mentions, wording: Wording, left_out: Counter[str]
) -> Entity | None:
    """One entity of an answer, or None, with the reason counted."""
    kind, assertion = str(item["kind"]), str(item["assertion"])
    if kind not in set(EntityKind):
        left_out[NO_KIND] += 1
        return None
    if assertion not in set(Assertion):
        left_out[NO_ASSERTION] += 1
        return None
    found = mentions.next(str(item["text"]))
    if found is None:
        left_out[NOT_IN_REPORT] += 1
        return None
    section, start, end = found
    observation = EntityKind(kind) is EntityKind.OBSERVATION
    name = standard_name(str(item["name"]), str(item["text"]), observation, wording)
    place = in_report(item["place"], mentions, left_out, NO_PLACE)
    severity = in_report(item["severity"], mentions, left_out, NO_SEVERITY)
    return Entity(
        name=name,
        text=mentions.text[start:end],
        kind=EntityKind(kind),
        # A part of the body is named and nothing else, as by the rules.
        assertion=Assertion(assertion) if observation else Assertion.PRESENT,
        start=start,
        end=end,
        section=section.name,
        place=wording.place(place, name) if place else None,
        severity=wording.severity(severity) or canonical(severity) if severity else None,
    )


def standard_name(name: str, text: str, observation: bool, wording: Wording) -> str:
    """The lexicon's name for what a model calls `name` and a report `text`, else the model's."""
    look_up = wording.observation if observation else wording.anatomy
    return look_up(name) or look_up(text) or canonical(name) or canonical(text)


def in_report(
    words: str | None, mentions: Mentions, left_out: Counter[str], reason: str
) -> str | None:
    """The words if the report has them all; else None, counted."""
    if not words or not words.strip():
        return None
    if mentions.holds(words):
        return words
    left_out[reason] += 1
    return None


def first_mention(name: str, text: str, wording: Wording) -> Entity:
    """A present finding, where the lexicon first sees it."""
    sections = reported_sections(text)
    for section in sections:
        for token in wording.tokens(text[section.start : section.end]):
            if token.role is Role.OBSERVATION and token.meaning.word == name:
                start, end = section.start + token.start, section.start + token.end
                return present(name, text, section, start, end)
    first = sections[0]
    return present(name, text, first, first.start, first.start)


def present(name: str, text: str, section: Section, start: int, end: int) -> Entity:
    """A finding that is there, at characters of a report."""
    return Entity(
        name=name,
        text=text[start:end],
        kind=EntityKind.OBSERVATION,
        assertion=Assertion.PRESENT,
        start=start,
        end=end,
        section=section.name,
    )
