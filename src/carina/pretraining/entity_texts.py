"""What a report says of its entities, as GLoRIA reads it: captions, and texts for maps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carina.errors import ManifestError
from carina.pretraining.entity_maps import EntityText
from carina.report.sentences import split_sentences
from carina.study import Assertion, Entity, EntityKind, Report


@dataclass(frozen=True, kw_only=True)
class StatedEntities:
    """One sentence an observation, made of its entities: "there is X.", "no X."."""

    def of(self, report: Report, entities: Sequence[Entity]) -> EntityText:
        """Sentences of what is there; of what is denied, where nothing is there."""
        observed = [entity for entity in entities if entity.kind is EntityKind.OBSERVATION]
        there = [e.name for e in observed if e.assertion is not Assertion.ABSENT]
        if there:
            names = tuple(dict.fromkeys(there))
            return EntityText(text=" ".join(f"there is {n}." for n in names), entities=names)
        names = tuple(dict.fromkeys(entity.name for entity in observed))
        return EntityText(text=" ".join(f"no {n}." for n in names), entities=names)


@dataclass(frozen=True, kw_only=True)
class DistilledText:
    """The distilled report, and those of its entities that it names: ECAMP's."""

    def of(self, report: Report, entities: Sequence[Entity]) -> EntityText:
        """The report as `distilled` has it.

        Raises:
            ManifestError: it was never distilled.
        """
        text = distilled(report).lower()
        names = dict.fromkeys(
            entity.name.lower()
            for entity in entities
            if entity.kind is EntityKind.OBSERVATION and entity.assertion is not Assertion.ABSENT
        )
        said = tuple(name for name in names if re.search(rf"\b{re.escape(name)}\b", text))
        return EntityText(text=text, entities=said)


@dataclass(frozen=True, kw_only=True)
class DistilledSentences:
    """The sentences of the distilled report, each a piece: ECAMP's."""

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """Lower-case sentences; of a report that names no entity its own words.

        Raises:
            ManifestError: it was never distilled.
        """
        text = distilled(report)
        found = tuple(text[start:end].lower() for start, end in split_sentences(text, 0, len(text)))
        return found or (" ".join(report.text.split()).lower(),)


def distilled(report: Report) -> str:
    """The distilled report.

    Raises:
        ManifestError: it was never distilled.
    """
    if report.distilled is None:
        raise ManifestError(
            "A report of the manifest was never distilled; expected sentences of what it names in "
            "the column distilled. Run `carina distill` on the manifest, or choose another text."
        )
    return report.distilled
