import numpy as np
import pytest
from scipy import stats

from carina.metrics.statistics import Resampled
from carina.metrics.trainings import over_trainings, reach, student_quantile


def trained(value: float) -> Resampled:
    generator = np.random.default_rng(0)
    return Resampled(
        value=value,
        replicates=value + generator.normal(0, 0.02, 4000),
        left_out=value + generator.normal(0, 0.002, 200),
        units=200,
    )


@pytest.mark.parametrize("degrees", [1.0, 2.0, 3.0, 5.0, 40.0])
def test_quantiles_are_student_s(degrees: float) -> None:
    expected = stats.t.ppf(0.975, degrees)
    assert student_quantile(0.975, degrees) == pytest.approx(expected, rel=0.011)


def test_between_one_and_three_degrees_quantiles_are_never_too_small() -> None:
    for degrees in (1.2, 1.5, 1.8, 2.5):
        assert student_quantile(0.975, degrees) > 0.99 * stats.t.ppf(0.975, degrees)


def test_one_training_or_equal_ones_leave_the_interval_of_the_patients() -> None:
    one = trained(0.8)
    assert over_trainings([one]) == one.interval()
    equal, alone = over_trainings([one, one, one]), one.interval()
    assert (equal.low, equal.high) == pytest.approx((alone.low, alone.high))


def test_trainings_that_differ_have_satterthwaites_interval() -> None:
    # Patients reach 0.03, the standard error of five trainings is 0.01: 0.0153 and 0.01 give
    # 0.01828, with 4 * (0.01828 / 0.01) ** 4 = 44.7 degrees of freedom.
    total = np.hypot(0.03 / 1.959964, 0.01)
    expected = stats.t.ppf(0.975, 4 * (total / 0.01) ** 4) * total
    assert reach(0.03, 0.01, 5, 0.95) == pytest.approx(expected, rel=1e-3)
    # Without doubts about patients it is Student's interval of five numbers.
    assert reach(1e-9, 0.01, 5, 0.95) == pytest.approx(stats.t.ppf(0.975, 4) * 0.01, rel=0.01)


def test_a_mean_over_trainings_lies_within_and_is_undefined_where_patients_tell_nothing() -> None:
    found = over_trainings([trained(0.7), trained(0.8), trained(0.9)])
    assert found.value == pytest.approx(0.8)
    assert found.low < 0.7
    assert found.high > 0.9
    alike = Resampled(value=1.0, replicates=np.ones(50), left_out=np.ones(5), units=5)
    assert np.isnan(over_trainings([alike, alike]).low)
