"""Variance, interval and paired test of AUCs without resampling.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988. Images are taken as independent: where
patients have several images the interval is too narrow, and that of `metrics.auc_interval` is the
one to trust.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from carina.metrics.paired import Difference
from carina.metrics.placements import placements
from carina.metrics.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class DeLong:
    """AUCs of models on the same images, and how they vary together.

    All nan where there is no positive or no negative; the covariance is nan also where there is
    only one of either.
    """

    aucs: Float[np.ndarray, " models"]
    covariance: Float[np.ndarray, "models models"]


def delong(
    scores: Float[np.ndarray, "models images"], truth: Float[np.ndarray, " images"]
) -> DeLong:
    """AUCs of one finding by several models, with DeLong's covariance.

    Args:
        scores: of each model; higher means rather present.
        truth: 1, 0, or nan (left out).
    """
    positive, negative = scores[:, truth == 1], scores[:, truth == 0]
    models, (m, n) = len(scores), (positive.shape[1], negative.shape[1])
    if m == 0 or n == 0:
        nothing = np.full(models, np.nan)
        return DeLong(aucs=nothing, covariance=np.full((models, models), np.nan))
    # How much of the other class each image outranks: its share in the AUC.
    of_positives, of_negatives = np.empty((models, m)), np.empty((models, n))
    for model in range(models):
        of_positives[model], of_negatives[model] = placements(positive[model], negative[model])
    covariance = np.full((models, models), np.nan)
    if m > 1 and n > 1:
        covariance = (
            np.atleast_2d(np.cov(of_positives)) / m + np.atleast_2d(np.cov(of_negatives)) / n
        )
    return DeLong(aucs=of_positives.mean(axis=1), covariance=covariance)


def delong_interval(result: DeLong, model: int = 0, level: float = 0.95) -> Interval:
    """The normal interval of one AUC, cut off at 0 and 1.

    Undefined where the variance is 0 (perfect separation): it would claim certainty.
    """
    value, variance = float(result.aucs[model]), float(result.covariance[model, model])
    if not variance > 0:
        return Interval(value=value, low=float("nan"), high=float("nan"))
    reach = NormalDist().inv_cdf((1 + level) / 2) * float(np.sqrt(variance))
    return Interval(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))


def delong_test(
    first: Float[np.ndarray, " images"],
    second: Float[np.ndarray, " images"],
    truth: Float[np.ndarray, " images"],
    level: float = 0.95,
) -> Difference:
    """Whether two models' AUCs on the same images differ; two-sided.

    Two models that rank every pair alike differ by 0 with p = 1. Undefined (nan) where the
    covariance is.
    """
    result = delong(np.stack([first, second]), truth)
    value = float(result.aucs[0] - result.aucs[1])
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ result.covariance @ contrast)
    if np.isnan(variance):
        nan = float("nan")
        return Difference(value=value, low=nan, high=nan, p_value=nan)
    deviation = float(np.sqrt(max(variance, 0.0)))
    if deviation < 1e-12:  # rounding leaves about 1e-17 where the true variance is 0
        return Difference(value=value, low=value, high=value, p_value=1.0 if value == 0 else 0.0)
    reach = NormalDist().inv_cdf((1 + level) / 2) * deviation
    p_value = 2 * NormalDist().cdf(-abs(value) / deviation)
    return Difference(value=value, low=value - reach, high=value + reach, p_value=p_value)
