"""Run lengths: worked by hand on a picture of four by four."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.datasets.run_lengths import mask_of_runs, relative_runs, relative_text, runs_in
from carina.datasets.table import Row
from carina.errors import DatasetError


def test_gaps_count_from_the_end_of_the_run_before_and_go_down_the_columns() -> None:
    # Skip one pixel, take two; skip five, take one: pixels 1, 2 and 8 of a walk down the columns.
    runs = relative_runs("1 2 5 1", 16)
    assert runs == ((1, 3), (8, 9))
    expected = np.zeros((4, 4), dtype=np.bool_)
    expected[1, 0] = expected[2, 0] = expected[0, 2] = True  # [row, column]
    np.testing.assert_array_equal(mask_of_runs(runs, 4), expected)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_a_mask_that_is_written_is_the_mask_that_is_read(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((7, 7)) < share
    text = relative_text(mask)
    runs = relative_runs(text, 49) if text else ()
    np.testing.assert_array_equal(mask_of_runs(runs, 7), mask)


def test_the_last_pixel_may_be_inside() -> None:
    assert relative_runs("15 1", 16) == ((15, 16),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 5", "has 3 numbers, expected pairs of a gap and a length"),
        ("1 2 5 0", "has a run of no pixels"),
        ("1 2 x 4", "found '1 2 x 4', expected pairs of a gap and a length, or -1"),
        ("1 -2", "found '1 -2', expected pairs"),
        ("", "found '', expected pairs of a gap and a length, or -1"),
        ("10 7", "the runs end at pixel 17, but the picture has 16$"),
        # As starts these are pixels 2-4 and 14-16: another release counts so.
        ("2 3 14 3", "end at pixel 22, but the picture has 16; they look counted from the start"),
    ],
)
def test_runs_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        relative_runs(text, 16)


def test_a_cell_is_refused_with_its_place() -> None:
    row = Row(Path("t.csv"), 7, {"EncodedPixels": "1 99"})
    with pytest.raises(DatasetError, match=r"t\.csv, row 7, EncodedPixels: the runs end at pixel"):
        runs_in(row, "EncodedPixels", 16)
