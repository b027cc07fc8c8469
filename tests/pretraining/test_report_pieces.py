from collections import Counter

import pytest

from carina.errors import ConfigError
from carina.pretraining.report_pieces import (
    FullStops,
    Sentences,
    ShuffledSome,
    Single,
    Statements,
    each_once,
    says_something,
)
from carina.study import Assertion, Entity, EntityKind, Report

REPORT = Report(text="INDICATION: Fall.\n\nFINDINGS: A 1.5 cm nodule. None. Heart is normal.")


def entity(name: str, assertion: Assertion, place: str | None = None) -> Entity:
    return Entity(
        name=name,
        text=name,
        kind=EntityKind.OBSERVATION,
        assertion=assertion,
        start=0,
        end=1,
        place=place,
    )


def test_full_stops_cut_numbers_as_the_published_code_does() -> None:
    assert FullStops().of(REPORT, ()) == (
        "indication: fall.",
        "findings: a 1.",
        "5 cm nodule.",
        "none.",
        "heart is normal.",
        ".",
    )


def test_sentences_are_whole_and_of_sections_that_report() -> None:
    assert Sentences().of(REPORT, ()) == ("a 1.5 cm nodule.", "none.", "heart is normal.")
    assert Sentences().of(Report(text="Clear lungs"), ()) == ("clear lungs",)


def test_statements_say_each_finding_as_a_prompt_does() -> None:
    entities = (
        entity("nodule", Assertion.PRESENT, "left upper lung"),
        entity("mass", Assertion.ABSENT),
        entity("edema", Assertion.UNCERTAIN),
        entity("mass", Assertion.ABSENT),
    )
    assert Statements(present=2).of(REPORT, entities) == (
        "there is nodule.",
        "there is nodule.",
        "there is nodule in the left upper lung.",
        "no mass.",
        "possible edema.",
    )
    assert Statements().of(Report(text="Lungs  are clear."), ()) == ("lungs are clear.",)
    with pytest.raises(ConfigError, match=r"present must be at least 1"):
        Statements(present=0)


def test_a_draw_is_a_function_of_seed_step_and_place() -> None:
    pieces = [f"piece {number}." for number in range(9)]
    for draw in (ShuffledSome(), Single(count=3)):
        first = draw.texts(pieces, seed=1, step=2, place=3)
        assert draw.texts(pieces, seed=1, step=2, place=3) == first
        others = {
            draw.texts(pieces, seed=s, step=t, place=p)
            for s, t, p in ((2, 2, 3), (1, 3, 3), (1, 2, 4))
        }
        assert len(others | {first}) == 4
        assert len(first) == (3 if isinstance(draw, Single) else 1)


def test_some_pieces_are_drawn_in_any_order_and_number() -> None:
    drawn = [ShuffledSome().texts(("a", "b", "c"), seed=0, step=s, place=0)[0] for s in range(3000)]
    lengths = Counter(len(text.split()) for text in drawn)
    assert set(lengths) == {1, 2, 3}
    assert all(900 < count < 1100 for count in lengths.values())  # a third each
    assert len(set(drawn)) == 3 + 6 + 6  # all ordered choices


def test_pieces_that_say_nothing_are_left_out_unless_there_is_no_other() -> None:
    pieces = ("none.", ".", "clear lungs.")
    drawn = {ShuffledSome().texts(pieces, seed=0, step=step, place=0)[0] for step in range(60)}
    assert drawn == {"clear lungs.", "none."}  # the first piece stands in where nothing is left
    assert not says_something(" . ")


def test_single_pieces_do_not_come_twice_before_all_have_come() -> None:
    pieces = ("a", "b", "c")
    for step in range(50):
        texts = Single(count=5).texts(pieces, seed=0, step=step, place=1)
        assert set(texts[:3]) == set(pieces)
        assert texts[3:] == texts[:2]
    with pytest.raises(ConfigError, match=r"count of texts must be at least 1"):
        Single(count=0)


def test_each_different_text_of_some_draws_is_named_once() -> None:
    draws = [("no mass.", "effusion."), ("effusion.", "no mass."), ("mass.", "mass.")]
    different, rows = each_once(draws)
    assert sorted(different) == ["effusion.", "mass.", "no mass."]
    assert [tuple(different[number] for number in draw) for draw in rows] == draws
    assert each_once([]) == ([], [])
