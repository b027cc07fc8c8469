"""Whether one model is better than another on the same images: paired tests."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carina.metrics.acceleration import NORMAL, Shape
from carina.metrics.auc_interval import Pooled, difference_of, quantile
from carina.metrics.statistics import Resampled


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better one model is than another on the same images.

    `value` is the first minus the second, with its interval; `p_value` is two-sided.
    """

    value: float
    low: float
    high: float
    p_value: float
    undefined: int = 0


def paired_difference(first: Resampled, second: Resampled, level: float = 0.95) -> Difference:
    """Compares two models by the differences within the same resamples.

    The p value is that of the level at which the interval would end at no difference: below 0.05
    where the 95% interval holds no 0. Of the resamples on either side of no difference, those at
    exactly 0 counting on both, the smaller number counts, with one added to it and to all
    (Davison and Hinkley 1997, section 4.2), so p is never 0. Where no resample lies on one side,
    the distance in standard deviations takes its place, down to the p that so many can show.
    Two AUCs of one finding have interval and p value of `metrics.auc_interval` instead.

    Args:
        first: a metric on the data and on every resample.
        second: the same of the other model, in the same resamples.
        level: of the interval.
    """
    difference = first.minus(second)
    if first.spread is not None and second.spread is not None and not difference.without_doubt:
        return _auc_difference(difference, difference_of(first.spread, second.spread), level)
    interval, shape = difference.interval(level), difference.shape
    p_value = float("nan") if shape is None else _two_sided(difference, shape)
    return Difference(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        p_value=p_value,
        undefined=interval.undefined,
    )


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """P values adjusted for how many tests were made (Holm 1979); nan tests do not count.

    Below 0.05 after adjustment: the chance that any such finding is a false alarm is under 5%.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _auc_difference(difference: Resampled, pool: Pooled, level: float) -> Difference:
    """That of two AUCs, which needs no resamples."""
    reach = pool.reach(quantile(level))
    return Difference(
        value=difference.value,
        low=difference.value - reach,
        high=difference.value + reach,
        p_value=pool.p_value(difference.value),
        undefined=len(difference.replicates) - len(difference.known),
    )


def _two_sided(difference: Resampled, shape: Shape) -> float:
    """The p value of no difference, from how many resamples lie on either side of it."""
    known = difference.known
    at_or_below, at_or_above = int((known <= 0).sum()), int((known >= 0).sum())
    if min(at_or_below, at_or_above) == len(known):
        return 1.0  # every resample is at no difference
    least, spread = 1 / (len(known) + 1), float(known.std())
    if spread == 0:
        return 2 * least  # every resample is at the same difference
    smaller = min(at_or_below, at_or_above) / (len(known) + 1) + least
    away = NORMAL.inv_cdf(min(0.5, smaller))
    if smaller == least:
        # No resample reaches so far, which tells only that it is rarer than they can show.
        away = min(away, -abs(difference.value) / spread)
    quantile = away if at_or_below <= at_or_above else -away
    return max(2 * least, 2 * NORMAL.cdf(-abs(shape.deviations(quantile))))
