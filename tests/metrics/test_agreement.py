import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from carina.metrics.agreement import cohen_kappa, kappa_interval


def test_kappa_equals_the_value_of_cohens_formula_worked_by_hand() -> None:
    # Observed (20 + 15) / 50 = 0.7; expected 25/50 * 30/50 + 25/50 * 20/50 = 0.5; 0.2 / 0.5
    assert cohen_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_kappa_equals_scikit_learns() -> None:
    table = np.random.default_rng(0).integers(0, 20, (4, 4))
    rows, columns = np.indices(table.shape)
    first, second = (np.repeat(places.ravel(), table.ravel()) for places in (rows, columns))
    assert cohen_kappa(table) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_of_several_tables_is_that_of_each() -> None:
    tables = np.random.default_rng(1).integers(1, 9, (5, 3, 3))
    np.testing.assert_allclose(cohen_kappa(tables), [cohen_kappa(table) for table in tables])


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[9, 0], [0, 0]]])
def test_kappa_is_undefined_without_two_classes(table: list[list[int]]) -> None:
    assert np.isnan(cohen_kappa(np.array(table)))
    assert np.isnan(kappa_interval(np.array(table), replicates=10, seed=0)).all()


def test_the_interval_shrinks_with_the_cases_and_holds_kappa() -> None:
    table = np.array([[20, 5], [10, 15]])
    wide, narrow = (kappa_interval(table * n, replicates=1000, seed=0) for n in (1, 100))
    for low, high in (wide, narrow):
        assert low < 0.4 < high
    # Fleiss, Cohen and Everitt (1969) give a standard error near 0.126 for the 50 cases.
    assert wide[1] - wide[0] == pytest.approx(2 * 1.96 * 0.126, rel=0.1)
    assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / 10, rel=0.1)


def test_raters_who_agree_on_every_case_are_not_certain_to() -> None:
    # 20 cases, ten of each class: chance 0.5; agreement of at least 0.05 ** (1 / 20).
    low, high = kappa_interval(np.array([[10, 0], [0, 10]]), replicates=100, seed=0)
    assert (low, high) == pytest.approx((1 - (1 - 0.05 ** (1 / 20)) / 0.5, 1.0))


def test_a_kappa_that_hangs_on_one_case_has_no_interval() -> None:
    assert np.isnan(kappa_interval(np.array([[9, 0], [1, 0]]), replicates=200, seed=0)).all()


def test_raters_who_agree_on_no_case_are_not_certain_to() -> None:
    # 10 cases, chance 0.5: agreement of at most 1 - 0.05 ** (1 / 10), of which half is no chance.
    low, high = kappa_interval(np.array([[0, 5], [5, 0]]), replicates=100, seed=0)
    assert (low, high) == pytest.approx((-1.0, -1 + (1 - 0.05 ** (1 / 10)) / 0.5))
