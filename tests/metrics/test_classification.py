import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from carina.errors import EvaluationError
from carina.metrics.calibration import EqualMassBins, calibration_statistic
from carina.metrics.classification import (
    Confusion,
    accuracy,
    at_thresholds,
    auc,
    average_precision,
    f1,
    mcc,
    ranking_statistic,
    sensitivity,
    specificity,
    threshold_statistic,
    undefined_reason,
)


def tied_case(seed: int, images: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, (images, 3)).astype(float)
    truth[0], truth[1] = 0, 1
    scores = generator.integers(0, levels + 1, (images, 3)) / levels
    return scores, truth


cases = st.builds(
    tied_case,
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(2, 60),
    levels=st.sampled_from([1, 2, 5, 1000]),
)


def table(tp: int, fp: int, fn: int, tn: int) -> Confusion:
    return Confusion(
        true_positives=np.array([tp]),
        false_positives=np.array([fp]),
        positives=np.array([tp + fn]),
        negatives=np.array([fp + tn]),
    )


def test_auc_with_ties_equals_value_counted_by_hand() -> None:
    # Positives 0.9, 0.5, 0.5; negatives 0.5, 0.1. Of 6 pairs: 0.9 wins both, each 0.5 ties one
    # and wins one: (2 + 1.5 + 1.5) / 6 = 5/6. Ties as wins would give 1, as losses 2/3.
    scores = np.array([[0.9], [0.5], [0.5], [0.5], [0.1]])
    truth = np.array([[1.0], [1], [1], [0], [0]])
    assert auc(scores, truth)[0] == pytest.approx(5 / 6, abs=1e-12)


def test_average_precision_with_ties_equals_value_counted_by_hand() -> None:
    # From the top: 0.9 positive, precision 1 for 1/3 of the recall; then three images tie at 0.5
    # of which two are positive: precision 3/4 for 2/3. 1/3 + 1/2 = 5/6; trapezoids give 11/12.
    scores = np.array([[0.9], [0.5], [0.5], [0.5], [0.1]])
    truth = np.array([[1.0], [1], [1], [0], [0]])
    assert average_precision(scores, truth)[0] == pytest.approx(5 / 6, abs=1e-12)


def test_rates_equal_values_worked_by_hand() -> None:
    # tp 3, fp 1, fn 1, tn 5: MCC = (15 - 1) / sqrt(4 * 4 * 6 * 6) = 14/24.
    confusion = table(3, 1, 1, 5)
    assert mcc(confusion)[0] == pytest.approx(14 / 24)
    assert f1(confusion)[0] == pytest.approx(6 / 8)
    assert accuracy(confusion)[0] == pytest.approx(8 / 10)
    assert sensitivity(confusion)[0] == pytest.approx(3 / 4)
    assert specificity(confusion)[0] == pytest.approx(5 / 6)


def test_mcc_is_zero_where_every_image_is_called_the_same() -> None:
    assert mcc(table(4, 6, 0, 0))[0] == 0
    assert mcc(table(0, 0, 4, 6))[0] == 0


def test_score_at_the_threshold_counts_as_present() -> None:
    found = at_thresholds(np.array([[0.5], [0.4]]), np.array([[1.0], [0.0]]), np.array([0.5]))
    assert found["accuracy"][0] == 1


@given(case=cases)
def test_metrics_equal_scikit_learn_with_heavy_ties(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = case
    thresholds = np.array([0.0, 0.5, 0.6])
    found = at_thresholds(scores, truth, thresholds)
    for i in range(3):
        label, called = truth[:, i], scores[:, i] >= thresholds[i]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = {
                "mcc": oracle.matthews_corrcoef(label, called),
                "f1": oracle.f1_score(label, called),
                "accuracy": oracle.accuracy_score(label, called),
                "sensitivity": oracle.recall_score(label, called),
                "specificity": oracle.recall_score(1 - label, 1 - called),
            }
        for name, value in expected.items():
            assert found[name][i] == pytest.approx(value, abs=1e-12)
        assert auc(scores, truth)[i] == pytest.approx(
            oracle.roc_auc_score(label, scores[:, i]), abs=1e-12
        )
        assert average_precision(scores, truth)[i] == pytest.approx(
            oracle.average_precision_score(label, scores[:, i]), abs=1e-12
        )


@given(case=cases)
def test_auc_depends_on_the_order_of_scores_alone(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = case
    np.testing.assert_allclose(auc(np.exp(3 * scores), truth), auc(scores, truth), atol=1e-12)
    np.testing.assert_allclose(auc(-scores, truth), 1 - auc(scores, truth), atol=1e-12)


@given(case=cases, seed=st.integers(0, 1000))
def test_images_of_unknown_truth_do_not_count(
    case: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    scores, truth = case
    unknown = np.random.default_rng(seed).random((5, 3))
    more, labels = np.vstack([scores, unknown]), np.vstack([truth, np.full((5, 3), np.nan)])
    np.testing.assert_array_equal(auc(more, labels), auc(scores, truth))
    np.testing.assert_array_equal(average_precision(more, labels), average_precision(scores, truth))
    half = np.full(3, 0.5)
    for name, value in at_thresholds(more, labels, half).items():
        np.testing.assert_array_equal(value, at_thresholds(scores, truth, half)[name])


def test_finding_of_one_kind_is_undefined_and_leaves_the_others_alone() -> None:
    # Columns: normal, never present, always present, unknown.
    scores = np.tile([[0.1], [0.9]], (1, 4))
    truth = np.array([[0.0, 0, 1, np.nan], [1.0, 0, 1, np.nan]])
    assert auc(scores, truth)[0] == 1
    assert np.isnan(auc(scores, truth)[1:]).all()
    assert np.isnan(average_precision(scores, truth)[1:]).all()
    found = at_thresholds(scores, truth, np.full(4, 0.5))
    assert np.isnan(found["mcc"][1:]).all()
    assert np.isnan(found["f1"][1:]).all()
    np.testing.assert_array_equal(found["accuracy"], [1, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(found["sensitivity"], [1, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(found["specificity"], [1, 0.5, np.nan, np.nan])
    reasons = [undefined_reason(truth[:, i]) for i in range(4)]
    assert reasons == [
        None,
        "no positive image",
        "no negative image",
        "no image with known truth",
    ]


def test_undefined_threshold_leaves_metrics_undefined() -> None:
    found = at_thresholds(np.array([[0.1], [0.9]]), np.array([[0.0], [1.0]]), np.array([np.nan]))
    assert all(np.isnan(value).all() for value in found.values())


def test_no_images_at_all_is_undefined() -> None:
    assert np.isnan(auc(np.empty((0, 2)), np.empty((0, 2)))).all()


def test_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"score of image 1, finding 0 is nan"):
        auc(np.array([[0.1], [np.nan]]), np.array([[0.0], [1.0]]))


@pytest.mark.parametrize("label", [-1.0, 0.5, np.inf])
def test_truth_other_than_present_absent_unknown_is_refused(label: float) -> None:
    with pytest.raises(EvaluationError, match=rf"truth holds \[{label}\]"):
        auc(np.array([[0.1], [0.9]]), np.array([[0.0], [label]]))


def measured(scores: list[float], truth: list[float]) -> list[Callable[[], object]]:
    pair = np.array(scores), np.array(truth)
    return [
        lambda: ranking_statistic(*pair),
        lambda: threshold_statistic(*pair, 0.5),
        lambda: calibration_statistic(*pair, EqualMassBins()),
    ]


@pytest.mark.parametrize("number", range(3))
def test_scores_that_are_no_numbers_are_not_ranked(number: int) -> None:
    with pytest.raises(EvaluationError, match="score of image 1 is nan; expected a finite number"):
        measured([0.2, float("nan"), 0.4], [0.0, 1.0, 1.0])[number]()
    with pytest.raises(EvaluationError, match="score of image 2 is inf"):
        measured([0.2, 0.3, float("inf")], [0.0, 1.0, 1.0])[number]()
    measured([0.2, float("nan"), 0.4], [0.0, float("nan"), 1.0])[number]()  # none asks for it


@pytest.mark.parametrize("number", range(3))
def test_truths_that_are_no_labels_are_refused_by_every_statistic(number: int) -> None:
    with pytest.raises(EvaluationError, match=r"truth of image 0 is -1\.0; expected 1"):
        measured([0.2, 0.3], [-1.0, 1.0])[number]()
