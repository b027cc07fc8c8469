"""Intervals of shares that are 0 or 1 in the data, about which no resample can have doubts."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from carina.metrics.statistics import Bootstrap, Interval, Resamples

SHARES: Mapping[str, tuple[int, ...]] = {
    "sensitivity": (1,),
    "specificity": (0,),
    "accuracy": (0, 1),
}
"""Metrics that are shares of images called rightly, and the truths of the images counted."""


def interval_of(
    result: Bootstrap,
    metric: str,
    finding: int,
    truth: Float[np.ndarray, " images"],
    resamples: Resamples,
) -> Interval:
    """The interval of a metric of one finding; exact for a share without an error, or all wrong.

    Args:
        result: of the bootstrap.
        metric: its name.
        finding: its place in `result`.
        truth: of that finding, 1, 0 or nan.
        resamples: that `result` was made with.
    """
    interval, counted = result.interval(metric, finding), SHARES.get(metric)
    if counted is None:
        return interval
    return exact_where_certain(interval, resamples.units_among(np.isin(truth, counted)))


def exact_where_certain(interval: Interval, trials: int, level: float = 0.95) -> Interval:
    """The interval itself, or the exact one of a share of 0 or 1.

    Source: the mid-P interval (Lancaster, JASA 1961), which counts half of the chance of what was
    seen: of `trials` without an error the share is at least alpha ** (1 / trials), near
    1 - 3 / trials. Clopper and Pearson's holds the truth more often than it says.

    Args:
        interval: of the bootstrap; without width where every resample is 0, or every one 1.
        trials: how many images, or whole patients, the share counts.
        level: of the interval.
    """
    certain = interval.low == interval.high and interval.value in (0.0, 1.0)
    if not certain or trials < 1:
        return interval
    least = (1 - level) ** (1 / trials)
    return replace(interval, low=least) if interval.value else replace(interval, high=1 - least)
