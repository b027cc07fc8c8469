"""Recall among the first few, with several right answers and with ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import EvaluationError
from carina.metrics.retrieval import chance_recall, recall_at


def test_a_hit_is_any_right_candidate_among_the_first() -> None:
    similarity = np.array([[0.9, 0.8, 0.1, 0.7], [0.2, 0.3, 0.4, 0.1]])
    # The first query wants kind 1, offered in third and fourth place of the list: ranks 4 and 3.
    # The second wants kind 0, offered first: rank 3.
    hits = recall_at(similarity, np.array([1, 0]), np.array([0, 2, 1, 1]), (1, 2, 3))
    assert hits.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_ties_are_drawn_by_lot() -> None:
    # One wrong candidate is above; of the four tied ones one is right. The first two places are
    # that one and a draw of one in four; the first three, a draw of two in four.
    similarity = np.array([[0.9, 0.5, 0.5, 0.5, 0.5, 0.1]])
    hits = recall_at(similarity, np.array([1]), np.array([0, 0, 1, 0, 0, 0]), (1, 2, 3, 5))
    np.testing.assert_allclose(hits, [[0, 1 / 4, 1 / 2, 1]])


def test_two_right_ones_among_the_tied_are_found_sooner() -> None:
    hits = recall_at(np.zeros((1, 4)), np.array([1]), np.array([1, 1, 0, 0]), (1, 2))
    # Missed in two draws: 2/4 * 1/3.
    np.testing.assert_allclose(hits, [[1 / 2, 5 / 6]])


@given(candidates=st.integers(1, 12), kinds=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_a_model_that_tells_nothing_apart_scores_chance(
    candidates: int, kinds: int, seed: int
) -> None:
    offered = np.random.default_rng(seed).integers(0, kinds, candidates)
    wanted, ranks = offered[:3], (1, 2, 5, 20)
    constant = recall_at(np.full((len(wanted), candidates), 0.5), wanted, offered, ranks)
    np.testing.assert_allclose(constant, chance_recall(wanted, offered, ranks), atol=1e-12)


def test_chance_is_the_share_of_a_place_where_texts_differ() -> None:
    offered = np.arange(20)
    np.testing.assert_allclose(
        chance_recall(offered, offered, (1, 5, 40)), [[1 / 20, 1 / 4, 1.0]] * 20
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_candidates_makes_no_difference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity, offered = rng.random((4, 9)), rng.integers(0, 3, 9)
    wanted, order = offered[:4], rng.permutation(9)
    np.testing.assert_allclose(
        recall_at(similarity, wanted, offered, (1, 3)),
        recall_at(similarity[:, order], wanted, offered[order], (1, 3)),
    )


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(EvaluationError, match="not a number"):
        recall_at(np.array([[np.nan]]), np.array([0]), np.array([0]), (1,))
    with pytest.raises(EvaluationError, match="no right candidate"):
        recall_at(np.array([[0.5]]), np.array([1]), np.array([0]), (1,))
