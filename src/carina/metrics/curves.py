"""The points of ROC and precision-recall curves."""

import numpy as np
from jaxtyping import Float, Integer


def roc_points(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """False and true positive rate, from (0, 0) to (1, 1), one point per distinct score.

    Joined by straight lines, the area below is the AUC, ties counted half. Empty where there is
    no positive or no negative.
    """
    positives, negatives = _cumulative(scores, truth)
    if not len(positives) or positives[-1] == 0 or negatives[-1] == 0:
        return np.empty(0), np.empty(0)
    return (
        np.concatenate([[0.0], negatives / negatives[-1]]),
        np.concatenate([[0.0], positives / positives[-1]]),
    )


def precision_recall_points(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Recall and precision, one point per distinct score, from high scores to low.

    Steps, not straight lines, lie between the points. The first repeats the precision of the
    highest score at recall 0. Empty where there is no positive or no negative.
    """
    positives, negatives = _cumulative(scores, truth)
    if not len(positives) or positives[-1] == 0 or negatives[-1] == 0:
        return np.empty(0), np.empty(0)
    recall, precision = positives / positives[-1], positives / (positives + negatives)
    return np.concatenate([[0.0], recall]), np.concatenate([precision[:1], precision])


def _cumulative(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> tuple[Integer[np.ndarray, " scores"], Integer[np.ndarray, " scores"]]:
    """Positives and negatives at or above each distinct score, from high to low."""
    known = np.isfinite(truth)
    distinct, number = np.unique(-scores[known], return_inverse=True)
    positive = truth[known] == 1
    return (
        np.cumsum(np.bincount(number[positive], minlength=len(distinct))),
        np.cumsum(np.bincount(number[~positive], minlength=len(distinct))),
    )
