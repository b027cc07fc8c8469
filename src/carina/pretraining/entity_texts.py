"""What a report says of its entities, as GLoRIA reads it: captions, and texts for maps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carina.errors import ConfigError, ManifestError
from carina.pretraining.entity_maps import EntityText
from carina.report.distill import distil
from carina.report.sentences import split_sentences
from carina.study import Assertion, Entity, EntityKind, Report

NO = re.compile(r"\bno\b")


@dataclass(frozen=True, kw_only=True)
class FromManifest:
    """Reports were distilled before: by `carina distill`, whichever way."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """What the manifest's column `distilled` says.

        Raises:
            ManifestError: the report was never distilled.
        """
        if report.distilled is None:
            raise ManifestError(
                "A report of the manifest was never distilled; expected the sentences of what it "
                "names in the column distilled. Run `carina distill` on the manifest."
            )
        return report.distilled


@dataclass(frozen=True, kw_only=True)
class ByRules:
    """Reports are distilled from their entities by rules, as `carina distill` does without more."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """A sentence for each observation; "" of a report that names none."""
        return distil(entities)


@dataclass(frozen=True, kw_only=True)
class DistilledSentences:
    """The sentences of the distilled report, each a piece: what ECAMP gives GLoRIA.

    What is there, or may be, is said `present` times: so a draw among the pieces speaks of it
    more often than of what is not, which reports say far more of.
    """

    source: FromManifest | ByRules = FromManifest()
    present: int = 1

    def __post_init__(self) -> None:
        """Checks the count."""
        if self.present < 1:
            raise ConfigError(f"present must be at least 1, got {self.present}.")

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """Lower-case sentences; of a report that names nothing its own words."""
        found = sentences_of(self.source.of(report, entities))
        pieces = [
            sentence
            for sentence in found
            for _ in range(1 if NO.search(sentence) else self.present)
        ]
        return tuple(pieces) or (" ".join(report.text.split()).lower(),)


@dataclass(frozen=True, kw_only=True)
class DistilledEntities:
    """The distilled report, and those of its entities that it says are there or may be.

    Where none is, those that it denies are looked for.
    """

    source: FromManifest | ByRules = FromManifest()

    def of(self, report: Report, entities: Sequence[Entity]) -> EntityText:
        """The text in lower case; names stand in it as they are given."""
        sentences = sentences_of(self.source.of(report, entities))
        there = [sentence for sentence in sentences if not NO.search(sentence)]
        observed = [entity for entity in entities if entity.kind is EntityKind.OBSERVATION]
        for said, assertions in (
            (there, (Assertion.PRESENT, Assertion.UNCERTAIN)),
            (sentences, (Assertion.ABSENT,)),
        ):
            names = dict.fromkeys(e.name.lower() for e in observed if e.assertion in assertions)
            found = tuple(name for name in names if any(named(name, text) for text in said))
            if found:
                return EntityText(text=" ".join(said), entities=found)
        return EntityText(text=" ".join(sentences), entities=())


def sentences_of(text: str) -> list[str]:
    """The sentences of a distilled report in lower case."""
    return [text[start:end].lower() for start, end in split_sentences(text, 0, len(text))]


def named(name: str, text: str) -> bool:
    """Whether a name stands in a text as words of it."""
    return re.search(rf"\b{re.escape(name)}\b", text) is not None
