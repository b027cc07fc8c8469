"""Findings of the source against what reports say."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from carina.studies.check_report import Contradiction
from carina.studies.contradictions import contradictions
from carina.studies.manifest import Manifest
from carina.study import Assertion, Entity, EntityKind, Finding, Report

Cohort = Callable[..., Manifest]
PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN


def found(
    cohort: Cohort, finding: str, value: Assertion, report: Report | str
) -> list[Contradiction]:
    manifest = cohort()
    study = replace(
        manifest.studies[0],
        findings=(Finding(name=finding, value=value),),
        report=report if isinstance(report, Report) else Report(text=report),
    )
    return list(contradictions([manifest.with_studies([study])]))


@pytest.mark.parametrize(
    ("finding", "value", "text", "entity"),
    [
        ("Effusion", PRESENT, "Clear lungs. No pleural effusion.", "pleural effusion"),
        ("pleural effusion", ABSENT, "Large left pleural effusion.", "pleural effusion"),
        ("Pleural_Thickening", PRESENT, "There is no pleural thickening.", "pleural thickening"),
        ("Support Devices", ABSENT, "A pacemaker is seen.", "pacemaker"),
        ("Fracture", ABSENT, "There is a rib fracture.", "rib fracture"),
        ("No Finding", PRESENT, "The heart is normal. There is a pneumothorax.", "pneumothorax"),
    ],
)
def test_what_the_report_denies_or_adds_is_told(
    cohort: Cohort, finding: str, value: Assertion, text: str, entity: str
) -> None:
    (item,) = found(cohort, finding, value, text)
    assert (item.finding, item.source_says, item.entity) == (finding, value, entity)
    sentence = text[item.start : item.end]
    assert entity.rsplit(maxsplit=1)[-1] in sentence
    assert sentence.strip() == text.rsplit(". ", maxsplit=1)[-1].strip()


@pytest.mark.parametrize(
    ("finding", "value", "text"),
    [
        ("Effusion", PRESENT, "There is a small pleural effusion."),
        ("Effusion", PRESENT, "No effusion on the right. There is a left pleural effusion."),
        ("Effusion", PRESENT, "Possible pleural effusion."),
        ("Effusion", UNCERTAIN, "No pleural effusion."),
        ("Effusion", PRESENT, "The heart is enlarged."),
        ("Effusion", PRESENT, ""),
        ("No Finding", PRESENT, "No pneumothorax. The lungs are clear."),
        ("No Finding", ABSENT, "No pneumothorax."),
        ("Fracture", PRESENT, "No rib fracture. Old fracture of the clavicle."),
        ("COVID-19", PRESENT, "No pneumothorax."),
    ],
)
def test_what_agrees_or_is_not_said_is_no_contradiction(
    cohort: Cohort, finding: str, value: Assertion, text: str
) -> None:
    assert found(cohort, finding, value, text) == []


def test_a_wider_term_that_is_present_contradicts_nothing(cohort: Cohort) -> None:
    manifest = cohort()
    studies = list(manifest.studies)
    empyema = (Finding(name="empyema", value=Assertion.ABSENT),)
    studies[0] = replace(
        studies[0], report=Report(text="FINDINGS: Left pleural effusion."), findings=empyema
    )
    assert not list(contradictions([manifest.with_studies(studies)]))


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Lung Opacity", "There is left lower lobe atelectasis."),
        ("Enlarged Cardiomediastinum", "Mild cardiomegaly. Mediastinal contours are normal."),
    ],
)
def test_a_label_that_its_labeler_does_not_fill_in_is_not_contradicted_by_another(
    cohort: Cohort, label: str, text: str
) -> None:
    assert found(cohort, label, ABSENT, text) == []


def test_an_absent_label_is_contradicted_by_what_is_its_own(cohort: Cohort) -> None:
    (item,) = found(cohort, "Lung Opacity", ABSENT, "Atelectasis. A right basilar opacity.")
    assert item.entity == "opacity"


def test_entities_of_the_manifest_come_before_the_rules(cohort: Cohort) -> None:
    text = "No pleural effusion."
    entity = Entity(
        name="pleural effusion",
        text="pleural effusion",
        kind=EntityKind.OBSERVATION,
        assertion=PRESENT,
        start=3,
        end=19,
    )
    assert found(cohort, "Effusion", PRESENT, Report(text=text, entities=(entity,))) == []
    assert len(found(cohort, "Effusion", ABSENT, Report(text=text, entities=(entity,)))) == 1
