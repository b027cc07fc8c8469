"""Retrieval: is a right answer among the first few that a model names?

A query may have several right answers, such as radiographs whose reports say the same words.
Candidates that a model holds for equally like have no order: they count as drawn by lot, so that
a model which tells nothing apart scores what chance does.
"""

import numpy as np
from jaxtyping import Float, Integer

from carina.errors import EvaluationError

ROWS = 256
"""Queries handled together."""


def recall_at(
    similarity: Float[np.ndarray, "queries candidates"],
    wanted: Integer[np.ndarray, " queries"],
    offered: Integer[np.ndarray, " candidates"],
    ranks: tuple[int, ...],
) -> Float[np.ndarray, "queries ranks"]:
    """Whether a right candidate is among the first k, for each k of `ranks`.

    Args:
        similarity: the higher, the more alike.
        wanted: a number for what each query wants.
        offered: a number for what each candidate is; right where it equals the query's.
        ranks: each k >= 1.

    Returns:
        1 or 0, between them where ties are drawn by lot: the chance that the draw hits.

    Raises:
        EvaluationError: a similarity is not finite, or a query has no right candidate.
    """
    if not np.isfinite(similarity).all():
        raise EvaluationError(
            "A likeness of image and text is not a number; the model's weights are damaged or its "
            "training diverged. Load an earlier model."
        )
    if not np.isin(wanted, offered).all():
        raise EvaluationError("A query has no right candidate, so it cannot be scored.")
    hits = np.empty((len(wanted), len(ranks)))
    for start in range(0, len(wanted), ROWS):
        rows = slice(start, start + ROWS)
        hits[rows] = _hits(similarity[rows], wanted[rows], offered, ranks)
    return hits


def _hits(
    similarity: Float[np.ndarray, "queries candidates"],
    wanted: Integer[np.ndarray, " queries"],
    offered: Integer[np.ndarray, " candidates"],
    ranks: tuple[int, ...],
) -> Float[np.ndarray, "queries ranks"]:
    right = wanted[:, None] == offered
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    before = (~right & (similarity > best)).sum(axis=1)
    tied = similarity == best
    wrong, good = (tied & ~right).sum(axis=1), (tied & right).sum(axis=1)
    return np.stack([1 - _miss(wrong, good, k - before) for k in ranks], axis=1)


def chance_recall(
    wanted: Integer[np.ndarray, " queries"],
    offered: Integer[np.ndarray, " candidates"],
    ranks: tuple[int, ...],
) -> Float[np.ndarray, "queries ranks"]:
    """What candidates in an order drawn by lot would score; arguments as of `recall_at`."""
    kinds, counts = np.unique(offered, return_counts=True)
    place = np.clip(np.searchsorted(kinds, wanted), 0, len(kinds) - 1)
    good = np.where(kinds[place] == wanted, counts[place], 0)
    wrong = len(offered) - good
    draws = np.ones_like(wanted)
    return np.stack([1 - _miss(wrong, good, draws * k) for k in ranks], axis=1)


def _miss(
    wrong: Integer[np.ndarray, " queries"],
    good: Integer[np.ndarray, " queries"],
    draws: Integer[np.ndarray, " queries"],
) -> Float[np.ndarray, " queries"]:
    """The chance that so many draws without putting back are all wrong."""
    missed = np.ones(len(wrong))
    for drawn in range(int(max(draws.max(initial=0), 0))):
        left = wrong + good - drawn
        all_wrong = np.clip(wrong - drawn, 0, None) / np.maximum(left, 1)
        missed = np.where(drawn < draws, missed * all_wrong, missed)
    return missed
