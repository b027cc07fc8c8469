import numpy as np
import pytest
from scipy import optimize, stats

from carina.metrics.auc_interval import (
    FORMULA_DEGREES,
    AucSpread,
    Pooled,
    auc_spread,
    difference_of,
    hanley_mcneil,
    newcombe_ends,
    welch,
)
from carina.metrics.classification import ranking_statistic
from carina.metrics.delong import delong, delong_interval, delong_test
from carina.metrics.paired import paired_difference
from carina.metrics.statistics import Resamples, bootstrap

Z = stats.norm.ppf(0.975)


def drawn(seed: int, positives: int, negatives: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    truth = np.repeat([1.0, 0.0], [positives, negatives])
    return np.random.default_rng(seed).normal(size=len(truth)) + shift * truth, truth


def spread(scores: np.ndarray, truth: np.ndarray, units: np.ndarray | None = None) -> AucSpread:
    found = auc_spread(scores, truth, np.arange(len(truth)) if units is None else units)
    assert found is not None
    return found


@pytest.mark.parametrize(("positives", "negatives"), [(1, 7), (20, 20), (15, 400)])
@pytest.mark.parametrize("auc", [0.3, 0.8, 1.0])
def test_without_doubts_of_the_formula_ends_are_newcombe_s_fifth(
    positives: int, negatives: int, auc: float
) -> None:
    def short(end: float) -> float:
        others = (positives + negatives) / 2 - 1
        both = (1 - end) / (2 - end) + end / (1 + end)
        variance = end * (1 - end) * (1 + others * both) / (positives * negatives)
        return float(abs(auc - end) - Z * np.sqrt(variance))

    low, high = newcombe_ends(auc, (positives, negatives), Z)
    assert low == pytest.approx(optimize.brentq(short, 1e-9, auc - 1e-9), abs=1e-8)
    above = optimize.brentq(short, auc + 1e-9, 1 - 1e-9) if auc < 1 else 1.0
    assert high == pytest.approx(above, abs=1e-8)
    assert newcombe_ends(1 - auc, (positives, negatives), Z) == pytest.approx((1 - high, 1 - low))


def test_single_images_vary_as_delong_has_it() -> None:
    scores, truth = drawn(0, 30, 80, 1.0)
    found = spread(scores, truth)
    result = delong(scores[None], truth)
    assert found.auc == pytest.approx(result.aucs[0])
    assert (found.influence**2).sum() == pytest.approx(result.covariance[0, 0])


def test_of_many_images_the_interval_is_delong_s() -> None:
    scores, truth = drawn(1, 3000, 9000, 1.0)
    delongs = delong_interval(delong(scores[None], truth))
    np.testing.assert_allclose(spread(scores, truth).ends(0.95), [delongs.low, delongs.high], 1e-3)


def test_more_images_of_the_same_patients_that_say_the_same_tell_nothing_new() -> None:
    scores, truth = drawn(2, 12, 40, 1.5)
    thrice = np.repeat(np.arange(52), 3)
    alone, several = spread(scores, truth), spread(scores[thrice], truth[thrice], thrice)
    assert several.ends(0.95) == pytest.approx(alone.ends(0.95))


def test_patients_with_both_kinds_of_images_have_one_error() -> None:
    # Patients shift all their images alike, which moves positives up and negatives down the ranks:
    # the errors of both cancel, and the interval of patients is the narrower one.
    generator = np.random.default_rng(3)
    units, truth = np.repeat(np.arange(50), 2), np.tile([0.0, 1.0], 50)
    scores = 2 * generator.normal(size=50)[units] + 0.3 * generator.normal(size=100) + truth
    together, apart = spread(scores, truth, units).ends(0.95), spread(scores, truth).ends(0.95)
    assert together[1] - together[0] < 0.6 * (apart[1] - apart[0])


def test_the_variance_is_pooled_with_the_formula_s() -> None:
    # Two positives of one place each and three negatives, worked by hand: AUC 5/6, placements
    # 2/3 and 1 of the positives; 1, 1 and 1/2 of the negatives.
    scores, truth = np.array([2.0, 5.0, 0.0, 1.0, 3.0]), np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    found = spread(scores, truth)
    of_positives, of_negatives = (1 / 18) / 2, (1 / 12) / 3
    assert found.auc == pytest.approx(5 / 6)
    assert (found.influence**2).sum(axis=1) == pytest.approx([of_positives, of_negatives])
    # Welch: (1/36 + 1/36)^2 / ((1/36)^2 / 1 + (1/36)^2 / 2) = 8/3, less than what kurtosis says.
    assert welch(found.influence, (2, 3)) == pytest.approx(8 / 3)
    formula = hanley_mcneil(5 / 6, (2, 3))
    pooled = (8 / 3 * (2 / 36) + FORMULA_DEGREES * formula) / (8 / 3 + FORMULA_DEGREES)
    reach = stats.t.ppf(0.975, 8 / 3 + FORMULA_DEGREES) * np.sqrt(pooled / formula)
    expected = newcombe_ends(5 / 6, (2, 3), reach)
    assert found.ends(0.95) == pytest.approx(expected, rel=2e-3)  # `student` is an expansion


def test_welch_of_equal_samples_counts_all_but_two() -> None:
    influence = np.zeros((2, 20))
    influence[0, :10] = influence[1, 10:] = 0.1
    assert welch(influence, (10, 10)) == pytest.approx(18)


@pytest.mark.parametrize("scores", [[0.5] * 8, [0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.1, 0.0]])
def test_ties_alone_or_one_positive_have_the_formula_s_interval(scores: list[float]) -> None:
    truth = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])
    found = spread(np.array(scores), truth)
    assert found.ends(0.95) == pytest.approx(newcombe_ends(found.auc, (1, 7), Z))


def test_without_a_positive_or_a_negative_there_is_nothing() -> None:
    assert auc_spread(np.arange(3.0), np.array([0.0, 0.0, np.nan]), np.arange(3)) is None
    assert auc_spread(np.arange(3.0), np.array([1.0, 1.0, np.nan]), np.arange(3)) is None


def test_unknown_images_change_nothing() -> None:
    scores, truth = drawn(4, 9, 30, 1.0)
    more = np.concatenate([scores, [9.0, -9.0]]), np.concatenate([truth, [np.nan, np.nan]])
    assert spread(*more).auc == spread(scores, truth).auc
    assert spread(*more).ends(0.95) == pytest.approx(spread(scores, truth).ends(0.95), abs=2e-3)


def test_one_finding_is_its_own_mean_and_needs_no_resamples() -> None:
    scores, truth = drawn(5, 8, 50, 1.5)
    statistics = [ranking_statistic(scores, truth), ranking_statistic(scores, np.zeros(58))]
    few, many = (bootstrap(statistics, Resamples(58, number, 0)) for number in (5, 200))
    assert few.interval("auc", 0).low == many.interval("auc", 0).low
    assert few.interval("auc", 0).low == spread(scores, truth).ends(0.95)[0]
    assert few.mean_interval("auc") == few.interval("auc", 0)
    assert few.mean_of("auc").interval() == few.interval("auc", 0)
    assert few.interval("average_precision", 0).low != many.interval("average_precision", 0).low


def test_of_many_images_the_difference_has_delong_s_test() -> None:
    first, truth = drawn(6, 500, 3000, 1.0)
    second = first + 0.15 * np.random.default_rng(7).normal(size=3500)
    resamples = Resamples(3500, 20, 0)
    one, two = (
        bootstrap([ranking_statistic(scores, truth)], resamples).of("auc", 0)
        for scores in (first, second)
    )
    found, expected = paired_difference(one, two), delong_test(first, second, truth)
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.03)
    assert found.p_value == pytest.approx(expected.p_value, rel=0.2)


@pytest.mark.parametrize("seed", range(12))
def test_the_p_value_is_below_5_percent_where_the_interval_holds_no_0(seed: int) -> None:
    first, truth = drawn(seed, 12, 60, 2.0)
    second = drawn(seed + 100, 12, 60, 1.0)[0]
    resamples = Resamples(72, 20, 0)
    one, two = (
        bootstrap([ranking_statistic(scores, truth)], resamples).of("auc", 0)
        for scores in (first, second)
    )
    found, turned = paired_difference(one, two), paired_difference(two, one)
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert turned.p_value == pytest.approx(found.p_value)


def test_a_perfect_model_and_a_worse_one_are_not_certain_to_differ() -> None:
    # No error of the first was seen; the formula says how many there may be.
    truth = np.repeat([1.0, 0.0], [4, 12])
    perfect, worse = truth, np.where(np.arange(16) == 0, 0.0, truth)
    pool = difference_of(spread(perfect, truth), spread(worse, truth))
    apart = spread(perfect, truth).formula_deviation()
    assert pool.variance > (spread(worse, truth).influence ** 2).sum() * 0.5
    low, _ = newcombe_ends(1.0, (4, 12), Z)
    assert apart == pytest.approx((1 - low) / 2 / Z)


def test_no_variance_leaves_no_doubt_of_a_difference() -> None:
    sure = Pooled(variance=0.0, degrees=float("inf"))
    assert (sure.p_value(0.0), sure.p_value(0.1)) == (1.0, 0.0)
    known = Pooled(variance=0.01, degrees=float("inf"))
    assert known.p_value(-0.1 * Z) == pytest.approx(0.05)
