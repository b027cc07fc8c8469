"""Sentences against the report that they are said to come from."""

import pytest

from carina.report import distilled_check
from carina.report.distill import distil
from carina.report.distilled_check import DistilledCheck
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind


@pytest.fixture(scope="module")
def check() -> DistilledCheck:
    return DistilledCheck(Lexicon.default())


def test_sentences_that_the_report_bears_out_stay(check: DistilledCheck) -> None:
    report = "Elongated descending aorta. Heart is mildly enlarged. 1.5 cm nodule. Rib fractures."
    found = check.check(
        "There is descending aorta. There is mild cardiomegaly.\nThere is 1.5 cm nodule.\n"
        "There are fractures.",
        report,
    )
    assert found.sentences == (
        "There is descending aorta.",
        "There is mild cardiomegaly.",
        "There is 1.5 cm nodule.",
        "There are fractures.",  # a rib fracture is one
    )
    assert found.counts == {}


@pytest.mark.parametrize(
    ("distilled", "reason"),
    [
        ("There is pneumonia.", "entities that are not in the report"),
        ("There is effusion. There is no rib fracture.", "entities that are not in the report"),
        ("There is effusion. There is silhouette.", "entities that are not in the report"),
        ("There is severe effusion.", "a degree that is not in the report"),
        ("There is no doubt.", "name no entity"),
        ("Hope this helps!", "another form than was asked for"),
    ],
)
def test_others_are_left_out_and_counted(
    check: DistilledCheck, distilled: str, reason: str
) -> None:
    found = check.check(distilled, "Mild effusion, no fracture of the clavicle.")
    assert found.sentences in ((), ("There is effusion.",))
    assert [(reason in told, count) for told, count in found.counts.items()] == [(True, 1)]


def test_the_forms_of_models_become_one_form(check: DistilledCheck) -> None:
    answer = "1. there may mild effusion\n- There might be mild  effusion.\nThere is effusion;"
    found = check.check(answer, "Possible mild effusion.")
    assert found.sentences == ("There may be mild effusion.", "There is effusion.")


def test_a_contradiction_is_kept_and_counted(check: DistilledCheck) -> None:
    found = check.check("There is no effusion.", "Large effusion.")
    assert found.text == "There is no effusion."
    assert found.counts == {distilled_check.OTHERWISE: 1}


def test_the_entities_of_another_reader_count(check: DistilledCheck) -> None:
    said = Entity(
        name="pneumonia",
        text="infectious process",
        kind=EntityKind.OBSERVATION,
        assertion=Assertion.PRESENT,
        start=0,
        end=18,
    )
    report = "Infectious process."
    assert check.check("There is pneumonia.", report, (said,)).sentences
    assert not check.check("There is mass.", report, (said,)).sentences


def test_nothing_distilled_is_nothing_wrong(check: DistilledCheck) -> None:
    assert check.check("", "Effusion.").counts == {}


def test_what_the_rules_distil_of_any_finding_is_borne_out(check: DistilledCheck) -> None:
    lexicon = Lexicon.default()
    extract = RuleExtractor(lexicon).extract
    findings = [t.name for t in lexicon.terms.values() if t.kind is EntityKind.OBSERVATION]
    lost = []
    for name in findings:
        report = f"Moderate {name}."
        distilled = distil(extract(report))
        if distilled and not check.check(distilled, report).sentences:
            lost.append(name)
    assert lost == []
