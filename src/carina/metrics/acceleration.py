"""Bootstrap intervals that correct for bias, skew and few informative images.

Source: the accelerated, bias-corrected interval (BCa) is Efron, JASA 1987; the acceleration from
values with one unit left out is Efron and Tibshirani 1993, Eq. 14.15. Departure: in place of normal
quantiles stand those of Student's t, as Hesterberg (The American Statistician 2015, section 4.1)
proposes against intervals that are too narrow. The degrees of freedom are Satterthwaite's for the
variance of the units' influence, so a metric that hangs on few images gets few.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

FEWEST_DEGREES = 3.0
"""Below this the expansion of `student` is off by more than 1%."""

NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the spread of the resamples does not tell by itself.

    Attributes:
        bias: z0, where the value lies among the resamples, as a normal quantile.
        acceleration: a, how fast the spread changes with the value; 0 for a mean of symmetric
            numbers.
        degrees: of freedom, how well the spread is known; infinite for many equal images.
    """

    bias: float
    acceleration: float
    degrees: float

    def share(self, z: float) -> float:
        """The share of resamples below the bound that lies `z` normal deviations away."""
        reach = self.bias + float(np.sign(z)) * student(abs(z), self.degrees)
        return NORMAL.cdf(self.bias + reach / max(1 - self.acceleration * reach, 0.05))

    def deviations(self, quantile: float) -> float:
        """The opposite of `share`: how many normal deviations away a quantile of resamples lies.

        Args:
            quantile: of the normal distribution, at the level of a share of resamples.
        """
        reach = quantile - self.bias
        away = reach / max(1 + self.acceleration * reach, 0.05) - self.bias
        return float(np.sign(away)) * normal_of(abs(away), self.degrees)


def shape_of(
    value: float,
    replicates: Float[np.ndarray, " replicates"],
    left_out: Float[np.ndarray, " groups"],
    units: int,
) -> Shape:
    """The shape of one metric's resamples.

    Args:
        value: on the data.
        replicates: on every resample in which it is defined, at least one.
        left_out: the metric without each group of units; all groups about equally large.
        units: how many units there are in all.
    """
    below = (replicates < value).sum() + 0.5 * (replicates == value).sum()
    # Never 0 or 1, whose quantiles are infinite.
    share = (below + 0.5) / (len(replicates) + 1)
    influence = left_out.mean() - left_out
    squares = float((influence**2).sum())
    if squares <= 0:
        return Shape(bias=0.0, acceleration=0.0, degrees=float("inf"))
    return Shape(
        bias=NORMAL.inv_cdf(float(share)),
        acceleration=float((influence**3).sum()) / squares**1.5 / 6,
        degrees=degrees_of_freedom(influence, units),
    )


def degrees_of_freedom(influence: Float[np.ndarray, " groups"], units: int) -> float:
    """Of the sum of squared influences: 2 / (its relative variance), at least `FEWEST_DEGREES`.

    Fourth powers of a group's influence hold products of its units' squares; of units grouped at
    random their expected share is taken off.
    """
    squares = float((influence**2).sum())
    pairs = (units / len(influence) - 1) / max(units - 1, 1)
    fourth = (float((influence**4).sum()) - 3 * pairs * squares**2) / (1 - 3 * pairs)
    relative = fourth / squares**2 - 1 / units
    return max(FEWEST_DEGREES, 2 / relative) if relative > 0 else float("inf")


def student(z: float, degrees: float) -> float:
    """The quantile of Student's t at the level of a normal quantile z >= 0.

    Source: Abramowitz and Stegun 1964, 26.7.5, up to the third order.
    """
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def normal_of(t: float, degrees: float) -> float:
    """The opposite of `student`, by bisection."""
    low, high = 0.0, t
    for _ in range(60):
        middle = (low + high) / 2
        if student(middle, degrees) < t:
            low = middle
        else:
            high = middle
    return (low + high) / 2
