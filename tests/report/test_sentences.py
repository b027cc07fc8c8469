import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.report.sentences import split_sentences

sys.path.insert(0, str(Path(__file__).parent))
from time_growth import assert_linear


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A 1.5 cm nodule. Clear.", ["A 1.5 cm nodule.", "Clear."]),
        ("Told to Dr. Smith by phone.", ["Told to Dr. Smith by phone."]),
        ("Taken at 5 a.m. in bed. Clear.", ["Taken at 5 a.m. in bed.", "Clear."]),
        ("Wedging at T8. The heart is big.", ["Wedging at T8.", "The heart is big."]),
        ("Wedging at T8. and below.", ["Wedging at T8. and below."]),
        ("1. No effusion. 2. Nodule.", ["No effusion.", "Nodule."]),
        ("1) No effusion 2) Nodule", ["No effusion", "Nodule"]),
        ("1.NO EFFUSION. 2.NODULE.", ["NO EFFUSION.", "NODULE."]),
        ("Seen at rib 8. The heart is big.", ["Seen at rib 8.", "The heart is big."]),
        ("There is ___ cm of fluid. XXXX XXXX.", ["There is ___ cm of fluid.", "XXXX XXXX."]),
        ("Seen by [** Name **] today. Clear.", ["Seen by [** Name **] today.", "Clear."]),
        ("No change.. Clear. .", ["No change..", "Clear."]),
        ("Small opacity.The heart is big.", ["Small opacity.", "The heart is big."]),
        ("Is this edema? Unclear!", ["Is this edema?", "Unclear!"]),
        ("no effusion. heart is big.", ["no effusion.", "heart is big."]),
        ("Lungs clear\nHeart normal", ["Lungs clear", "Heart normal"]),
        ("First part\n \nsecond part", ["First part", "second part"]),
        ("- one thing\n- another", ["- one thing", "another"]),
        ("", []),
        (" . ", []),
    ],
)
def test_sentences_are_cut_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_a_wrapped_line_goes_on() -> None:
    wrapped = (
        "There is a small amount of fluid in the left pleural space, and a tube of\n"
        " Dobhoff type ends in the stomach."
    )
    assert len(cut(wrapped)) == 1


def test_only_the_part_asked_for_is_cut() -> None:
    text = "One. Two. Three."
    assert [text[a:b] for a, b in split_sentences(text, 5, 9)] == ["Two."]


@given(st.text(alphabet="aA1 .)\n-!T8", max_size=60))
def test_sentences_are_in_order_and_leave_out_only_marks(text: str) -> None:
    end = 0
    for span in split_sentences(text):
        assert end <= span.start < span.end
        left_out = text[end : span.start]
        assert not any(c.isalpha() for c in left_out)
        end = span.end
    assert not any(c.isalpha() for c in text[end:])


@pytest.mark.parametrize("piece", [".", "1.", "\n ", "a.m. ", ") ", "No effusion. ", "x"])
def test_time_grows_linearly(piece: str) -> None:
    assert_linear(lambda length: split_sentences(piece * (length // len(piece))))


def test_a_square_is_not_called_linear() -> None:
    with pytest.raises(AssertionError, match="times as many"):
        assert_linear(lambda length: sum(1 for _ in range(length * length // 300)))
