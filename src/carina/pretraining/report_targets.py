"""What reports teach: which findings are asked about, their labels, and the report as a text.

Each choice that the paper, its ablations or its code make is a class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int8
from numpy.typing import NDArray
from torch import Tensor

from carina.errors import ConfigError, ReportError
from carina.files import progress
from carina.losses.query import IGNORED
from carina.report.entities import RuleExtractor
from carina.report.findings import findings_from_entities, most_frequent_observations
from carina.report.lexicon import Lexicon
from carina.report.sentence_rule import asserted_by_sentence
from carina.report.sequence import entity_sequence, official_entity_sequence
from carina.report.sides import SIDES, most_frequent_sided, sided_assertions, sides_of
from carina.study import Assertion, Entity, EntityKind, Report

NORMAL = "normal"

OFFICIAL_QUERIES = (
    "normal",
    "pleural effusion",
    "opacity",
    "pneumothorax",
    "edema",
    "atelectasis",
    "tube",
    "consolidation",
    "enlarged cardiomediastinum",
    "tip",
    "pneumonia",
    "line",
    "cardiomegaly",
    "fracture",
    "calcification",
    "device",
    "engorgement",
    "nodule",
    "wire",
    "pacemaker",
    "pleural thicken",
    "marking",
    "scar",
    "hyperinflate",
    "blunt",
    "collapse",
    "emphysema",
    "aerate",
    "mass",
    "infiltration",
    "obscure",
    "deformity",
    "hernia",
    "drainage",
    "distention",
    "shift",
    "stent",
    "lesion",
    "hardware",
    "dilation",
    "aspiration",
)
"""The 41 prompts of KAD's published code, in the order of its labels."""

PAPER_QUERIES = tuple(
    {"device": "medical device"}.get(name, name)
    for name in OFFICIAL_QUERIES
    if name not in (NORMAL, "stent")
)
"""The 39 findings of the paper's list ("Entity extraction")."""


@dataclass(frozen=True, kw_only=True)
class PaperQueries:
    """The 39 findings of KAD's paper."""

    def names(self, reports: Sequence[Sequence[Entity]]) -> tuple[str, ...]:
        """The list."""
        return PAPER_QUERIES


@dataclass(frozen=True, kw_only=True)
class OfficialQueries:
    """The 41 prompts of KAD's published code."""

    def names(self, reports: Sequence[Sequence[Entity]]) -> tuple[str, ...]:
        """The list."""
        return OFFICIAL_QUERIES


@dataclass(frozen=True, kw_only=True)
class FrequentObservations:
    """The observations that the user's own reports name most often.

    `sided` queries more are observations with a side ("left pneumothorax"), the most frequent
    ones: they teach where things are. `held_out` are never asked in training, so that they can
    be asked as unseen afterwards.
    """

    count: int = 40
    sided: int = 0
    held_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the counts."""
        if self.count < 1 or self.sided < 0:
            raise ConfigError(
                "count of queries must be at least 1, and sided at least 0, got "
                f"{self.count} and {self.sided}."
            )

    def names(self, reports: Sequence[Sequence[Entity]]) -> tuple[str, ...]:
        """The most frequent ones, most frequent first.

        Raises:
            ReportError: the reports name no observation.
        """
        found = most_frequent_observations(reports, self.count + len(self.held_out))
        names = tuple(name for name in found if name not in self.held_out)[: self.count]
        if not names:
            raise ReportError(
                f"No observation was found in {len(reports)} reports; expected some. Check that "
                "the manifest has reports in English, or extend the lexicon."
            )
        return names + self._sided(reports)

    def _sided(self, reports: Sequence[Sequence[Entity]]) -> tuple[str, ...]:
        found = most_frequent_sided(reports, self.sided + len(SIDES) * len(self.held_out))
        out = {f"{side} {name}" for side in SIDES for name in self.held_out}
        return tuple(name for name in found if name not in out)[: self.sided]


class Label(IntEnum):
    """What a loss is told of a finding."""

    IGNORED = IGNORED
    ABSENT = 0
    PRESENT = 1


@dataclass(frozen=True, kw_only=True)
class LabelPolicy:
    """What an uncertain finding, and one that is not mentioned, count as.

    Missing is not absent; KAD trains it as absent nevertheless, and so do the defaults.
    """

    uncertain: Label = Label.ABSENT
    unmentioned: Label = Label.ABSENT

    def label(self, assertion: Assertion | None) -> Label:
        """The label of one finding of one report."""
        if assertion is None:
            return self.unmentioned
        meaning = {
            Assertion.PRESENT: Label.PRESENT,
            Assertion.ABSENT: Label.ABSENT,
            Assertion.UNCERTAIN: self.uncertain,
        }
        return meaning[assertion]


@runtime_checkable
class EntitySource(Protocol):
    """Where the entities of a report come from."""

    def of(self, reports: Sequence[Report]) -> tuple[tuple[Entity, ...], ...]:
        """The entities of each report."""
        ...


@dataclass(frozen=True, kw_only=True)
class NoEntities:
    """None are needed: the report's own words are read."""

    def of(self, reports: Sequence[Report]) -> tuple[tuple[Entity, ...], ...]:
        """None for any report."""
        return ((),) * len(reports)


@dataclass(frozen=True, kw_only=True)
class AnnotatedEntities:
    """The manifest's entities; reports that were not annotated are read by the rules now."""

    def of(self, reports: Sequence[Report]) -> tuple[tuple[Entity, ...], ...]:
        """The entities of each report."""
        extract = default_extractor().extract
        return tuple(
            extract(report.text) if report.entities is None else report.entities
            for report in progress(reports, "entities", len(reports))
        )


@dataclass(frozen=True, kw_only=True)
class RuleEntities:
    """Our rules, whatever the manifest holds."""

    def of(self, reports: Sequence[Report]) -> tuple[tuple[Entity, ...], ...]:
        """The entities of each report."""
        extract = default_extractor().extract
        return tuple(extract(report.text) for report in progress(reports, "entities", len(reports)))


@dataclass(frozen=True, kw_only=True)
class SentenceRuleEntities:
    """The paper's first attempt: a sentence with "no", "none" or "normal" denies all it names.

    Source: Zhang et al., Nat Commun 2023, "Entity extraction", with our lexicon in UMLS's place.
    """

    def of(self, reports: Sequence[Report]) -> tuple[tuple[Entity, ...], ...]:
        """The entities of each report, their assertion by the rule."""
        extract = default_extractor().extract
        return tuple(
            asserted_by_sentence(extract(report.text), report.text)
            for report in progress(reports, "entities", len(reports))
        )


@cache
def default_extractor() -> RuleExtractor:
    """Our rules over the shipped lexicon."""
    return RuleExtractor(Lexicon.default())


@dataclass(frozen=True, kw_only=True)
class EntitySequence:
    """Entities and their assertions, as in KAD's paper."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """The text; a report without entities gives its own words."""
        return entity_sequence(entities, report.text)


@dataclass(frozen=True, kw_only=True)
class OfficialEntitySequence:
    """Entities and their assertions as KAD's published code writes them."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """The text; a report without entities gives its sentences."""
        return official_entity_sequence(entities, report.text)


@dataclass(frozen=True, kw_only=True)
class RawReport:
    """The report itself: the paper's ablation without entity extraction."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """The text, its white space made single."""
        return " ".join(report.text.split())


@dataclass(frozen=True, kw_only=True)
class KnownQuery:
    """A query, the lexicon's name of the one observation in it, and the side that it names."""

    name: str
    standard: str
    side: str | None

    @classmethod
    def read(cls, name: str) -> "KnownQuery":
        """Reads a query as a report would be read."""
        entities = default_extractor().extract(name)
        found = {e.name: sides_of(e) for e in entities if e.kind is EntityKind.OBSERVATION}
        if len(found) != 1:
            return cls(name=name, standard=name, side=None)
        ((standard, sides),) = found.items()
        return cls(name=name, standard=standard, side=min(sides) if len(sides) == 1 else None)


def label_table(
    entities: Sequence[Sequence[Entity]], names: Sequence[str], policy: LabelPolicy
) -> Int8[np.ndarray, "reports queries"]:
    """The label of every finding in every report.

    "normal" is present where no observation is, as in the paper. A query whose words the
    lexicon knows under another name ("pleural thicken") is looked up by that name, too. A query
    with a side is labelled by side, and left out of the loss where the report names none.
    """
    known = [KnownQuery.read(name) for name in names]
    table: NDArray[np.int8] = np.empty((len(entities), len(names)), dtype=np.int8)
    sided = any(query.side for query in known)
    for row, found in enumerate(entities):
        findings = findings_from_entities(found)
        said = sided_assertions(found) if sided else {}
        table[row] = [_label(query, findings, said, policy) for query in known]
    return table


def _label(
    query: KnownQuery,
    findings: Mapping[str, Assertion],
    said: Mapping[tuple[str, str], set[Assertion | None]],
    policy: LabelPolicy,
) -> Label:
    if query.name == NORMAL:
        ill = any(v is Assertion.PRESENT for other, v in findings.items() if other != NORMAL)
        return Label.ABSENT if ill else Label.PRESENT
    if query.side is not None:
        return _label_of_side(said.get((query.side, query.standard), set()), policy)
    return policy.label(findings.get(query.name, findings.get(query.standard)))


def _label_of_side(said: set[Assertion | None], policy: LabelPolicy) -> Label:
    for value in (Assertion.PRESENT, Assertion.UNCERTAIN):
        if value in said:
            return policy.label(value)
    if None in said:
        return Label.IGNORED
    return policy.label(Assertion.ABSENT if said else None)


def positive_weights(
    labels: Int8[np.ndarray, "images queries"], power: float
) -> Float[Tensor, "queries"] | None:
    """(absent / present) ** power for each finding; 1 where either never occurs."""
    if power == 0:
        return None
    present = (labels == Label.PRESENT).sum(0)
    absent = (labels == Label.ABSENT).sum(0)
    both = (present > 0) & (absent > 0)
    ratio = np.where(both, absent / np.maximum(present, 1), 1.0)
    return torch.from_numpy((ratio**power).astype(np.float32))
