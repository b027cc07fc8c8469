import numpy as np
import pytest
from scipy import integrate, stats

from carina.metrics.auc_interval import newcombe_ends
from carina.metrics.bounds import least_share, precision_end, share_ends
from carina.metrics.classification import ranking_statistic, threshold_statistic
from carina.metrics.multiclass import class_statistic
from carina.metrics.statistics import Resamples, bootstrap, ratio_statistic, share_statistic

Z = stats.norm.ppf(0.975)


@pytest.mark.parametrize("units", [1, 20, 540])
def test_a_share_without_error_has_the_mid_p_interval(units: int) -> None:
    low, high = share_ends(1.0, units, 0.95)
    # At the bound, half the chance of no error in all units is the 2.5% of one side.
    assert 0.5 * stats.binom.pmf(units, units, low) == pytest.approx(0.025)
    assert high == 1
    assert share_ends(0.0, units, 0.95) == pytest.approx((0, 1 - low))


def test_a_share_between_or_of_nothing_has_no_bound() -> None:
    assert np.isnan(share_ends(0.5, 10, 0.95)).all()
    assert np.isnan(share_ends(1.0, 0, 0.95)).all()


def test_rates_without_error_reach_down_to_the_worst_pair_of_rates() -> None:
    # One positive and one negative, both right: sensitivity times specificity is at least 0.05.
    statistic = threshold_statistic(np.array([0.9, 0.1]), np.array([1.0, 0.0]), 0.5)
    found = bootstrap([statistic], Resamples(2, 200, 0))
    assert found.interval("sensitivity", 0).low == pytest.approx(0.05)
    assert found.interval("specificity", 0).low == pytest.approx(0.05)
    # Worst for F1: the positive is the doubtful one, 2 s / (2 s + 1 - s) with s = 0.05.
    assert found.interval("f1", 0).low == pytest.approx(0.1 / 1.05)
    # Worst for the accuracy: both alike, the root of 0.05.
    assert found.interval("accuracy", 0).low == pytest.approx(0.05**0.5, abs=1e-6)
    assert found.interval("accuracy", 0).high == 1


@pytest.mark.parametrize("negatives", range(20, 40))
def test_a_perfect_mcc_is_not_certain_whatever_rounding_makes_of_it(negatives: int) -> None:
    truth = np.array([1.0] * 7 + [0.0] * negatives)
    resamples = Resamples(7 + negatives, 100, 0)
    found = bootstrap([threshold_statistic(truth, truth, 0.5)], resamples).interval("mcc", 0)
    # Of seven positives one or more may be missed: a sensitivity of 0.05 ** (1 / 7) = 0.65.
    assert found.low < 0.8
    assert found.high == pytest.approx(1.0)


def test_a_model_that_never_says_present_may_be_of_some_use() -> None:
    # MCC is 0 by definition; of 3 positives and 40 negatives none was called.
    truth = np.array([1.0] * 3 + [0.0] * 40)
    found = bootstrap([threshold_statistic(np.zeros(43), truth, 0.5)], Resamples(43, 200, 0))
    mcc, f1 = found.interval("mcc", 0), found.interval("f1", 0)
    assert mcc.low < 0 < mcc.high
    sensitivity = 1 - 0.05 ** (1 / 3)  # with no false alarm
    assert f1.low == 0
    assert f1.high == pytest.approx(2 * sensitivity / (1 + sensitivity))


def test_specificity_counts_the_patients_without_the_finding() -> None:
    # Ten negatives of five patients, all called rightly: the least share is 0.05 ** (1 / 5).
    truth = np.array([0.0] * 10 + [1.0] * 4)
    scores = np.array([0.1] * 10 + [0.9, 0.9, 0.9, 0.2])
    patients = [str(number // 2) for number in range(14)]
    found = bootstrap([threshold_statistic(scores, truth, 0.5)], Resamples(14, 200, 0, patients))
    specificity = found.interval("specificity", 0)
    assert (specificity.value, specificity.high) == (1.0, 1.0)
    assert specificity.low == pytest.approx(0.05 ** (1 / 5))
    assert found.interval("f1", 0) == found.of("f1", 0).interval()  # resamples can tell


def test_perfect_ranking_bounds_auc_and_precision() -> None:
    truth = np.array([1.0] * 6 + [0.0] * 30)
    found = bootstrap([ranking_statistic(truth, truth)], Resamples(36, 100, 0))
    assert found.interval("auc", 0).low == pytest.approx(newcombe_ends(1.0, (6, 30), Z)[0])
    assert 0 < found.interval("average_precision", 0).low < 0.9
    backwards = bootstrap([ranking_statistic(-truth, truth)], Resamples(36, 100, 0))
    assert backwards.interval("auc", 0).low == 0


def test_the_least_precision_puts_doubtful_negatives_first() -> None:
    # A thousand patients with positives leave them hardly a doubt: it is all with the negatives.
    false = 40 * (1 - least_share(40, 0.95))
    share = integrate.quad(lambda found: found * 50 / (found * 50 + false), 0, 1)[0]
    # Every positive outranked by `false` negatives; the pairs that share the doubt are no worse.
    found = precision_end(50, 40, (10**9, 40), 0.95)
    assert found == pytest.approx(share, abs=1e-3)
    assert np.isnan(precision_end(50, 0, (50, 0), 0.95))


def test_hits_alone_and_no_false_region_are_not_certain() -> None:
    hits = np.array([1.0, np.nan, 1.0, 1.0])
    found = bootstrap([share_statistic("hit", hits)], Resamples(4, 100, 0, ["a", "a", "b", "b"]))
    assert found.interval("hit", 0).low == pytest.approx(0.05 ** (1 / 2))
    ratio = ratio_statistic("recall", np.array([2.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0]))
    found = bootstrap([ratio], Resamples(3, 100, 0))
    assert found.interval("recall", 0).low == pytest.approx(0.05 ** (1 / 2))  # one has no part


def test_classes_chosen_without_error_are_not_certain() -> None:
    true = np.array([0, 0, 1, 1, 2, 2])
    found = bootstrap([class_statistic(true, true, one) for one in range(3)], Resamples(6, 100, 0))
    assert found.interval("accuracy", 0).low == pytest.approx(0.05 ** (1 / 6))
    assert found.interval("recall", 1).low == pytest.approx(0.05 ** (1 / 2))
    assert found.interval("f1", 1).low < found.interval("f1", 1).value == 1


def test_a_mean_takes_the_width_of_findings_without_error() -> None:
    truth = np.array([1.0] * 10 + [0.0] * 10)
    one, other = np.ones(20), np.where(np.arange(20) < 5, 0.0, truth)
    statistics = [threshold_statistic(truth, truth, 0.5), threshold_statistic(other, truth, 0.5)]
    found = bootstrap(statistics, Resamples(20, 400, 0))
    mean, alone = found.mean_interval("sensitivity"), found.mean_of("sensitivity").interval()
    apart = np.hypot(mean.value - alone.low, (1 - 0.05 ** (1 / 10)) / 2)
    assert mean.value - mean.low == pytest.approx(apart)
    assert mean.high == alone.high
    # Two without error: each half of the distance, squares added.
    both = bootstrap([share_statistic("hit", one)] * 2, Resamples(20, 100, 0))
    least = 1 - (1 - 0.05 ** (1 / 20)) / 2**0.5
    assert both.mean_interval("hit").low == pytest.approx(least)
    assert both.only(np.array([True, False])).mean_interval("hit").low == pytest.approx(
        0.05 ** (1 / 20)
    )
