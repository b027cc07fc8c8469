"""From the entities of a report to what the study shows, and to the labels of known sets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

RANK = {Assertion.ABSENT: 0, Assertion.UNCERTAIN: 1, Assertion.PRESENT: 2}


def findings_from_entities(
    entities: Iterable[Entity], lexicon: Lexicon | None = None
) -> dict[str, Assertion]:
    """What a report as a whole says of each observation that it mentions.

    Present anywhere is present, else uncertain anywhere is uncertain, else absent. What is
    present or uncertain makes broader terms so: a rib fracture is a fracture. An absence
    stays with its own term. A wet read counts only where no impression follows it. What is
    not in the result was not mentioned, which is not the same as absent.

    Args:
        entities: of one report.
        lexicon: knows the broader terms; the packaged one by default.
    """
    known = lexicon or Lexicon.default()
    listed = [e for e in entities if e.kind is EntityKind.OBSERVATION]
    if any(e.section == "impression" for e in listed):
        listed = [e for e in listed if e.section != "wet read"]
    findings: dict[str, Assertion] = {}
    for entity in listed:
        raise_to(findings, entity.name, entity.assertion)
    for name, value in tuple(findings.items()):
        if value is not Assertion.ABSENT:
            for parent in known.broader(name):
                raise_to(findings, parent, value)
    return findings


def raise_to(findings: dict[str, Assertion], name: str, value: Assertion) -> None:
    """Sets a finding unless something stronger is known of it."""
    old = findings.get(name)
    if old is None or RANK[value] > RANK[old]:
        findings[name] = value


def most_frequent_observations(
    reports: Iterable[Sequence[Entity]], count: int
) -> tuple[str, ...]:
    """The observations that most reports call present, most frequent first, ties by name.

    Broader terms count for themselves only where a report uses them.
    """
    counts: Counter[str] = Counter()
    for entities in reports:
        counts.update(
            {
                e.name
                for e in entities
                if e.kind is EntityKind.OBSERVATION and e.assertion is Assertion.PRESENT
            }
        )
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(ranked[:count])


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """The labels of a known set and the observations that each of them stands for."""

    name: str
    source: str
    labels: Mapping[str, frozenset[str]]


def label_values(findings: Mapping[str, Assertion], labels: LabelSet) -> dict[str, Assertion]:
    """The labels that the findings speak of; a label that is not mentioned is left out."""
    values: dict[str, Assertion] = {}
    for label, names in labels.labels.items():
        for name in names & findings.keys():
            raise_to(values, label, findings[name])
    return values


def names(*observations: str) -> frozenset[str]:
    """A set of observation names."""
    return frozenset(observations)


NIH_14 = LabelSet(
    name="nih-14",
    source="Wang et al., CVPR 2017, arXiv:1705.02315",
    labels={
        "Atelectasis": names("atelectasis"),
        "Cardiomegaly": names("cardiomegaly"),
        "Effusion": names("pleural effusion"),
        "Infiltration": names("infiltrate"),
        "Mass": names("mass"),
        "Nodule": names("nodule"),
        "Pneumonia": names("pneumonia"),
        "Pneumothorax": names("pneumothorax"),
        "Consolidation": names("consolidation"),
        "Edema": names("pulmonary edema"),
        "Emphysema": names("emphysema"),
        "Fibrosis": names("fibrosis"),
        "Pleural_Thickening": names("pleural thickening"),
        "Hernia": names("hiatal hernia"),
    },
)
