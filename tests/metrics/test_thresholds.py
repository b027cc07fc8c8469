import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.metrics.classification import f1, mcc
from carina.metrics.ranking import Ranker
from carina.metrics.thresholds import best_thresholds, choose_thresholds


def plain_mcc(truth: np.ndarray, called: np.ndarray) -> float:
    deviations = truth.std() * called.std()
    return float(((truth * called).mean() - truth.mean() * called.mean()) / (deviations or 1.0))


def plain_f1(truth: np.ndarray, called: np.ndarray) -> float:
    return float(2 * (truth * called).sum() / (truth.sum() + called.sum()))


def scan(scores: np.ndarray, truth: np.ndarray, rate) -> tuple[float, float]:
    """The published scan: every score in the order of the images, the first strictly best."""
    best, threshold = 0.0, 0.0
    for candidate in scores:
        value = rate(truth, scores >= candidate)
        if value > best + 1e-12:
            best, threshold = value, candidate
    return threshold, best


@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(2, 50),
    levels=st.sampled_from([1, 3, 10, 1000]),
)
def test_threshold_is_the_one_a_scan_over_all_images_keeps(
    seed: int, images: int, levels: int
) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, images).astype(float)
    truth[0], truth[1] = 0, 1
    scores = generator.integers(0, levels + 1, images) / levels
    for ours, theirs in ((mcc, plain_mcc), (f1, plain_f1)):
        chosen = choose_thresholds(scores[:, None], truth[:, None], ours)
        threshold, best = scan(scores, truth, theirs)
        assert chosen.values[0] == threshold
        assert chosen.best[0] == pytest.approx(best, abs=1e-12)


def test_of_equally_good_thresholds_the_earliest_image_wins() -> None:
    # At >= 0.9: tp 1 of 2, fp 0 of 2. At >= 0.2: tp 2, fp 1. Both MCC 1/sqrt(3).
    truth = np.array([[1.0], [0], [1], [0]])
    early = choose_thresholds(np.array([[0.2], [0.5], [0.9], [0.1]]), truth)
    late = choose_thresholds(np.array([[0.9], [0.5], [0.2], [0.1]]), truth)
    assert early.best[0] == pytest.approx(3**-0.5)
    assert (early.values[0], late.values[0]) == (0.2, 0.9)


def test_threshold_is_zero_where_nothing_is_better_than_chance() -> None:
    chosen = choose_thresholds(np.array([[0.9], [0.1]]), np.array([[0.0], [1.0]]))
    assert (chosen.values[0], chosen.best[0]) == (0, 0)


def test_threshold_is_undefined_without_both_kinds_of_images() -> None:
    truth = np.array([[0.0, 1.0, np.nan], [0.0, 1.0, np.nan]])
    chosen = choose_thresholds(np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]]), truth)
    assert np.isnan(chosen.values).all()
    assert np.isnan(chosen.best).all()


def test_threshold_of_a_resample_is_that_of_the_repeated_images() -> None:
    generator = np.random.default_rng(5)
    scores, truth = generator.random(30).round(1), generator.integers(0, 2, 30).astype(float)
    counts = generator.poisson(1, (30, 20)).astype(np.uint16)
    values, best = best_thresholds(Ranker(scores, truth), counts)
    for column in range(20):
        drawn = np.repeat(np.arange(30), counts[:, column])
        threshold, rate = scan(scores[drawn], truth[drawn], plain_mcc)
        assert values[column] == threshold
        assert best[column] == pytest.approx(rate, abs=1e-12)
