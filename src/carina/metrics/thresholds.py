"""Thresholds chosen on validation data, in one sort a finding."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carina.metrics.classification import Confusion, Rate, check_pair, mcc
from carina.metrics.ranking import Counts, Ranker, ones

TIE = 1e-12
"""Two thresholds whose metrics differ by less than rounding are equally good."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The best threshold of every finding, and how good it was where it was chosen.

    nan where the finding has no positive or no negative.
    """

    values: Float[np.ndarray, " findings"]
    best: Float[np.ndarray, " findings"]


def choose_thresholds(
    scores: Float[np.ndarray, "images findings"],
    truth: Float[np.ndarray, "images findings"],
    rate: Rate = mcc,
) -> Thresholds:
    """Finds, for every finding, the score that makes the best threshold.

    Every score is a candidate (present if score >= threshold). Of equally good ones the score of
    the earliest image wins, as in KAD's published scan over the images; where none is better
    than 0 the threshold is 0, which calls every image present, also as there. Unlike there the
    search is O(n log n), and it is meant for validation data: thresholds chosen on the images
    that are then scored flatter every metric at a threshold.

    Args:
        scores: in [0, 1].
        truth: 1, 0 or nan (unknown).
        rate: what is to be greatest, `mcc` or `f1` of `metrics.classification`.
    """
    check_pair(scores, truth)
    once = ones(len(scores))
    found = [
        best_thresholds(Ranker(scores[:, i], truth[:, i]), once, rate)
        for i in range(scores.shape[1])
    ]
    return Thresholds(
        values=np.array([values[0] for values, _ in found], dtype=np.float64),
        best=np.array([best[0] for _, best in found], dtype=np.float64),
    )


def best_thresholds(
    ranker: Ranker, counts: Counts, rate: Rate = mcc
) -> tuple[Float[np.ndarray, " replicates"], Float[np.ndarray, " replicates"]]:
    """The best threshold of one finding in every resample, and the rate there.

    Only scores of positives are tried: between two of them a lower threshold adds false alarms
    alone, which makes MCC and F1 smaller.
    """
    ranking = ranker.rank(counts)
    defined = (ranking.positives > 0) & (ranking.negatives > 0)
    if not len(ranker.thresholds):
        return np.full(len(defined), np.nan), np.full(len(defined), np.nan)
    shape = ranking.true_positives.shape
    tried = rate(
        Confusion(
            true_positives=ranking.true_positives,
            false_positives=ranking.false_positives,
            positives=np.broadcast_to(ranking.positives, shape),
            negatives=np.broadcast_to(ranking.negatives, shape),
        )
    )
    drawn = ranking.tied_positives + ranking.tied_negatives > 0
    tried = np.where(drawn & defined, tried, -np.inf)
    best = np.maximum(tried.max(axis=0), 0.0)
    last = np.iinfo(np.int64).max
    seen = np.where(tried >= best - TIE, ranker.first_seen[:, None], last)
    values = np.where(best > TIE, ranker.thresholds[seen.argmin(axis=0)], 0.0)
    return np.where(defined, values, np.nan), np.where(defined, best, np.nan)
