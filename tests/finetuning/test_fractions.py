import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ConfigError
from carina.finetuning.fractions import NO_FINDING, drawn_patients, strata_of

MANY = {f"p{i:04}": (0 if i % 10 == 0 else NO_FINDING) for i in range(1000)}


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=5), st.integers(0, 99))
def test_a_smaller_fraction_lies_inside_a_larger_one(shares: list[float], seed: int) -> None:
    drawn = [drawn_patients(MANY, share, seed) for share in sorted(shares)]
    assert all(less <= more for less, more in itertools.pairwise(drawn))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_fraction_is_as_mixed_as_the_whole(share: float) -> None:
    for seed in range(20):
        drawn = drawn_patients(MANY, share, seed)
        assert len(drawn) == round(share * 1000)
        positives = sum(MANY[patient] == 0 for patient in drawn)
        assert abs(positives - share * 100) <= 1


def test_seeds_draw_different_patients_and_one_seed_the_same() -> None:
    assert drawn_patients(MANY, 0.05, 1) == drawn_patients(MANY, 0.05, 1)
    assert drawn_patients(MANY, 0.05, 1) != drawn_patients(MANY, 0.05, 2)


def test_every_patient_is_drawn_about_equally_often() -> None:
    often = np.zeros(1000)
    for seed in range(200):
        often[[int(patient[1:]) for patient in drawn_patients(MANY, 0.1, seed)]] += 1
    assert often.min() > 0
    assert often.max() < 45  # binomial(200, 0.1): 20 on average, 4.2 deviation


def test_the_whole_is_everyone_and_the_least_is_one() -> None:
    assert drawn_patients(MANY, 1.0, 0) == set(MANY)
    assert len(drawn_patients(MANY, 1e-6, 0)) == 1


def test_a_patient_counts_by_the_rarest_finding_of_any_image() -> None:
    labels = np.array([[1, 0], [1, 1], [0, np.nan], [1, 0], [0, 0]], dtype=np.float64)
    strata = strata_of(["a", "a", "b", "c", "b"], labels)
    assert strata == {"a": 1, "b": NO_FINDING, "c": 0}


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="fraction of the labels"):
        drawn_patients(MANY, share, 0)


def test_nobody_cannot_be_drawn_from() -> None:
    with pytest.raises(ConfigError, match="no patient"):
        drawn_patients({}, 0.5, 0)
