import pytest

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.report.sentence_rule import (
    asserted_by_sentence,
    reported_sentences,
    sentence_assertion,
)
from carina.study import Assertion


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("No effusion.", Assertion.ABSENT),
        ("Effusion: NONE", Assertion.ABSENT),
        ("Normal.", Assertion.ABSENT),
        ("Abnormal nodes, nonetheless noted.", Assertion.PRESENT),  # whole words only
        ("Without effusion.", Assertion.PRESENT),
    ],
)
def test_three_words_deny_a_sentence(sentence: str, value: Assertion) -> None:
    assert sentence_assertion(sentence) is value


def test_only_sections_that_report_give_sentences() -> None:
    text = "INDICATION: No idea.\nFINDINGS: One. Two.\nIMPRESSION: Three."
    found = [(name, text[start:end]) for name, (start, end) in reported_sentences(text)]
    assert found == [("findings", "One."), ("findings", "Two."), ("impression", "Three.")]


def test_the_rule_changes_observations_and_leaves_anatomy() -> None:
    text = "No effusion but a mass in the lung. Without edema."
    entities = RuleExtractor(Lexicon.default()).extract(text)
    by_rule = {e.name: str(e.assertion) for e in asserted_by_sentence(entities, text)}
    assert by_rule == {
        "pleural effusion": "absent",
        "mass": "absent",
        "lung": "present",
        "pulmonary edema": "present",
    }
