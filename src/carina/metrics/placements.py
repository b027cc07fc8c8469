"""What share of the other class each image outranks: what an AUC is the mean of.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; from midranks as in Sun and Xu, IEEE
Signal Processing Letters 2014, so in O(n log n).
"""

import numpy as np
from jaxtyping import Float


def placements(
    positive: Float[np.ndarray, " positives"], negative: Float[np.ndarray, " negatives"]
) -> tuple[Float[np.ndarray, " positives"], Float[np.ndarray, " negatives"]]:
    """For each positive the share of negatives below it, for each negative of positives above it.

    Ties count half; the mean of either is the AUC.

    Args:
        positive: scores of the positives, at least one.
        negative: scores of the negatives, at least one.
    """
    m, n = len(positive), len(negative)
    together = midranks(np.concatenate([positive, negative]))
    of_positives = (together[:m] - midranks(positive)) / n
    return of_positives, 1 - (together[m:] - midranks(negative)) / m


def midranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks from 1; equal values share the mean of their ranks."""
    ordered = np.sort(values)
    lowest = np.searchsorted(ordered, values, side="left")
    highest = np.searchsorted(ordered, values, side="right")
    return (lowest + highest + 1) / 2
