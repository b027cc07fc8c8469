import pytest

from carina.report.lexicon import Lexicon
from carina.report.wording import Wording

WORDING = Wording(Lexicon.default())


@pytest.mark.parametrize(
    ("words", "observation", "expected"),
    [
        ("base left", None, "left base"),
        ("Right Pleural", "pleural effusion", "right pleural"),
        ("left", "pleural effusion", "left pleural"),
        ("left", None, "left"),
        ("the upper zones", "opacity", "bilateral upper lung"),
        ("near the spoon", "opacity", "near the spoon"),
        ("", "opacity", None),
    ],
)
def test_places_are_written_as_the_rules_write_them(
    words: str, observation: str | None, expected: str | None
) -> None:
    assert WORDING.place(words, observation) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [("Effusions", "pleural effusion"), ("lung", None), ("no effusion", None), ("spoon", None)],
)
def test_observations_are_whole_phrases(words: str, expected: str | None) -> None:
    assert WORDING.observation(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [("mildly", "mild"), ("6 mm", "6 mm"), ("very small", "very small"), ("left", None)],
)
def test_degrees_and_sizes_are_severities(words: str, expected: str | None) -> None:
    assert WORDING.severity(words) == expected


def test_anatomy_is_named_without_its_side() -> None:
    assert WORDING.anatomy("left bases") == "base"
    assert WORDING.anatomy("spoon") is None
