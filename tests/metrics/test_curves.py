import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from carina.metrics.curves import precision_recall_points, roc_points


def test_roc_points_equal_values_worked_by_hand() -> None:
    scores, truth = np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 1, 0, 0])
    false_rate, true_rate = roc_points(scores, truth)
    np.testing.assert_allclose(false_rate, [0, 0, 0.5, 1])
    np.testing.assert_allclose(true_rate, [0, 0.5, 1, 1])


def test_precision_recall_points_equal_values_worked_by_hand() -> None:
    scores, truth = np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 1, 0, 0])
    recall, precision = precision_recall_points(scores, truth)
    np.testing.assert_allclose(recall, [0, 0.5, 1, 1])
    np.testing.assert_allclose(precision, [1, 1, 2 / 3, 1 / 2])


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(2, 50))
def test_areas_below_the_points_are_the_metrics(seed: int, images: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, images).astype(float)
    truth[:2] = 0, 1
    scores = generator.integers(0, 5, images) / 4
    area = np.trapezoid(roc_points(scores, truth)[1], roc_points(scores, truth)[0])
    assert area == pytest.approx(oracle.roc_auc_score(truth, scores))
    recall, precision = precision_recall_points(scores, truth)
    steps = (np.diff(recall) * precision[1:]).sum()
    assert steps == pytest.approx(oracle.average_precision_score(truth, scores))


@pytest.mark.parametrize("truth", [[1.0, 1.0], [0.0, 0.0], [np.nan, np.nan]])
def test_curves_without_both_kinds_are_empty(truth: list[float]) -> None:
    for points in (roc_points, precision_recall_points):
        x, y = points(np.array([0.1, 0.9]), np.array(truth))
        assert len(x) == len(y) == 0
