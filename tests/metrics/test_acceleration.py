import numpy as np
import pytest
from scipy import stats

from carina.metrics.acceleration import (
    NORMAL,
    Shape,
    degrees_of_freedom,
    normal_of,
    shape_of,
    student,
)


@pytest.mark.parametrize("degrees", [3.0, 5.0, 10.0, 40.0])
@pytest.mark.parametrize("level", [0.6, 0.9, 0.975])
def test_student_is_the_quantile_of_students_t(degrees: float, level: float) -> None:
    z = float(stats.norm.ppf(level))
    t = student(z, degrees)
    assert t == pytest.approx(stats.t.ppf(level, degrees), rel=0.01)
    assert normal_of(t, degrees) == pytest.approx(z)


def test_without_skew_bias_and_doubt_the_interval_is_the_percentile_interval() -> None:
    plain = Shape(bias=0.0, acceleration=0.0, degrees=float("inf"))
    assert plain.share(1.959964) == pytest.approx(0.975)
    assert plain.share(-1.959964) == pytest.approx(0.025)
    assert plain.deviations(-1.5) == pytest.approx(-1.5)


def test_bounds_equal_efrons_with_normal_quantiles() -> None:
    # scipy's BCa of the mean of skew numbers, on the same resamples.
    generator = np.random.default_rng(0)
    numbers = generator.exponential(size=300)
    found = stats.bootstrap(
        (numbers,), np.mean, n_resamples=4000, method="BCa", random_state=generator
    )
    left_out = (numbers.sum() - numbers) / (len(numbers) - 1)
    shape = shape_of(numbers.mean(), found.bootstrap_distribution, left_out, len(numbers))
    efron = Shape(bias=shape.bias, acceleration=shape.acceleration, degrees=float("inf"))
    bounds = np.quantile(found.bootstrap_distribution, [efron.share(-1.96), efron.share(1.96)])
    low, high = found.confidence_interval
    np.testing.assert_allclose(bounds, [low, high], atol=0.002)
    plain = np.quantile(found.bootstrap_distribution, [0.025, 0.975])
    assert (bounds > plain + 0.003).all()  # both bounds lie higher than the percentiles


def test_share_and_deviations_are_opposites() -> None:
    shape = Shape(bias=0.1, acceleration=0.08, degrees=12.0)
    for z in (-2.5, -1.0, 0.3, 2.0):
        assert shape.deviations(NORMAL.inv_cdf(shape.share(z))) == pytest.approx(z, abs=1e-6)


def test_degrees_of_a_variance_of_normal_numbers_are_their_number() -> None:
    # Fourth moment 3: Satterthwaite gives 2 / (3/n - 1/n) = n.
    normal = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    assert degrees_of_freedom(normal, 400) == pytest.approx(400, rel=0.1)
    # Two equal numbers in many zeros: 2 / (1/2 - 1/400) = 4.
    two = np.zeros(400)
    two[:2] = 1.0
    assert degrees_of_freedom(two, 400) == pytest.approx(4.02, abs=0.01)
    assert degrees_of_freedom(np.array([1.0, -1.0] * 200), 400) == float("inf")


def test_degrees_hardly_change_when_units_are_grouped() -> None:
    generator = np.random.default_rng(1)
    units = np.zeros(20_000)
    units[:50] = generator.normal(size=50)
    units -= units.mean()
    alone = degrees_of_freedom(units, 20_000)
    grouped = [
        degrees_of_freedom(generator.permutation(units).reshape(200, 100).sum(axis=1), 20_000)
        for _ in range(20)
    ]
    assert np.median(grouped) == pytest.approx(alone, rel=0.2)
