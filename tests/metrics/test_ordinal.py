import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, roc_auc_score

from carina.metrics.ordinal import grading_statistic, one_rest_statistic, regression_statistic
from carina.metrics.ranking import ones

GENERATOR = np.random.default_rng(5)
TRUTH = GENERATOR.integers(0, 4, 200)
PREDICTED = np.clip(TRUTH + GENERATOR.integers(-1, 2, 200), 0, 3)


def test_grades_are_measured_as_scikit_learn_does() -> None:
    made = grading_statistic(PREDICTED, TRUTH.astype(float), 4)(ones(200))
    assert made["kappa"][0] == pytest.approx(
        cohen_kappa_score(TRUTH, PREDICTED, weights="quadratic")
    )
    assert made["accuracy"][0] == pytest.approx(accuracy_score(TRUTH, PREDICTED))
    assert made["f1"][0] == pytest.approx(f1_score(TRUTH, PREDICTED, average="macro"))
    for grade, expected in enumerate(f1_score(TRUTH, PREDICTED, average=None)):
        assert made[f"f1_grade_{grade}"][0] == pytest.approx(expected)


def test_each_grade_is_ranked_against_the_rest_as_scikit_learn_does() -> None:
    shares = GENERATOR.dirichlet(np.ones(4), 200)
    truth = np.append(TRUTH[:-1].astype(float), np.nan)
    made = one_rest_statistic(shares, truth)(ones(200))
    each = [roc_auc_score(TRUTH[:-1] == grade, shares[:-1, grade]) for grade in range(4)]
    assert [made[f"auc_grade_{grade}"][0] for grade in range(4)] == pytest.approx(each)
    assert made["auc_one_rest"][0] == pytest.approx(np.mean(each))


def test_a_grade_that_never_occurs_has_no_auc_and_does_not_count() -> None:
    truth = np.array([0.0, 0.0, 2.0, 2.0])
    shares = np.array([[0.8, 0.1, 0.1], [0.3, 0.1, 0.6], [0.5, 0.1, 0.4], [0.1, 0.0, 0.9]])
    made = one_rest_statistic(shares, truth)(ones(4))
    assert np.isnan(made["auc_grade_1"][0])
    assert made["auc_grade_0"][0] == 0.75  # 3 of 4 pairs are in order
    assert made["auc_grade_2"][0] == 0.75
    assert made["auc_one_rest"][0] == 0.75


def test_a_resample_is_the_data_repeated() -> None:
    counts = GENERATOR.integers(0, 3, (200, 2)).astype(np.uint16)
    made = grading_statistic(PREDICTED, TRUTH.astype(float), 4)(counts)
    for column in range(2):
        rows = np.repeat(np.arange(200), counts[:, column])
        expected = cohen_kappa_score(TRUTH[rows], PREDICTED[rows], weights="quadratic")
        assert made["kappa"][column] == pytest.approx(expected)


def test_unknown_grades_are_left_out() -> None:
    truth = TRUTH.astype(float)
    truth[100:] = np.nan
    made = grading_statistic(PREDICTED, truth, 4)(ones(200))
    alone = grading_statistic(PREDICTED[:100], truth[:100], 4)(ones(100))
    for name, value in made.items():
        assert value[0] == pytest.approx(alone[name][0])


def test_kappa_of_one_grade_alone_is_undefined() -> None:
    made = grading_statistic(np.zeros(5, int), np.zeros(5), 4)(ones(5))
    assert np.isnan(made["kappa"][0])
    assert made["accuracy"][0] == 1


def test_scores_are_measured_as_numpy_does() -> None:
    truth = GENERATOR.normal(5, 2, 60)
    predicted = truth + GENERATOR.normal(0, 1, 60)
    truth[50:] = np.nan
    made = regression_statistic(predicted, truth)(ones(60))
    assert made["mae"][0] == pytest.approx(np.abs(predicted - truth)[:50].mean())
    expected = np.corrcoef(predicted[:50], truth[:50])[0, 1]
    assert made["correlation"][0] == pytest.approx(expected)


def test_correlation_with_a_constant_is_undefined() -> None:
    made = regression_statistic(np.full(5, 2.0), np.arange(5.0))(ones(5))
    assert np.isnan(made["correlation"][0])
    assert made["mae"][0] == pytest.approx(1.2)
