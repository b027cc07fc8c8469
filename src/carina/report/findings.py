"""From the entities of a report to what the study shows, and to the labels of known sets."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from carina.report.lexicon import Lexicon
from carina.report.sides import sides_of
from carina.study import Assertion, Entity, EntityKind

WET_READ, ADDENDUM = "wet read", "addendum"
RANK = {Assertion.ABSENT: 0, Assertion.UNCERTAIN: 1, Assertion.PRESENT: 2}


def findings_from_entities(
    entities: Iterable[Entity], lexicon: Lexicon | None = None
) -> dict[str, Assertion]:
    """What a report as a whole says of each observation that it mentions.

    Present anywhere is present, else uncertain anywhere is uncertain, else absent. What is
    present or uncertain makes broader terms so: a rib fracture is a fracture. An absence
    stays with its own term. Wet reads and addenda count as in `final_observations`. What is
    not in the result was not mentioned, which is not the same as absent.

    Args:
        entities: of one report.
        lexicon: knows the broader terms; the packaged one by default.
    """
    known = lexicon or Lexicon.default()
    findings = stated_findings(entities)
    for name, value in tuple(findings.items()):
        if value is not Assertion.ABSENT:
            for parent in known.broader(name):
                raise_to(findings, parent, value)
    return findings


def stated_findings(entities: Iterable[Entity]) -> dict[str, Assertion]:
    """As `findings_from_entities`, with the terms that the report uses and no broader ones."""
    findings: dict[str, Assertion] = {}
    for entity in final_observations(entities):
        raise_to(findings, entity.name, entity.assertion)
    return findings


def final_observations(entities: Iterable[Entity]) -> list[Entity]:
    """The observations that a report holds to in the end, in its order.

    A wet read counts only where nothing else of the report names an observation. What an
    addendum denies is taken out of the rest, on the side that it names or, where it names none,
    on both.
    """
    listed = [e for e in entities if e.kind is EntityKind.OBSERVATION]
    sections = {e.section for e in listed}
    if WET_READ in sections and len(sections) > 1:
        listed = [e for e in listed if e.section != WET_READ]
    if ADDENDUM in sections and len(sections) > 1:
        added = [e for e in listed if e.section == ADDENDUM]
        denied = [e for e in added if e.assertion is Assertion.ABSENT]
        listed = [e for e in listed if e in added or not any(takes_back(d, e) for d in denied)]
    return listed


def takes_back(denial: Entity, earlier: Entity) -> bool:
    """Whether a denial in an addendum is of what an earlier part of the report says."""
    sides = sides_of(denial)
    whose = not sides or (bool(sides_of(earlier)) and sides_of(earlier) <= sides)
    return denial.name == earlier.name and whose


def raise_to(findings: dict[str, Assertion], name: str, value: Assertion) -> None:
    """Sets a finding unless something stronger is known of it."""
    old = findings.get(name)
    if old is None or RANK[value] > RANK[old]:
        findings[name] = value


def most_frequent_observations(reports: Iterable[Sequence[Entity]], count: int) -> tuple[str, ...]:
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
    for label, observations in labels.labels.items():
        for name in observations & findings.keys():
            raise_to(values, label, findings[name])
    return values


# Words of a reader who explains a finding or asks about one, and does not report it.
GUESSING = re.compile(
    r"\b(?:may|might|could|can|cannot|suggest\w*|favor\w*|differential|secondary|concern\w*"
    r"|suspicious|possibl[ey]|worrisome|consider\w*|obscur\w*|exclud\w*|rule|question\w*"
    r"|suspect\w*|correlat\w*)\b",
    re.IGNORECASE,
)
AFTER_MENTION = 40


def coded_findings(entities: Iterable[Entity], text: str) -> dict[str, Assertion]:
    """As `findings_from_entities`, with the hedges that the indexers of Open-i code as present.

    They code both sides of "atelectasis or scarring", and what is probable or borderline, and
    leave out what "may represent atelectasis", "possible atelectasis" and the like.

    Source: read off the codes of the train and validate parts of the collection
    (Demner-Fushman et al., JAMIA 2016), which its guideline does not spell out.
    """
    return findings_from_entities(
        replace(entity, assertion=Assertion.PRESENT)
        if entity.assertion is Assertion.UNCERTAIN and not is_guess(entity, text)
        else entity
        for entity in entities
    )


def is_guess(entity: Entity, text: str) -> bool:
    """Whether the sentence of an uncertain entity, of one line, guesses at it."""
    begin = max(text.rfind(mark, 0, entity.start) for mark in (". ", "\n", ": "))
    before = text[begin + 1 : entity.start]
    after, _, _ = text[entity.end : entity.end + AFTER_MENTION].partition(".")
    return bool(GUESSING.search(before) or GUESSING.search(after))


def names(*observations: str) -> frozenset[str]:
    """A set of observation names."""
    return frozenset(observations)


NIH_14_LABELS = {
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
}
NIH_14 = LabelSet(
    name="nih-14", source="Wang et al., CVPR 2017, arXiv:1705.02315", labels=NIH_14_LABELS
)
# The gold labels of the Indiana University reports follow the index codes of the collection, of
# which "Pericardial Effusion" was counted as Effusion. Read with `coded_findings`.
IU_GOLD_14 = LabelSet(
    name="iu-gold-14",
    source="Wang et al., CVPR 2017, arXiv:1705.02315; Demner-Fushman et al., JAMIA 2016",
    labels={**NIH_14_LABELS, "Effusion": names("pleural effusion", "pericardial effusion")},
)
CHEXPERT_14 = LabelSet(
    name="chexpert-14",
    source="Irvin et al., AAAI 2019, arXiv:1901.07031",
    labels={
        "Enlarged Cardiomediastinum": names(
            "enlarged cardiomediastinum", "mediastinal widening", "mediastinal mass"
        ),
        "Cardiomegaly": names("cardiomegaly"),
        "Lung Lesion": names("lung lesion"),
        "Lung Opacity": names(
            "opacity", "scar", "interstitial opacity", "peribronchial thickening"
        ),
        "Edema": names("pulmonary edema", "heart failure", "vascular congestion"),
        "Consolidation": names("consolidation"),
        "Pneumonia": names("pneumonia"),
        "Atelectasis": names("atelectasis"),
        "Pneumothorax": names("pneumothorax"),
        "Pleural Effusion": names("pleural effusion"),
        "Pleural Other": names("pleural thickening", "pleural scarring", "fibrosis"),
        "Fracture": names("fracture"),
        "Support Devices": names("device"),
    },
)
# KAD's 41 prompts that have an observation of their own, in the order of its label table.
KAD_41 = LabelSet(
    name="kad-41",
    source="Zhang et al., Nat Commun 2023; the prompts of its published code",
    labels={
        "normal": names("normal"),
        "pleural effusion": names("pleural effusion"),
        "opacity": names("opacity"),
        "pneumothorax": names("pneumothorax"),
        "edema": names("pulmonary edema"),
        "atelectasis": names("atelectasis"),
        "tube": names("tube"),
        "consolidation": names("consolidation"),
        "enlarged cardiomediastinum": names("enlarged cardiomediastinum"),
        "tip": names("tip"),
        "pneumonia": names("pneumonia"),
        "line": names("line"),
        "cardiomegaly": names("cardiomegaly"),
        "fracture": names("fracture"),
        "calcification": names("calcification"),
        "device": names("device"),
        "engorgement": names("vascular congestion"),
        "nodule": names("nodule"),
        "wire": names("wire"),
        "pacemaker": names("pacemaker"),
        "pleural thicken": names("pleural thickening"),
        "marking": names("increased markings", "interstitial opacity"),
        "scar": names("scar"),
        "hyperinflate": names("hyperinflation"),
        "blunt": names("blunting of the costophrenic angle"),
        "collapse": names("collapse"),
        "emphysema": names("emphysema"),
        "aerate": names("low lung volumes"),
        "mass": names("mass"),
        "infiltration": names("infiltrate"),
        "obscure": names("obscuration"),
        "deformity": names("deformity"),
        "hernia": names("hiatal hernia"),
        "drainage": names("chest tube"),
        "distention": names("bowel distention"),
        "shift": names("mediastinal shift"),
        "stent": names("stent"),
        "lesion": names("lung lesion"),
        "hardware": names("hardware"),
        "dilation": names("bowel distention", "aortic enlargement"),
        "aspiration": names("aspiration"),
    },
)
NO_FINDING = "No Finding"
# What a chest radiograph can show without being abnormal in CheXpert's sense.
HARMLESS = frozenset({"normal", "fat pad", "nipple shadow", "azygos lobe", "acute disease"})


def chexpert_labels(
    entities: Iterable[Entity], lexicon: Lexicon | None = None
) -> dict[str, Assertion]:
    """CheXpert's 14 labels, "No Finding" included; labels that are not mentioned are left out.

    As in CheXpert an observation counts for its nearest label alone: atelectasis does not fill
    in Lung Opacity. "No Finding" is present if nothing but devices is present or uncertain,
    findings without a label of their own (hernia, scoliosis ...) included; else it is left out.
    """
    known = lexicon or Lexicon.default()
    values: dict[str, Assertion] = {}
    shown = False
    for name, value in stated_findings(entities).items():
        for label in nearest_labels(name, known):
            raise_to(values, label, value)
        device = bool({name, *known.broader(name)} & {"device"})
        shown = shown or not (value is Assertion.ABSENT or name in HARMLESS or device)
    return values if shown else {NO_FINDING: Assertion.PRESENT, **values}


def nearest_labels(name: str, lexicon: Lexicon) -> tuple[str, ...]:
    """The CheXpert labels of an observation, or else those of the terms it is a kind of."""
    own = tuple(label for label, held in CHEXPERT_14.labels.items() if name in held)
    if own or name not in lexicon.terms:
        return own
    parents = lexicon.terms[name].is_a
    return tuple(label for parent in parents for label in nearest_labels(parent, lexicon))
