import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from carina.metrics.delong import delong, delong_interval, delong_test


def brute_force(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong 1988, equations 1 to 5, with every pair written out."""
    aucs, tens, ones = [], [], []
    for model in scores:
        positive, negative = model[truth == 1], model[truth == 0]
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        aucs.append(wins.mean())
        tens.append(wins.mean(axis=1))
        ones.append(wins.mean(axis=0))
    m, n = len(tens[0]), len(ones[0])
    covariance = np.empty((len(scores), len(scores)))
    for r in range(len(scores)):
        for s in range(len(scores)):
            ten = ((tens[r] - aucs[r]) * (tens[s] - aucs[s])).sum() / (m - 1)
            one = ((ones[r] - aucs[r]) * (ones[s] - aucs[s])).sum() / (n - 1)
            covariance[r, s] = ten / m + one / n
    return np.array(aucs), covariance


@given(
    seed=st.integers(0, 2**32 - 1), images=st.integers(4, 40), levels=st.sampled_from([2, 9, 999])
)
def test_midrank_form_equals_all_pairs_written_out(seed: int, images: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, images).astype(float)
    truth[:4] = 0, 0, 1, 1
    scores = generator.integers(0, levels, (3, images)) / levels
    found = delong(scores, truth)
    aucs, covariance = brute_force(scores, truth)
    np.testing.assert_allclose(found.aucs, aucs, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    assert found.aucs[1] == pytest.approx(roc_auc_score(truth, scores[1]))


def test_interval_equals_value_worked_by_hand() -> None:
    # Positives 3, 1; negatives 2, 0. Wins [[1, 1], [0, 1]]: AUC 3/4; by positive 1, 1/2; by
    # negative 1/2, 1. Each has variance 1/8, so 1/16 + 1/16 = 1/8: 0.75 +- 1.96 * 0.35355.
    found = delong(np.array([[3.0, 1, 2, 0]]), np.array([1.0, 1, 0, 0]))
    assert found.covariance[0, 0] == pytest.approx(1 / 8)
    interval = delong_interval(found)
    assert interval.low == pytest.approx(0.75 - 1.959964 * 0.125**0.5)
    assert interval.high == 1


def test_paired_test_uses_the_covariance() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat([0.0, 1.0], 200)
    first = generator.normal(size=400) + truth
    second = first + 0.3 * generator.normal(size=400)
    found = delong_test(first, second, truth)
    aucs, covariance = brute_force(np.stack([first, second]), truth)
    deviation = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.value == pytest.approx(aucs[0] - aucs[1])
    assert found.high - found.low == pytest.approx(2 * 1.959964 * deviation, rel=1e-6)
    # z = 1.96 is p = 0.05; a p below it goes with an interval that leaves 0 out, and back.
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def test_equal_ranking_gives_no_difference() -> None:
    scores, truth = np.random.default_rng(0).random(50), np.repeat([0.0, 1.0], 25)
    found = delong_test(scores, scores**3, truth)
    assert (found.value, found.p_value) == (0, 1)


def test_p_value_is_uniform_where_models_are_equally_good() -> None:
    generator = np.random.default_rng(3)
    truth = np.repeat([0.0, 1.0], 100)
    small = sum(
        delong_test(*(generator.normal(size=(2, 200)) + truth), truth).p_value < 0.05
        for _ in range(400)
    )
    assert small == pytest.approx(20, abs=14)  # three deviations of a binomial


def test_unknown_truth_is_left_out() -> None:
    scores, truth = np.array([[3.0, 1, 2, 0]]), np.array([1.0, 1, 0, 0])
    more = delong(np.array([[3.0, 1, 2, 0, 9]]), np.append(truth, np.nan))
    np.testing.assert_allclose(more.covariance, delong(scores, truth).covariance)


def test_perfect_separation_has_no_interval() -> None:
    interval = delong_interval(delong(np.array([[3.0, 2, 1, 0]]), np.array([1.0, 1, 0, 0])))
    assert interval.value == 1
    assert np.isnan(interval.low)


def test_too_few_images_are_undefined() -> None:
    scores = np.array([[0.1, 0.2, 0.3]])
    assert np.isnan(delong(scores, np.zeros(3)).aucs).all()
    single = delong(scores, np.array([0.0, 0.0, 1.0]))
    assert single.aucs[0] == 1
    assert np.isnan(single.covariance).all()
    assert np.isnan(delong_test(scores[0], scores[0], np.zeros(3)).p_value)


def test_constant_difference_without_variance_is_certain() -> None:
    truth = np.array([1.0, 1, 0, 0])
    found = delong_test(np.array([3.0, 2, 1, 0]), np.array([0.0, 1, 2, 3]), truth)
    assert (found.value, found.p_value) == (1, 0)
