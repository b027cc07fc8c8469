"""Checks distilled sentences against the report that they are said to come from."""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from carina.report.distill import NORMAL
from carina.report.entities import RuleExtractor
from carina.report.entity_words import entities_named
from carina.report.findings import findings_from_entities
from carina.report.lexicon import Lexicon, canonical
from carina.study import Assertion, Entity, EntityKind

# "There may [a] [b]." stands in ECAMP's prompt: the verb is often left out. A full stop inside a
# number ends no sentence.
SENTENCE = re.compile(
    r"\bthere (is|are|may be|might be|may)\b((?:[^.;\n]|\.(?=\d))*)[.;]?", re.IGNORECASE
)
SAYING = re.compile(r"[^\W\d_]")
REMEMBERED_SENTENCES = 65_536
OPPOSITE = {Assertion.PRESENT: Assertion.ABSENT, Assertion.ABSENT: Assertion.PRESENT}
BEGINNINGS = {"is": "There is", "are": "There are"}

OTHER_FORM = "lines of another form than was asked for: left out"
NO_ENTITY = "sentences that name no entity: left out"
FOREIGN = "sentences about entities that are not in the report: left out"
FOREIGN_DEGREE = "sentences with a degree that is not in the report: left out"
OTHERWISE = "sentences that say present where the rules read absent, or absent for present: kept"


@dataclass(frozen=True, kw_only=True)
class CheckedSentences:
    """What is left of a distilled text, and how much of it was left out for which reason."""

    sentences: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def text(self) -> str:
        """The sentences, one space between two of them."""
        return " ".join(self.sentences)


class DistilledCheck:
    """Tells sentences that a report bears out from those that it does not."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._extract = RuleExtractor(lexicon).extract
        self._said = functools.lru_cache(REMEMBERED_SENTENCES)(self._read)

    def check(
        self, distilled: str, text: str, entities: Sequence[Entity] | None = None
    ) -> CheckedSentences:
        """What the report bears out of a distilled text, each sentence once.

        A sentence is borne out where the report names its entities, as one of the 44 words, by
        the lexicon, or by a term that is a kind of it, and has the words of its degree.

        Args:
            distilled: sentences "There is [degree] [entity]." or "There may be ...".
            text: the report.
            entities: of the report; by default they are read by the rules.
        """
        report = self._known(text, self._extract(text) if entities is None else entities)
        counts: Counter[str] = Counter()
        kept: dict[str, None] = {}
        found, rest = split_distilled(distilled)
        counts[OTHER_FORM] += rest
        for sentence in found:
            reason = self._refusal(sentence, report)
            if reason:
                counts[reason] += 1
                continue
            counts[OTHERWISE] += self._contradicts(sentence, report)
            kept[sentence] = None
        return CheckedSentences(sentences=tuple(kept), counts=+counts)

    def _known(self, text: str, entities: Sequence[Entity]) -> "Known":
        names = {entity.name for entity in entities}
        for name in tuple(names):
            names |= self._lexicon.broader(name)
        if NORMAL in names:
            names.add("abnormality")  # which it has none of
        words = set(words_of(text)) | {w for e in entities for w in words_of(e.severity or "")}
        return Known(
            names=names,
            words=words,
            stems=set(map(stem, words)),
            entities=set(entities_named(text)),
            findings=findings_from_entities(entities, self._lexicon),
        )

    def _read(self, sentence: str) -> "Said":
        entities = self._extract(sentence)
        return Said(
            entities=entities,
            named=frozenset(entities_named(sentence)),
            degrees=frozenset(stem(w) for e in entities for w in words_of(e.severity or "")),
        )

    def _refusal(self, sentence: str, report: "Known") -> str:
        """Why a sentence is left out; "" where it is kept."""
        said = self._said(sentence)
        if not said.entities and not said.named:
            return NO_ENTITY
        foreign = set(said.named - report.entities)
        for entity in said.entities:
            if report.holds(entity, sentence):
                foreign.difference_update(entities_named(entity.text) if foreign else ())
            elif entity.kind is EntityKind.OBSERVATION:
                return FOREIGN
        if foreign:
            return FOREIGN
        return "" if said.degrees <= report.stems else FOREIGN_DEGREE

    def _contradicts(self, sentence: str, report: "Known") -> bool:
        return any(
            entity.kind is EntityKind.OBSERVATION
            and entity.assertion in OPPOSITE
            and report.findings.get(entity.name) is OPPOSITE[entity.assertion]
            for entity in self._said(sentence).entities
        )


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a sentence says, by the lexicon, by the 44 words, and with which degrees."""

    entities: tuple[Entity, ...]
    named: frozenset[str]
    degrees: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a report holds.

    Attributes:
        names: standard names of its entities, and broader ones.
        words: its words, lower case.
        stems: its words without the endings of adverbs.
        entities: which of the 44 it names.
        findings: what it says of each observation.
    """

    names: set[str]
    words: set[str]
    stems: set[str]
    entities: set[str]
    findings: Mapping[str, Assertion]

    def holds(self, entity: Entity, sentence: str) -> bool:
        """Whether it names an entity of a sentence, or all words of it."""
        if entity.name in self.names or set(words_of(entity.text)) <= self.words:
            return True
        part, whole = canonical(entity.text), canonical(sentence)
        return any(part in name and name in whole for name in self.names)


def split_distilled(distilled: str) -> tuple[list[str], int]:
    """The sentences of the two forms, and how many lines hold words beside them."""
    found = [written(match) for match in SENTENCE.finditer(distilled)]
    rest = SENTENCE.sub("", distilled)
    return found, sum(SAYING.search(line) is not None for line in rest.splitlines())


def written(found: re.Match[str]) -> str:
    """A sentence as we write it."""
    beginning = BEGINNINGS.get(found[1].lower(), "There may be")
    return " ".join((beginning, *found[2].split())) + "."


def words_of(text: str) -> Iterator[str]:
    """Words, lower case, without hyphens and marks."""
    return (word.strip(".,;:") for word in canonical(text).split())


def stem(word: str) -> str:
    """An adjective without the ending that makes it an adverb: "mild" of "mildly"."""
    return word.removesuffix("ly")
