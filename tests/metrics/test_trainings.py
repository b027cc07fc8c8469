import numpy as np
import pytest
from scipy import stats

from carina.metrics.classification import ranking_statistic
from carina.metrics.statistics import Resampled, Resamples, bootstrap
from carina.metrics.trainings import over_trainings, reach, student_quantile


def trained(value: float) -> Resampled:
    generator = np.random.default_rng(0)
    return Resampled(
        value=value,
        replicates=value + generator.normal(0, 0.02, 4000),
        left_out=value + generator.normal(0, 0.002, 200),
        units=200,
    )


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 40])
def test_quantiles_are_student_s(degrees: int) -> None:
    expected = stats.t.ppf(0.975, degrees)
    assert student_quantile(0.975, degrees) == pytest.approx(expected, rel=0.011)


def test_one_training_or_equal_ones_leave_the_interval_of_the_patients() -> None:
    one = trained(0.8)
    assert over_trainings([one]) == one.interval()
    equal, alone = over_trainings([one, one, one]), one.interval()
    assert (equal.low, equal.high) == pytest.approx((alone.low, alone.high))


def test_trainings_that_differ_have_cochran_and_cox_s_interval() -> None:
    # Patients reach 0.03, so their standard error is 0.015307; that of two trainings is 0.01.
    # Variances 2.343e-4 and 1e-4: (2.343 * 1.95996 + 12.7062) / 3.343 = 5.1745 times 0.018284.
    assert reach(0.03, 0.01, 2, 0.95) == pytest.approx(0.09461, rel=1e-3)
    # Without doubts about patients it is Student's interval of five numbers.
    assert reach(1e-9, 0.01, 5, 0.95) == pytest.approx(stats.t.ppf(0.975, 4) * 0.01, rel=0.01)
    assert reach(0.0, 0.0, 3, 0.95) == 0


def test_of_an_auc_one_training_has_the_auc_s_own_interval() -> None:
    truth = np.repeat([1.0, 0.0], [5, 20])
    scores = np.random.default_rng(1).normal(size=25) + truth
    one = bootstrap([ranking_statistic(scores, truth)], Resamples(25, 50, 0))
    assert over_trainings([one.of("auc", 0)]) == one.interval("auc", 0)


def test_a_mean_over_trainings_lies_within_and_is_undefined_where_patients_tell_nothing() -> None:
    found = over_trainings([trained(0.7), trained(0.8), trained(0.9)])
    assert found.value == pytest.approx(0.8)
    assert found.low < 0.7
    assert found.high > 0.9
    alike = Resampled(value=1.0, replicates=np.ones(50), left_out=np.ones(5), units=5)
    assert np.isnan(over_trainings([alike, alike]).low)
