"""How well scores tell present from absent: AUC and the rest, for all findings at once.

Everywhere: `scores` [images, findings] in [0, 1], higher means rather present; `truth` the same
shape, 1 present, 0 absent, nan unknown. An unknown image is left out for that finding only. A
score at or above a threshold calls the finding present. What cannot be computed, such as the AUC
of a finding that no image has, is nan, and `undefined_reason` says why.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Real

from carina.errors import EvaluationError
from carina.metrics.auc_interval import AucSpread, auc_spread
from carina.metrics.bounds import Bound, Bounded, doubts, precision_end
from carina.metrics.ranking import Counts, Ranker, Ranking, check_scores, ones
from carina.metrics.units import NOTHING, Ends, Units, units_among

Statistic = Callable[[Counts], dict[str, Float[np.ndarray, " replicates"]]]
"""Named metrics of one finding, for the images as often as each resample drew them."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The four counts of predicted against true, of any one shape."""

    true_positives: Real[np.ndarray, "..."]
    false_positives: Real[np.ndarray, "..."]
    positives: Real[np.ndarray, "..."]
    negatives: Real[np.ndarray, "..."]


Rate = Callable[[Confusion], Float[np.ndarray, "..."]]
"""A number computed from a confusion table; nan where it is undefined."""


def mcc(confusion: Confusion) -> Float[np.ndarray, "..."]:
    """Matthews correlation coefficient, in [-1, 1].

    0 where every image is called the same; undefined without a positive or a negative.
    """
    called, positives, negatives = _as_float(confusion)
    true_positives = confusion.true_positives.astype(np.float64)
    everything = positives + negatives
    covariance = true_positives * everything - called * positives
    spread = np.sqrt(called * (everything - called)) * np.sqrt(positives * negatives)
    value = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.where((positives > 0) & (negatives > 0), value, np.nan)


def f1(confusion: Confusion) -> Float[np.ndarray, "..."]:
    """Harmonic mean of sensitivity and precision; undefined without a positive or a negative."""
    called, positives, negatives = _as_float(confusion)
    value = _ratio(2.0 * confusion.true_positives, called + positives)
    return np.where((positives > 0) & (negatives > 0), value, np.nan)


def accuracy(confusion: Confusion) -> Float[np.ndarray, "..."]:
    """Share of images called rightly; undefined where no truth is known."""
    called, positives, negatives = _as_float(confusion)
    right = 2.0 * confusion.true_positives + negatives - called
    return _ratio(right, positives + negatives)


def sensitivity(confusion: Confusion) -> Float[np.ndarray, "..."]:
    """Share of the positives called present; undefined without a positive."""
    return _ratio(confusion.true_positives.astype(np.float64), _as_float(confusion)[1])


def specificity(confusion: Confusion) -> Float[np.ndarray, "..."]:
    """Share of the negatives called absent; undefined without a negative."""
    negatives = _as_float(confusion)[2]
    return _ratio(negatives - confusion.false_positives, negatives)


RATES: dict[str, Rate] = {
    "mcc": mcc,
    "f1": f1,
    "accuracy": accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
}
"""Every metric at a threshold, by its name in tables."""


def auc_of(ranking: Ranking) -> Float[np.ndarray, " replicates"]:
    """Area under the ROC curve: how often a positive outscores a negative, a tie counting half."""
    below = ranking.negatives - ranking.false_positives + 0.5 * ranking.tied_negatives
    wins = (ranking.tied_positives * below).sum(axis=0)
    return _ratio(wins, ranking.positives.astype(np.float64) * ranking.negatives)


def average_precision_of(ranking: Ranking) -> Float[np.ndarray, " replicates"]:
    """Precision at each positive's score, averaged over positives; no interpolation.

    Undefined without a positive or a negative.
    """
    called = ranking.true_positives + ranking.false_positives
    precision = np.divide(
        ranking.true_positives, called, out=np.zeros(called.shape), where=called > 0
    )
    value = _ratio(
        (ranking.tied_positives * precision).sum(axis=0), ranking.positives.astype(np.float64)
    )
    return np.where(ranking.negatives > 0, value, np.nan)


def ranking_statistic(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> Statistic:
    """`auc` and `average_precision` of one finding.

    Raises:
        EvaluationError: a score of known truth is no finite number, or a truth not 0, 1 or nan.
    """
    ranker = Ranker(scores, truth)
    positive, negative = truth == 1, truth == 0

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        ranking = ranker.rank(counts)
        return {"auc": auc_of(ranking), "average_precision": average_precision_of(ranking)}

    def spread(units: Units) -> AucSpread | None:
        return auc_spread(scores, truth, units)

    def precision_bound(units: Units, level: float) -> Ends:
        if statistic(ones(len(scores)))["auc"][0] != 1:
            return NOTHING
        of_units = units_among(units, positive), units_among(units, negative)
        numbers = int(positive.sum()), int(negative.sum())
        return precision_end(*numbers, of_units, level), 1.0

    return Bounded(statistic, {"average_precision": precision_bound}, {"auc": spread})


def threshold_statistic(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"], threshold: float
) -> Statistic:
    """Every metric of `RATES` of one finding, with a fixed threshold (nan: all undefined).

    Raises:
        EvaluationError: a score of known truth is no finite number, or a truth not 0, 1 or nan.
    """
    check_scores(scores, truth)
    positive, negative = truth == 1, truth == 0
    called = scores >= threshold
    groups = np.stack([positive & called, negative & called, positive, negative])
    weights = groups.astype(np.float32)

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        # Sums of counts are whole numbers below 2**24, which float32 holds exactly.
        sums = np.rint(weights @ counts.astype(np.float32)).astype(np.int64)
        confusion = Confusion(
            true_positives=sums[0], false_positives=sums[1], positives=sums[2], negatives=sums[3]
        )
        values = {name: rate(confusion) for name, rate in RATES.items()}
        if np.isnan(threshold):
            return {name: np.full_like(value, np.nan) for name, value in values.items()}
        return values

    return Bounded(
        statistic, {name: rate_bound(rate, called, truth) for name, rate in RATES.items()}
    )


def rate_bound(
    rate: Rate, called: Bool[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> Bound:
    """The interval of a rate where sensitivity, specificity or both are 0 or 1.

    From the worst to the best that the pairs of `doubts` give, the number of positives and
    negatives being what it is. For sensitivity, specificity and accuracy this is the mid-P
    interval of a share.
    """
    positive, negative = truth == 1, truth == 0
    numbers = float(positive.sum()), float(negative.sum())

    def bound(units: Units, level: float) -> Ends:
        of_units = units_among(units, positive), units_among(units, negative)
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = (
                float(np.divide((positive & called).sum(), numbers[0])),
                float(np.divide((negative & ~called).sum(), numbers[1])),
            )
        values = rate(table_of(*doubts(seen, of_units, level), numbers))
        return float(values.min()), float(values.max())

    return bound


def table_of(
    sensitivity: Float[np.ndarray, " pairs"],
    specificity: Float[np.ndarray, " pairs"],
    numbers: tuple[float, float],
) -> Confusion:
    """The tables that pairs of rates expect of so many positives and negatives."""
    positives, negatives = (np.full_like(sensitivity, number) for number in numbers)
    return Confusion(
        true_positives=np.where(positives > 0, sensitivity * positives, 0.0),
        false_positives=np.where(negatives > 0, (1 - specificity) * negatives, 0.0),
        positives=positives,
        negatives=negatives,
    )


def auc(
    scores: Float[np.ndarray, "images findings"], truth: Float[np.ndarray, "images findings"]
) -> Float[np.ndarray, " findings"]:
    """Area under the ROC curve of every finding, in [0, 1]; nan where undefined."""
    return _each(scores, truth, auc_of)


def average_precision(
    scores: Float[np.ndarray, "images findings"], truth: Float[np.ndarray, "images findings"]
) -> Float[np.ndarray, " findings"]:
    """Average precision of every finding, in [0, 1]; nan where undefined."""
    return _each(scores, truth, average_precision_of)


def at_thresholds(
    scores: Float[np.ndarray, "images findings"],
    truth: Float[np.ndarray, "images findings"],
    thresholds: Float[np.ndarray, " findings"],
) -> dict[str, Float[np.ndarray, " findings"]]:
    """MCC, F1, accuracy, sensitivity and specificity of every finding at its own threshold."""
    check_pair(scores, truth)
    once = ones(len(scores))
    rows = [
        threshold_statistic(scores[:, i], truth[:, i], float(thresholds[i]))(once)
        for i in range(scores.shape[1])
    ]
    return {name: np.array([row[name][0] for row in rows]) for name in RATES}


def undefined_reason(truth: Float[np.ndarray, " images"]) -> str | None:
    """Why presence and absence cannot be told apart in these images; None where they can."""
    if not np.isfinite(truth).any():
        return "no image with known truth"
    if not (truth == 1).any():
        return "no positive image"
    if not (truth == 0).any():
        return "no negative image"
    return None


def check_pair(
    scores: Float[np.ndarray, "images findings"], truth: Float[np.ndarray, "images findings"]
) -> None:
    """Refuses what no metric can be computed from.

    Raises:
        EvaluationError: a score is not finite, or a truth is other than 0, 1 or nan.
    """
    if not np.isfinite(scores).all():
        image, finding = np.argwhere(~np.isfinite(scores))[0]
        raise EvaluationError(
            f"The score of image {image}, finding {finding} is {scores[image, finding]}; expected "
            "a finite number. Leave out images that could not be scored."
        )
    known = truth[np.isfinite(truth)]
    if np.isinf(truth).any() or not np.isin(known, (0, 1)).all():
        found = sorted({float(value) for value in truth[~np.isnan(truth)].ravel()} - {0.0, 1.0})
        raise EvaluationError(
            f"The truth holds {found[:3]}; expected 1 (present), 0 (absent) or nan (unknown). "
            "Turn uncertain labels into nan first."
        )


def _each(
    scores: Float[np.ndarray, "images findings"],
    truth: Float[np.ndarray, "images findings"],
    metric: Callable[[Ranking], Float[np.ndarray, " replicates"]],
) -> Float[np.ndarray, " findings"]:
    check_pair(scores, truth)
    once = ones(len(scores))
    values = [
        metric(Ranker(scores[:, i], truth[:, i]).rank(once))[0] for i in range(scores.shape[1])
    ]
    return np.array(values, dtype=np.float64)


def _as_float(
    confusion: Confusion,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    called = (confusion.true_positives + confusion.false_positives).astype(np.float64)
    return called, confusion.positives.astype(np.float64), confusion.negatives.astype(np.float64)


def _ratio(
    above: Float[np.ndarray, "..."], below: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Divides; nan where nothing is there to divide by."""
    above, below = np.broadcast_arrays(above, below)
    ratio: Float[np.ndarray, "..."] = np.divide(
        above, below, out=np.full(below.shape, np.nan), where=below > 0
    )
    return ratio
