"""Grades against grades, and scores against scores."""

import numpy as np
from jaxtyping import Float, Int

from carina.metrics.classification import Statistic, auc_of
from carina.metrics.ranking import Counts, Ranker


def grading_statistic(
    predicted: Int[np.ndarray, " images"], truth: Float[np.ndarray, " images"], grades: int
) -> Statistic:
    """Quadratic kappa, accuracy, macro F1, and F1 of each grade, of one graded finding.

    Args:
        predicted: grades, 0 to `grades` - 1.
        truth: the same, or nan where unknown.
        grades: how many there are.
    """
    known = np.isfinite(truth)
    right = np.where(known, truth, 0).astype(np.int64)
    mine = np.eye(grades)[predicted] * known[:, None]
    theirs = np.eye(grades)[right] * known[:, None]
    apart = known * (predicted - right) ** 2.0 / max(1, grades - 1) ** 2
    grid = np.arange(grades)
    cost = (grid[:, None] - grid[None]) ** 2.0 / max(1, grades - 1) ** 2

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        weights = counts.astype(np.float64)
        total = known @ weights
        called, true = mine.T @ weights, theirs.T @ weights
        both = (mine * theirs).T @ weights
        expected = np.einsum("ir,ij,jr->r", called, cost, true)
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa = 1 - (apart @ weights) * total / expected
            f1 = np.where(called + true > 0, 2 * both / (called + true), np.nan)
            return {
                "kappa": np.where(expected > 0, kappa, np.nan),
                "accuracy": both.sum(axis=0) / total,
                "f1": np.where(np.isfinite(f1).any(axis=0), np.nanmean(f1, axis=0), np.nan),
                **{f"f1_grade_{grade}": f1[grade] for grade in range(grades)},
            }

    return statistic


def one_rest_statistic(
    shares: Float[np.ndarray, "images grades"], truth: Float[np.ndarray, " images"]
) -> Statistic:
    """AUC of each grade against all others, and the mean of those that are defined.

    Args:
        shares: the probability of each grade.
        truth: grades from 0, or nan where unknown.
    """
    rankers = [
        Ranker(column, np.where(np.isfinite(truth), (truth == grade).astype(np.float64), np.nan))
        for grade, column in enumerate(shares.T)
    ]

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        values = np.stack([auc_of(ranker.rank(counts)) for ranker in rankers])
        known = np.isfinite(values)
        number = known.sum(axis=0)
        total = np.where(known, values, 0.0).sum(axis=0)
        mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        each = {f"auc_grade_{grade}": value for grade, value in enumerate(values)}
        return {"auc_one_rest": mean, **each}

    return statistic


def regression_statistic(
    predicted: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> Statistic:
    """Mean absolute error, in the unit of the score, and Pearson's correlation."""
    known = np.isfinite(truth)
    right = np.where(known, truth, 0.0)
    mine = np.where(known, predicted, 0.0)

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        weights = counts.astype(np.float64)
        total = known @ weights
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_mine, mean_right = mine @ weights / total, right @ weights / total
            covariance = (mine * right) @ weights / total - mean_mine * mean_right
            spread_mine = (mine**2) @ weights / total - mean_mine**2
            spread_right = (right**2) @ weights / total - mean_right**2
            spread = spread_mine * spread_right
            return {
                "mae": np.abs(mine - right) @ weights / total,
                "correlation": np.where(spread > 1e-12, covariance / np.sqrt(spread), np.nan),
            }

    return statistic
