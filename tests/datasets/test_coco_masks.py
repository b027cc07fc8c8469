"""COCO's run lengths: a published text, one worked by hand, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.datasets.coco_masks import lengths_of, mask_of_text, text_of_mask
from carina.errors import DatasetError


def test_the_empty_mask_of_a_published_file_covers_its_picture() -> None:
    # 0 + (6 << 5) + (7 << 10) + (8 << 15) + (6 << 20) = 6,560,960 = 2,828 x 2,320.
    assert lengths_of("PVWX6") == [2320 * 2828]
    assert not mask_of_text("PVWX6", 2320, 2828).any()


def test_a_text_worked_by_hand_goes_down_the_columns() -> None:
    # Runs 4 out, 2 in, 1 out, 3 in, 2 out: the first three as they are, then 3 - 2 and 2 - 1.
    assert lengths_of("42111") == [4, 2, 1, 3, 2]
    expected = [[0, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0]]
    np.testing.assert_array_equal(mask_of_text("42111", 3, 4), np.array(expected, dtype=bool))


def test_a_difference_may_be_negative() -> None:
    # 5, 9, 3, then 2 - 9 = -7: the low five bits of -7 are 11001, 25, with the sign bit set.
    assert lengths_of(f"593{chr(48 + 25)}") == [5, 9, 3, 2]


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_mask_comes_back_from_its_text(height: int, width: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    np.testing.assert_array_equal(mask_of_text(text_of_mask(mask), height, width), mask)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("42 1", "found the character ' ', expected run lengths as COCO's"),
        ("42P", "end within a number: the file may be cut short"),
        ("42", "the runs cover 6 pixels, expected 12"),
        (f"593{chr(48 + 16)}", "the runs cover 10 pixels"),
    ],
)
def test_a_text_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        mask_of_text(text, 3, 4)
