"""What lies at or above every score of a positive: the one table behind all ranking metrics.

A resample is written as how often each image was drawn. The images are sorted once; the counts
of any number of resamples are then added up between the positives' scores, all together. This
gives exactly what sorting each resample again would give, tied scores included.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from carina.errors import EvaluationError

Counts = Integer[np.ndarray, "images replicates"]
"""How often each image was drawn in each resample; one column of ones is the data itself."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """For every distinct score that a positive has, from high to low, what lies at or above it.

    Scores that only negatives have need no row: no metric here changes between two rows by more
    than what the rows say, and no threshold there can be better than the row above it.

    Attributes:
        true_positives: positives with this score or a higher one.
        false_positives: negatives with this score or a higher one.
        tied_positives: positives with exactly this score.
        tied_negatives: negatives with exactly this score.
        positives: all positives of a resample.
        negatives: all negatives of a resample.
    """

    true_positives: Integer[np.ndarray, "scores replicates"]
    false_positives: Integer[np.ndarray, "scores replicates"]
    tied_positives: Integer[np.ndarray, "scores replicates"]
    tied_negatives: Integer[np.ndarray, "scores replicates"]
    positives: Integer[np.ndarray, " replicates"]
    negatives: Integer[np.ndarray, " replicates"]


class Ranker:
    """The scores of one finding, sorted once, ready to rank any resamples.

    `truth` is 1, 0, or nan where unknown, and unknown images are left out. `thresholds` are the
    distinct scores of positives from high to low; `first_seen` is, for each of them, the first
    image that has this score.

    Raises:
        EvaluationError: a score of known truth is no finite number, or a truth none of these.
    """

    def __init__(
        self, scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
    ) -> None:
        check_scores(scores, truth)
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(truth[order])]
        self.positives = order[truth[order] == 1]
        self.negatives = order[truth[order] == 0]
        self.thresholds = np.unique(scores[self.positives])[::-1]
        self._positive_ends = _count_at_or_above(scores[self.positives], self.thresholds)
        self._negative_ends = _count_at_or_above(scores[self.negatives], self.thresholds)
        self._negative_starts = _count_above(scores[self.negatives], self.thresholds)
        ends = _count_at_or_above(scores[order], self.thresholds)
        starts = _count_above(scores[order], self.thresholds)
        # The sort is stable, so within a tie images stand in their own order.
        self.first_seen = order[starts] if len(ends) else order[:0]

    def rank(self, counts: Counts) -> Ranking:
        """Ranks resamples, all at once."""
        positives = _prefix_sums(counts, self.positives, self._positive_ends)
        cuts = np.unique(np.concatenate([self._negative_starts, self._negative_ends]))
        negatives = _prefix_sums(counts, self.negatives, cuts)
        above = negatives[np.searchsorted(cuts, self._negative_starts)]
        at_or_above = negatives[np.searchsorted(cuts, self._negative_ends)]
        return Ranking(
            true_positives=positives,
            false_positives=at_or_above,
            tied_positives=np.diff(positives, axis=0, prepend=0),
            tied_negatives=at_or_above - above,
            positives=_total(counts, self.positives),
            negatives=_total(counts, self.negatives),
        )


def ones(images: int) -> Counts:
    """The data as they are: every image once."""
    return np.ones((images, 1), dtype=np.uint16)


def check_scores(scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]) -> None:
    """Refuses scores that cannot be ranked: a nan would stand below or above all others.

    Raises:
        EvaluationError: a score of known truth is no finite number, or a truth is other than 0, 1
            or nan.
    """
    odd = np.flatnonzero(~np.isfinite(scores) & ~np.isnan(truth))
    if len(odd):
        raise EvaluationError(
            f"The score of image {odd[0]} is {scores[odd[0]]}; expected a finite number. Leave out "
            "images that could not be scored."
        )
    wrong = np.flatnonzero(~np.isnan(truth) & (truth != 0) & (truth != 1))
    if len(wrong):
        raise EvaluationError(
            f"The truth of image {wrong[0]} is {truth[wrong[0]]}; expected 1 (present), 0 (absent) "
            "or nan (unknown). Turn uncertain labels into nan first."
        )


def _count_at_or_above(
    descending: Float[np.ndarray, " n"], thresholds: Float[np.ndarray, " k"]
) -> Integer[np.ndarray, " k"]:
    return np.searchsorted(-descending, -thresholds, side="right")


def _count_above(
    descending: Float[np.ndarray, " n"], thresholds: Float[np.ndarray, " k"]
) -> Integer[np.ndarray, " k"]:
    return np.searchsorted(-descending, -thresholds, side="left")


def _total(counts: Counts, images: Integer[np.ndarray, " n"]) -> Integer[np.ndarray, " replicates"]:
    total: Integer[np.ndarray, " replicates"] = counts[images].sum(axis=0, dtype=np.int64)
    return total


def _prefix_sums(
    counts: Counts, images: Integer[np.ndarray, " n"], ends: Integer[np.ndarray, " cuts"]
) -> Integer[np.ndarray, "cuts replicates"]:
    """Adds up the counts of the first `end` images for every end (ascending, distinct)."""
    inside = ends[(ends > 0) & (ends < len(images))]
    sums = np.zeros((len(inside) + 2, counts.shape[1]), dtype=np.int32)
    if len(images):
        segments = np.concatenate([[0], inside])
        np.add.reduceat(counts[images], segments, axis=0, dtype=np.int32, out=sums[1:])
    np.cumsum(sums, axis=0, out=sums)
    return sums[np.searchsorted(np.concatenate([[0], inside, [len(images)]]), ends)]
