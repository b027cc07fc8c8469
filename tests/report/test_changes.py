"""What a report says of change over time, worked by hand."""

import pytest

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import EntityKind

EXTRACTOR = RuleExtractor(Lexicon.default())


def changes(text: str) -> str:
    return ", ".join(
        f"{entity.name} {entity.change or 'none'}"
        for entity in EXTRACTOR.extract(text)
        if entity.kind is EntityKind.OBSERVATION
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Stable mild cardiomegaly.", "cardiomegaly unchanged"),
        ("No interval change in the right basilar opacity.", "opacity unchanged"),
        ("Cardiomegaly persists.", "cardiomegaly unchanged"),
        ("Small left effusion, unchanged.", "pleural effusion unchanged"),
        ("The heart remains enlarged.", "cardiomegaly unchanged"),
        (
            "Stable cardiomegaly and pulmonary edema.",
            "cardiomegaly unchanged, pulmonary edema unchanged",
        ),
        ("Resolving right upper lobe pneumonia.", "pneumonia decreased"),
        ("Interval improvement in left effusion.", "pleural effusion decreased"),
        ("Increasing left effusion.", "pleural effusion increased"),
        ("The effusion has slightly increased.", "pleural effusion increased"),
        (
            "Not only edema but also a new right effusion.",
            "pulmonary edema none, pleural effusion new",
        ),
        ("Interval development of a left effusion.", "pleural effusion new"),
        ("A mass, not previously seen.", "mass new"),
        (
            "Right effusion is larger; left is unchanged.",
            "pleural effusion increased, pleural effusion unchanged",
        ),
        (
            "No effusion on the left; a small one persists on the right.",
            "pleural effusion none, pleural effusion unchanged",
        ),
        (
            "Left lower lobe collapse is worse, with shift of the mediastinum.",
            "collapse increased, mediastinal shift none",
        ),
        (
            "Lingular opacity, which could be infection, has improved.",
            "opacity decreased, pneumonia none",
        ),
        ("Increased effusion, increased opacity.", "pleural effusion increased, opacity none"),
        ("Kyphosis with increased diameter of the chest.", "kyphosis none"),
        ("Old healed rib fracture.", "rib fracture none"),
        ("Left effusion.", "pleural effusion none"),
    ],
)
def test_words_of_change_reach_their_findings(text: str, expected: str) -> None:
    assert changes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The left apical pneumothorax has resolved.",
        "The pneumothorax is no longer seen.",
        "Interval resolution of the pneumothorax.",
    ],
)
def test_what_has_resolved_is_absent_and_was_there(text: str) -> None:
    (found,) = (e for e in EXTRACTOR.extract(text) if e.kind is EntityKind.OBSERVATION)
    assert (found.name, found.assertion, found.change) == ("pneumothorax", "absent", "resolved")


def test_what_has_nearly_resolved_is_there() -> None:
    (found,) = EXTRACTOR.extract("The pneumothorax has nearly resolved.")
    assert (found.assertion, found.change) == ("present", "decreased")


def test_what_was_never_there_has_no_change() -> None:
    assert (
        changes("No new consolidation. No pneumothorax.") == "consolidation none, pneumothorax none"
    )


def test_the_size_of_a_change_is_not_that_of_the_finding() -> None:
    (found,) = EXTRACTOR.extract("Significant decrease in edema.")
    assert (found.change, found.severity) == ("decreased", None)
