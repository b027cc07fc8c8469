"""Whether a score of 0.7 means that 7 in 10 such images are positive."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer

from carina.errors import ConfigError
from carina.metrics.classification import Statistic
from carina.metrics.ranking import Counts, check_scores


@runtime_checkable
class Bins(Protocol):
    """A way to part [0, 1] into bins."""

    def inner_edges(self, scores: Float[np.ndarray, " images"]) -> Float[np.ndarray, " edges"]:
        """The borders between bins, ascending; a score on a border belongs to the upper bin."""
        ...


@dataclass(frozen=True, kw_only=True)
class EqualMassBins:
    """Bins with about the same number of images each; equal scores stay in one bin.

    The steadier choice where most scores are small, as with rare findings.
    """

    count: int = 10

    def __post_init__(self) -> None:
        """Checks the count."""
        _check_count(self.count)

    def inner_edges(self, scores: Float[np.ndarray, " images"]) -> Float[np.ndarray, " edges"]:
        """Quantiles of the scores."""
        shares = np.arange(1, self.count) / self.count
        edges: Float[np.ndarray, " edges"] = np.unique(np.quantile(scores, shares))
        return edges


@dataclass(frozen=True, kw_only=True)
class EqualWidthBins:
    """Bins of the same width between 0 and 1 (Guo et al., ICML 2017)."""

    count: int = 10

    def __post_init__(self) -> None:
        """Checks the count."""
        _check_count(self.count)

    def inner_edges(self, scores: Float[np.ndarray, " images"]) -> Float[np.ndarray, " edges"]:
        """Multiples of the width, whatever the scores."""
        return np.arange(1, self.count) / self.count


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """The occupied bins of one finding, from low to high scores."""

    mean_score: Float[np.ndarray, " bins"]
    share_positive: Float[np.ndarray, " bins"]
    images: Integer[np.ndarray, " bins"]


def reliability_curve(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"], bins: Bins
) -> Reliability:
    """Mean score and share of positives in each occupied bin; unknown truth is left out."""
    known = np.isfinite(truth)
    scores, truth = scores[known], truth[known]
    if not len(scores):
        nothing = np.empty(0)
        return Reliability(
            mean_score=nothing, share_positive=nothing, images=np.empty(0, dtype=np.int64)
        )
    number = np.searchsorted(bins.inner_edges(scores), scores, side="right")
    images = np.bincount(number)
    occupied = images > 0
    return Reliability(
        mean_score=np.bincount(number, weights=scores)[occupied] / images[occupied],
        share_positive=np.bincount(number, weights=truth)[occupied] / images[occupied],
        images=images[occupied],
    )


def calibration_statistic(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"], bins: Bins
) -> Statistic:
    """`brier` and `calibration_error` of one finding.

    Brier score: mean squared distance of score and truth (Brier 1950), in [0, 1], 0 is best.
    Expected calibration error: distance of mean score and share of positives in a bin, averaged
    over the images. The borders of the bins are those of the data, in every resample.
    Both are undefined where no truth is known.

    Raises:
        EvaluationError: a score of known truth is no finite number, or a truth not 0, 1 or nan.
    """
    check_scores(scores, truth)
    known = np.isfinite(truth)
    label = np.where(known, truth, 0.0)
    weights = [np.where(known, (scores - label) ** 2, 0.0), known.astype(np.float64)]
    if known.any():
        number = np.searchsorted(bins.inner_edges(scores[known]), scores, side="right")
        inside = (number == np.arange(number.max() + 1)[:, None]) & known
        weights.extend(np.where(inside, scores - label, 0.0))
    stacked = np.stack(weights)

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        squared, images, *gaps = stacked @ counts.astype(np.float64)
        distance = np.abs(gaps).sum(axis=0) if gaps else np.zeros_like(squared)
        nothing = np.full(squared.shape, np.nan)
        return {
            "brier": np.divide(squared, images, out=nothing.copy(), where=images > 0),
            "calibration_error": np.divide(distance, images, out=nothing, where=images > 0),
        }

    return statistic


def _check_count(count: int) -> None:
    if count < 1:
        raise ConfigError(f"The number of calibration bins must be at least 1, got {count}.")
