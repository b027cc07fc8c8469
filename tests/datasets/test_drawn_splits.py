"""Splits by the rule of published code."""

from collections import Counter

import pytest
from sklearn.model_selection import train_test_split

from carina.datasets.drawn_splits import ShuffledSplit, train_or_validate


@pytest.mark.parametrize(
    ("held_out", "published", "lengths"),
    [
        (0.3, 0.3, (18_678, 4_003, 4_003)),  # GLoRIA, and MGCA's classification
        (0.4, 5337 * 2, (16_010, 5_337, 5_337)),  # MGCA's detection asks for numbers
    ],
)
def test_a_shuffled_split_is_the_one_that_published_code_makes(
    held_out: float, published: float, lengths: tuple[int, int, int]
) -> None:
    ids = [f"{number:05x}" for number in range(26_684)]
    train, rest = train_test_split(ids, test_size=published, random_state=0)
    test, validate = train_test_split(rest, test_size=0.5, random_state=0)
    parts = ShuffledSplit(held_out=held_out).parts(ids[::-1])
    assert {name for name in ids if parts[name] == "train"} == set(train)
    assert {name for name in ids if parts[name] == "validate"} == set(validate)
    assert {name for name in ids if parts[name] == "test"} == set(test)
    assert (len(train), len(validate), len(test)) == lengths


def test_an_eighth_validates() -> None:
    drawn = Counter(train_or_validate(f"patient {number}") for number in range(4_000))
    assert drawn["validate"] == pytest.approx(500, abs=65)  # three standard deviations
    assert set(drawn) == {"train", "validate"}
