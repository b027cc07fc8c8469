"""300 sentences of Open-i, annotated by hand before the rules saw them, are read alike.

The guideline of the annotation is `annotated_sentences.md`.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

sys.path.insert(0, str(Path(__file__).parent))
from sentence_scores import Observation, Sentence, count, read_by, read_sentences, same_place


@pytest.fixture(scope="module")
def sentences(data_dir: Path) -> list[Sentence]:
    return read_sentences(data_dir / "iu_reports" / "reports.jsonl")


@pytest.fixture(scope="module")
def agreed(sentences: list[Sentence]) -> Counter[str]:
    extractor = RuleExtractor(Lexicon.default())
    return sum((count(s, read_by(extractor, s)) for s in sentences), Counter())


def test_the_annotated_sentences_are_300_of_as_many_reports(sentences: list[Sentence]) -> None:
    assert len({sentence.report for sentence in sentences}) == 300
    assert Counter(s.split == "train" for s in sentences) == {True: 150, False: 150}
    assert sum(s.kind != "plain" for s in sentences) == 150


def test_every_phrase_lies_inside_its_sentence(sentences: list[Sentence]) -> None:
    for s in sentences:
        for o in s.observations:
            assert 0 <= o.start < o.end <= s.end - s.start


def test_the_assertions_of_annotated_phrases_are_read_rightly(agreed: Counter[str]) -> None:
    assert agreed["asserted"] >= 0.95 * agreed["found"], dict(agreed)


def test_nearly_all_annotated_phrases_are_found_and_little_else(agreed: Counter[str]) -> None:
    assert agreed["found"] >= 0.93 * agreed["annotated"], dict(agreed)
    assert agreed["at_a_span"] >= 0.97 * agreed["read"], dict(agreed)


def entity(name: str, start: int, end: int, assertion: Assertion, **rest: str) -> tuple:
    kind = EntityKind.OBSERVATION
    made = Entity(name=name, text="", kind=kind, assertion=assertion, start=start, end=end, **rest)
    return made, start, end


# "Small left effusion, no edema, nodule": effusion 11:19, edema 24:29, nodule 31:37.
MADE_UP = Sentence(
    report="R1",
    section="findings",
    start=0,
    end=37,
    split="train",
    kind="plain",
    body="Small left effusion, no edema, nodule",
    observations=(
        Observation(
            name="pleural effusion",
            start=11,
            end=19,
            assertion=Assertion.PRESENT,
            place="left",
            severity="small",
        ),
        Observation(name="pulmonary edema", start=24, end=29, assertion=Assertion.ABSENT),
        Observation(name="nodule", start=31, end=37, assertion=Assertion.PRESENT),
    ),
)


def test_agreement_is_counted_as_worked_by_hand() -> None:
    read = [
        entity("pleural effusion", 11, 19, Assertion.PRESENT, place="left pleural"),
        entity("opacity", 24, 29, Assertion.PRESENT),  # other name, other assertion
        entity("mass", 0, 5, Assertion.PRESENT),  # where nothing is annotated
    ]
    assert count(MADE_UP, read) == {
        **{"annotated": 3, "read": 3, "at_a_span": 2, "found": 2},
        **{"named": 1, "asserted": 1, "placed": 2, "graded": 1, "compared": 2},
        **{"with_place": 1, "with_place, placed": 1, "with_severity": 1},
        **{"found, present": 1, "asserted, present": 1},
        **{"found, absent": 1, "asserted, absent": 0},
    }


@pytest.mark.parametrize(
    ("annotated", "read", "same"),
    [
        ("bilateral", ["right pleural", "left pleural"], True),
        ("left lung base", ["left base"], True),
        ("left base", ["left"], False),
        ("left", ["left base"], False),
        ("right rib", ["right"], False),
        (None, ["mediastinum"], True),
        (None, ["right"], False),
        (None, [None], True),
    ],
)
def test_places_agree_when_all_is_said_and_no_other_side_or_zone(
    annotated: str | None, read: list[str | None], same: bool
) -> None:
    assert same_place(annotated, read) is same
