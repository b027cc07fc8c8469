import numpy as np
import pytest
from scipy import stats

from carina.metrics.classification import threshold_statistic
from carina.metrics.proportions import exact_where_certain, interval_of
from carina.metrics.statistics import Interval, Resamples, bootstrap


@pytest.mark.parametrize("trials", [1, 20, 540])
def test_a_share_without_error_has_the_exact_interval(trials: int) -> None:
    certain = Interval(value=1.0, low=1.0, high=1.0)
    found = exact_where_certain(certain, trials)
    # At the bound, half the chance of no error in all trials is the 2.5% of one side.
    assert 0.5 * stats.binom.pmf(trials, trials, found.low) == pytest.approx(0.025)
    assert found.high == 1
    never = exact_where_certain(Interval(value=0.0, low=0.0, high=0.0), trials)
    assert (never.low, never.high) == pytest.approx((0, 1 - found.low))


def test_other_intervals_stay_as_they_are() -> None:
    wide = Interval(value=1.0, low=0.9, high=1.0)
    assert exact_where_certain(wide, 10) == wide
    half = Interval(value=0.5, low=0.5, high=0.5)
    assert exact_where_certain(half, 10) == half


def test_specificity_counts_the_patients_without_the_finding() -> None:
    # Ten negatives of five patients, all called rightly: the least share is 0.05 ** (1 / 5).
    truth = np.array([0.0] * 10 + [1.0] * 4)
    scores = np.array([0.1] * 10 + [0.9, 0.9, 0.9, 0.2])
    patients = [str(number // 2) for number in range(14)]
    resamples = Resamples(14, 200, 0, patients)
    result = bootstrap([threshold_statistic(scores, truth, 0.5)], resamples)
    found = interval_of(result, "specificity", 0, truth, resamples)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.05 ** (1 / 5))
    assert interval_of(result, "f1", 0, truth, resamples) == result.interval("f1", 0)
