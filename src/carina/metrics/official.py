"""What KAD's published test code prints, where it differs from what is right.

Kept so that published numbers can be recomputed and the difference seen; nothing else uses it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class OfficialInterval:
    """Bounds and mean of every finding, and at the end of each the mean over findings."""

    low: Float[np.ndarray, " findings_and_mean"]
    high: Float[np.ndarray, " findings_and_mean"]
    mean: Float[np.ndarray, " findings_and_mean"]


def kad_official_interval(replicates: Float[np.ndarray, "1000 findings"]) -> OfficialInterval:
    """The sorted values 50 and 950 of 1,000: a 90% interval, though printed as 95%.

    The bounds of the mean are there the mean of the bounds, which is wider than the interval of
    the mean. `metrics.statistics` gives the true 95% interval of each.
    """
    ordered = np.sort(replicates, axis=0)
    low, high, mean = ordered[50], ordered[950], replicates.mean(axis=0)
    return OfficialInterval(
        low=np.append(low, low.mean()),
        high=np.append(high, high.mean()),
        mean=np.append(mean, mean.mean()),
    )
