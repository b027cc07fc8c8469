"""How sure a mean over several trainings is: of whom it was measured on, and of the trainings."""

from collections.abc import Sequence
from statistics import stdev

import numpy as np

from carina.metrics.acceleration import FEWEST_DEGREES, NORMAL, student
from carina.metrics.statistics import Interval, Resampled


def over_trainings(trainings: Sequence[Resampled], level: float = 0.95) -> Interval:
    """The mean of one metric over trainings that were measured on the same resamples.

    Patients and trainings are both drawn from many. The variance of the mean is that of these very
    trainings on other patients, told by their common interval, and that of other trainings, told
    by how these differ, which two or three tell badly: so the quantile is Student's, with the
    degrees of freedom of the sum (Satterthwaite, Biometrics Bulletin 1946). One training says
    nothing of others: then the interval is that of the patients alone.

    Args:
        trainings: one or more, on the same resamples of the same patients.
        level: of the interval.
    """
    mean = Resampled(
        value=float(np.mean([one.value for one in trainings])),
        replicates=np.mean([one.replicates for one in trainings], axis=0),
        left_out=np.mean([one.left_out for one in trainings], axis=0),
        units=trainings[0].units,
    )
    interval, number = mean.interval(level), len(trainings)
    if number == 1 or not np.isfinite(interval.low):
        return interval
    spread = stdev(one.value for one in trainings) / number**0.5
    return Interval(
        value=mean.value,
        low=mean.value - reach(mean.value - interval.low, spread, number, level),
        high=mean.value + reach(interval.high - mean.value, spread, number, level),
        undefined=interval.undefined,
    )


def reach(patients: float, spread: float, trainings: int, level: float) -> float:
    """How far the interval reaches to one side.

    Args:
        patients: how far that of the patients alone does.
        spread: the standard error of the mean over trainings, as these differ.
        trainings: how many, at least 2.
        level: of the interval.
    """
    if spread == 0:
        return patients
    share = (1 + level) / 2
    total = float(np.hypot(patients / NORMAL.inv_cdf(share), spread))
    return student_quantile(share, (trainings - 1) * (total / spread) ** 4) * total


def student_quantile(share: float, degrees: float) -> float:
    """The quantile of Student's t above 0.5, of 1 degree of freedom or more.

    Exact for 1 and 2 degrees, `student` from 3 on, and between these linear in 1 / degrees.
    """
    if degrees >= FEWEST_DEGREES:
        return student(NORMAL.inv_cdf(share), degrees)
    knots = (
        student(NORMAL.inv_cdf(share), FEWEST_DEGREES),
        (2 * share - 1) / (2 * share * (1 - share)) ** 0.5,
        float(np.tan(np.pi * (share - 0.5))),
    )
    return float(np.interp(1 / degrees, (1 / FEWEST_DEGREES, 0.5, 1.0), knots))
