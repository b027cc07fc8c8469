"""Scores of an evaluation as pages show them."""

from collections.abc import Sequence

from carina.evaluation.result import Score, Scores
from carina.pages.measured import Measured


def measured_of(score: Score) -> Measured:
    """A score as pages show it."""
    return Measured(value=score.value, low=score.low, high=score.high, reason=score.reason)


def chosen(scores: Scores, metrics: Sequence[str]) -> dict[str, Measured]:
    """Some of the metrics."""
    return {metric: measured_of(scores[metric]) for metric in metrics if metric in scores}
