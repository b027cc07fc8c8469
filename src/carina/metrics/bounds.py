"""Intervals of metrics that are perfect, or as bad as can be, about which no resample has doubts.

Where nothing is called wrongly, nothing is in any resample either: a bootstrap would claim
certainty. What can be said then is how far the truth may lie from what was seen, if that shall
not have been a chance of less than 2.5%. Everywhere: a unit is an image, or a whole patient.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from carina.metrics.auc_interval import AucSpread
from carina.metrics.ranking import Counts
from carina.metrics.units import NOTHING, Ends, Units

Bound = Callable[[Units, float], Ends]
"""The interval of one metric of these images without doubts, given units and level."""

SpreadAmong = Callable[[Units], AucSpread | None]
"""How an AUC of these images varies among units; None where it is undefined."""


@dataclass(frozen=True)
class Bounded:
    """A statistic that knows the intervals of its metrics where resamples cannot tell.

    Attributes:
        values: the statistic itself.
        bounds: by the name of the metric; nan for both ends where the metric is neither perfect
            nor as bad as can be.
        spreads: by the name of the metric, of AUCs, whose intervals need no resamples: of units.
    """

    values: Callable[[Counts], dict[str, Float[np.ndarray, " replicates"]]]
    bounds: Mapping[str, Bound]
    spreads: Mapping[str, SpreadAmong] = field(default_factory=dict)

    def __call__(self, counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        """The metrics of each resample."""
        return self.values(counts)


def bounds_of(statistics: Iterable[object]) -> dict[str, Bound]:
    """The bounds of all that have some."""
    known = (one.bounds for one in statistics if isinstance(one, Bounded))
    return {name: bound for bounds in known for name, bound in bounds.items()}


def spreads_of(statistics: Iterable[object]) -> dict[str, SpreadAmong]:
    """How the AUCs of all vary."""
    known = (one.spreads for one in statistics if isinstance(one, Bounded))
    return {name: spread for spreads in known for name, spread in spreads.items()}


def least_share(units: int, level: float) -> float:
    """The least share of units without error, of which `units` were seen and all were without.

    Source: the mid-P interval (Lancaster, JASA 1961), which counts half of the chance of what was
    seen: alpha ** (1 / units), near 1 - 3 / units. Clopper and Pearson's holds the truth more
    often than it says.
    """
    return float((1 - level) ** (1 / units))


def share_ends(value: float, units: int, level: float) -> Ends:
    """The interval of a share, or of a mean of numbers in [0, 1], that is 0 or 1.

    Such a mean is at least the share of images that have 1, and at most 1 less that of 0.
    """
    if units < 1 or value not in (0.0, 1.0):
        return NOTHING
    least = least_share(units, level)
    return (least, 1.0) if value == 1 else (0.0, 1 - least)


def precision_end(positives: int, negatives: int, units: tuple[int, int], level: float) -> float:
    """The least average precision where every positive outranks every negative.

    Somewhere between them both rates are 1, as far as was seen. The worst that the pairs of rates
    of `doubts` allow: the negatives called wrongly come first, the positives missed come last.

    Args:
        positives: images.
        negatives: images.
        units: that have positive images, and negative ones.
        level: of the interval.
    """
    if min(units) < 1:
        return float("nan")
    sensitivity, specificity = doubts((1.0, 1.0), units, level)
    found, false = sensitivity * positives, (1 - specificity) * negatives
    ahead = np.divide(false, found, out=np.zeros_like(found), where=found > 0)
    reached = 1 - np.where(ahead > 0, ahead * np.log1p(1 / np.maximum(ahead, 1e-12)), 0.0)
    last = positives / (positives + negatives)
    return float(np.clip(sensitivity * reached + (1 - sensitivity) * last, 0.0, 1.0).min())


def doubts(
    seen: tuple[float, float], units: tuple[int, int], level: float
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Pairs of two rates under which what was seen has just the chance that `least_share` allows.

    A rate of 0 or 1 moves away from there, and the doubt is shared between the two in all ways,
    so that each alone may have all of it; a rate between stays as it was seen. The last pair is
    what was seen.

    Args:
        seen: sensitivity and specificity on the data.
        units: that have positive images, and negative ones.
        level: of the interval.
    """
    shares = np.linspace(0.0, 1.0, 101)
    pairs = []
    for rate, number, share in zip(seen, units, (shares, 1 - shares), strict=True):
        kept = (1 - level) ** (share / max(number, 1))
        moved = kept if rate == 1 else 1 - kept if rate == 0 else np.full_like(shares, rate)
        pairs.append(np.append(moved, rate))
    return pairs[0], pairs[1]
