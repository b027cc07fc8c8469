"""Classes of which exactly one is true: what was chosen against what is."""

import numpy as np
from jaxtyping import Float, Int

from carina.metrics.bounds import Bounded, share_ends
from carina.metrics.classification import Statistic, f1, rate_bound, sensitivity
from carina.metrics.ranking import Counts
from carina.metrics.units import Ends, Units, units_among


def class_statistic(
    chosen: Int[np.ndarray, " images"], true: Int[np.ndarray, " images"], number: int
) -> Statistic:
    """Recall and F1 of one class against the rest, and the accuracy over all classes.

    The mean recall over classes is the balanced accuracy; the accuracy is the same for each.

    Args:
        chosen: the class with the greatest probability.
        true: the class.
        number: which class is measured.
    """
    groups = np.stack(
        [
            (chosen == number) & (true == number),
            chosen == number,
            true == number,
            chosen == true,
            np.ones_like(true, dtype=bool),
        ]
    ).astype(np.float64)

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        both, called, present, right, total = groups @ counts.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "accuracy": right / total,
                "recall": np.where(present > 0, both / present, np.nan),
                "f1": np.where(called + present > 0, 2 * both / (called + present), np.nan),
            }

    def accuracy_bound(units: Units, level: float) -> Ends:
        right = (chosen == true).mean()
        return share_ends(float(right), units_among(units, np.ones_like(true, dtype=bool)), level)

    called, present = chosen == number, (true == number).astype(np.float64)
    return Bounded(
        statistic,
        {
            "accuracy": accuracy_bound,
            "recall": rate_bound(sensitivity, called, present),
            "f1": rate_bound(f1, called, present),
        },
    )
