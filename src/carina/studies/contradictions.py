"""Findings that the source of a study gives, against what its report says."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from carina.files import progress
from carina.report.entities import RuleExtractor
from carina.report.findings import (
    CHEXPERT_14,
    KAD_41,
    NIH_14,
    NO_FINDING,
    chexpert_labels,
    findings_from_entities,
    nearest_labels,
    raise_to,
)
from carina.report.lexicon import Lexicon, canonical
from carina.report.sentences import split_sentences
from carina.studies.check_report import Contradiction
from carina.studies.leaks import place_of
from carina.studies.manifest import Manifest
from carina.study import Assertion, Entity, EntityKind, Finding, Study

_DECIDED = {Assertion.PRESENT, Assertion.ABSENT}


def contradictions(manifests: Sequence[Manifest]) -> Iterator[Contradiction]:
    """Findings that are present where the report says absent, and the other way round.

    The entities are those of the manifest; a report that was not annotated is read by the rules.
    What a report does not mention, or calls possible, contradicts nothing, nor does a wider
    term: an effusion that is there does not contradict an empyema that is not. An absent label
    of CheXpert's is taken as its labeler gives it: atelectasis does not make a lung opacity. "No
    Finding" is contradicted by a report that calls a labelled finding present.
    """
    for manifest in manifests:
        told = [s for s in manifest.studies if s.findings and s.report.text.strip()]
        for study in progress(told, "Comparing findings with reports", len(told)):
            entities = study.report.entities
            if entities is None:
                entities = _reader().extract(study.report.text)
            yield from _of_study(manifest, study, entities)


def _of_study(
    manifest: Manifest, study: Study, entities: Sequence[Entity]
) -> Iterator[Contradiction]:
    said, labelled = findings_from_entities(entities), chexpert_labels(entities)
    for finding in study.findings:
        observations = _observations(finding.name)
        if finding.value is Assertion.ABSENT and not _names_exactly(finding.name):
            continue
        values: dict[str, Assertion] = {}
        for name in observations & said.keys():
            raise_to(values, finding.name, said[name])
        own = finding.value is Assertion.ABSENT and finding.name in CHEXPERT_14.labels
        says = (labelled if own else values).get(finding.name)
        expected = _expected(finding)
        if expected is None or says not in _DECIDED or says is expected:
            continue
        label = finding.name if own else None
        entity = _spoken(entities, observations, says, label)
        if entity is not None:
            start, end = _sentence(study.report.text, entity)
            yield Contradiction(
                place=place_of(manifest, study),
                finding=finding.name,
                source_says=finding.value,
                report_says=says,
                entity=entity.name,
                start=start,
                end=end,
            )


def _expected(finding: Finding) -> Assertion | None:
    """What the report is to say of the finding's observations; None where anything goes."""
    if finding.name == NO_FINDING:
        return Assertion.ABSENT if finding.value is Assertion.PRESENT else None
    return finding.value if finding.value in _DECIDED else None


@lru_cache(maxsize=4096)
def _names_exactly(finding: str) -> bool:
    """Whether a finding is a label of a known set or a term, not a word for a wider term."""
    plain = canonical(finding.replace("_", " "))
    labels = (label for known in (NIH_14, CHEXPERT_14, KAD_41) for label in known.labels)
    named = {canonical(label.replace("_", " ")) for label in labels}
    return finding == NO_FINDING or plain in named or plain in Lexicon.default().terms


@lru_cache(maxsize=4096)
def _observations(finding: str) -> frozenset[str]:
    """The observations of the lexicon that a label of a known set, or a plain name, stands for."""
    if finding == NO_FINDING:
        return frozenset().union(*NIH_14.labels.values())
    plain = canonical(finding.replace("_", " "))
    for labels in (NIH_14, CHEXPERT_14, KAD_41):
        for label, observations in labels.labels.items():
            if canonical(label.replace("_", " ")) == plain:
                return observations
    lexicon = Lexicon.default()
    if plain in lexicon.terms:
        return frozenset({plain})
    meaning = lexicon.phrases.get(plain)
    return frozenset({meaning.term.name}) if meaning and meaning.term else frozenset()


def _spoken(
    entities: Sequence[Entity],
    observations: frozenset[str],
    value: Assertion,
    label: str | None,
) -> Entity | None:
    """The first entity that says so; a kind of the observation speaks for it.

    Args:
        entities: of the report.
        observations: that the finding stands for.
        value: what the report says.
        label: where given, the entity's own label in CheXpert's list must be this one.
    """
    lexicon = Lexicon.default()
    for entity in entities:
        if entity.kind is EntityKind.OBSERVATION and entity.assertion is value:
            known = {entity.name, *lexicon.broader(entity.name)}
            own = label is None or label in nearest_labels(entity.name, lexicon)
            if own and known & observations:
                return entity
    return None


def _sentence(text: str, entity: Entity) -> tuple[int, int]:
    """The sentence that an entity stands in."""
    for span in split_sentences(text):
        if span.start <= entity.start < span.end:
            return span.start, span.end
    return entity.start, entity.end


@lru_cache(maxsize=1)
def _reader() -> RuleExtractor:
    return RuleExtractor(Lexicon.default())
