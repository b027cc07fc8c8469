"""Distilling by rules: what becomes a sentence, and what does not."""

import pytest

from carina.report.distill import distil
from carina.report.distilled_check import split_distilled
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind


def distilled(text: str) -> list[str]:
    return split_distilled(distil(RuleExtractor(Lexicon.default()).extract(text)))[0]


# The reports of ECAMP's Table S3 in words of our own, and what its language model says of each
# of the entities that both name. It has "normal cardiac hilar" where we have hilar contours; it
# leaves tuberculosis out, whose abbreviation it does not match.
TABLE_S3 = [
    (
        "Focal consolidation, pleural effusion, vascular congestion and pneumothorax are not seen. "
        "Hilar and mediastinal contours are within normal limits.",
        [
            "There is no consolidation.",
            "There is no pleural effusion.",
            "There is no vascular congestion.",
            "There is no pneumothorax.",
            "There are normal hilar contours.",
            "There are normal mediastinal contours.",
        ],
    ),
    (
        "Lungs without airspace or interstitial opacity. Cardiomediastinal silhouette is "
        "unremarkable. Neither pleural effusion nor pneumothorax.",
        [
            "There is no interstitial opacity.",
            "There is normal cardiomediastinal silhouette.",
            "There is no pleural effusion.",
            "There is no pneumothorax.",
        ],
    ),
    (
        "An opacity in the right lower lobe, with an effusion, could be atelectasis or pneumonia.",
        [
            "There is opacity.",
            "There may be atelectasis.",
            "There may be pneumonia.",
            "There is pleural effusion.",
        ],
    ),
    (
        "Volumes of the lungs are lower. Moderate pleural effusion.",  # the example of Table S2
        ["There is moderate pleural effusion."],
    ),
]


@pytest.mark.parametrize(("report", "sentences"), TABLE_S3)
def test_rules_say_what_the_language_model_of_the_paper_says(
    report: str, sentences: list[str]
) -> None:
    assert set(sentences) <= set(distilled(report))


def test_a_degree_stands_before_its_entity() -> None:
    assert distilled("Mildly enlarged heart. 6 mm nodule.") == [
        "There is mild cardiomegaly.",
        "There is 6 mm nodule.",
    ]


def test_what_is_in_doubt_may_be() -> None:
    assert distilled("Possible small effusion.") == ["There may be small pleural effusion."]


def test_one_thing_is_said_once_with_its_degree() -> None:
    text = "FINDINGS: Moderate effusion.\nIMPRESSION: Pleural effusion."
    assert distilled(text) == ["There is moderate pleural effusion."]


def test_two_degrees_are_two_sentences() -> None:
    assert distilled("Small right and large left pleural effusion.") in (
        ["There is small pleural effusion.", "There is large pleural effusion."],
        ["There is large pleural effusion.", "There is small pleural effusion."],
    )


def test_present_on_one_side_is_not_denied_for_the_other() -> None:
    assert distilled("Right pneumothorax. No left pneumothorax.") == ["There is pneumothorax."]


def test_a_qualified_denial_keeps_its_word_unless_all_is_denied() -> None:
    assert distilled("No large effusion.") == ["There is no large pleural effusion."]
    assert distilled("No large effusion. No pleural effusion.") == ["There is no pleural effusion."]


def test_clear_lungs_do_not_deny_what_is_a_kind_of_opacity() -> None:
    said = distilled("Atelectasis at the left base. Lungs otherwise clear.")
    assert "There is atelectasis." in said
    assert "There is no opacity." not in said


def test_one_clear_lung_denies_nothing() -> None:
    assert distilled("The right lung is clear.") == []


def test_a_normal_silhouette_is_not_told_beside_a_large_heart() -> None:
    said = distilled("Cardiomegaly. Cardiomediastinal silhouette is unremarkable.")
    assert said == ["There is cardiomegaly."]


def test_a_normal_chest_has_no_abnormality_unless_something_is_there() -> None:
    assert distilled("Normal chest.") == ["There is no abnormality."]
    assert "There is no abnormality." not in distilled("Normal chest. Scoliosis.")


def test_plurals_and_abbreviations_of_the_paper() -> None:
    assert distilled("Low lung volumes. Congestive heart failure.") == [
        "There are low lung volumes.",
        "There is CHF.",
    ]
    assert distilled("No surgical clips.") == ["There are no surgical clips."]


def test_no_entities_give_nothing() -> None:
    assert distil(()) == ""
    assert distilled("Please correlate.") == []


def test_anatomy_alone_is_not_told() -> None:
    heart = Entity(
        name="heart",
        text="heart",
        kind=EntityKind.ANATOMY,
        assertion=Assertion.PRESENT,
        start=0,
        end=5,
    )
    assert distil((heart,)) == ""
