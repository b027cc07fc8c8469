"""How sure a mean over several trainings is: of whom it was measured on, and of the trainings."""

from collections.abc import Sequence
from math import sqrt
from statistics import stdev

import numpy as np

from carina.metrics.acceleration import NORMAL, student
from carina.metrics.statistics import Interval, Resampled


def over_trainings(trainings: Sequence[Resampled], level: float = 0.95) -> Interval:
    """The mean of one metric over trainings that were measured on the same resamples.

    Patients and trainings are both drawn from many. The variance of the mean is that of these very
    trainings on other patients, told by their common interval, and that of other trainings, told
    by how these differ, which two or three tell badly. One training says nothing of others: then
    the interval is that of the patients alone.

    Args:
        trainings: one or more, on the same resamples of the same patients.
        level: of the interval.
    """
    number = len(trainings)
    if number == 1:
        return trainings[0].interval(level)
    mean = Resampled(
        value=float(np.mean([one.value for one in trainings])),
        replicates=np.mean([one.replicates for one in trainings], axis=0),
        left_out=np.mean([one.left_out for one in trainings], axis=0),
        units=trainings[0].units,
    )
    interval = mean.interval(level)
    if not np.isfinite(interval.low):
        return interval
    spread = stdev(one.value for one in trainings) / sqrt(number)
    return Interval(
        value=mean.value,
        low=mean.value - reach(mean.value - interval.low, spread, number, level),
        high=mean.value + reach(interval.high - mean.value, spread, number, level),
        undefined=interval.undefined,
    )


def reach(patients: float, spread: float, trainings: int, level: float) -> float:
    """How far the interval reaches to one side.

    Source: Cochran and Cox, Experimental Designs (1950; 2nd ed. 1957, section 4.14), for the sum
    of two variances of which one is poorly known: the quantile is the mean of both their own, the
    normal one of patients and Student's of trainings, weighed by the variances. Satterthwaite's
    approximation, which takes one quantile between, is too small where trainings differ more than
    patients do.

    Args:
        patients: how far that of the patients alone does.
        spread: the standard error of the mean over trainings, as these differ.
        trainings: how many, at least 2.
        level: of the interval.
    """
    share = (1 + level) / 2
    total = float(np.hypot(patients / NORMAL.inv_cdf(share), spread))
    if total == 0:
        return 0.0
    weight = (spread / total) ** 2
    quantile = student_quantile(share, trainings - 1)
    return ((1 - weight) * NORMAL.inv_cdf(share) + weight * quantile) * total


def student_quantile(share: float, degrees: int) -> float:
    """The quantile of Student's t above 0.5; exact for 1 and 2 degrees, `student` from 3 on."""
    if degrees == 1:
        return float(np.tan(np.pi * (share - 0.5)))
    if degrees == 2:
        return (2 * share - 1) / sqrt(2 * share * (1 - share))
    return student(NORMAL.inv_cdf(share), float(degrees))
