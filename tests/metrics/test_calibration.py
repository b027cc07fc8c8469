import numpy as np
import pytest

from carina.errors import ConfigError
from carina.metrics.calibration import (
    EqualMassBins,
    EqualWidthBins,
    calibration_statistic,
    reliability_curve,
)
from carina.metrics.ranking import ones


def test_brier_and_calibration_error_equal_values_worked_by_hand() -> None:
    # Bins of width 1/2. Lower: scores 0.1, 0.3 with truths 0, 1: gap |0.2 - 0.5|. Upper: 0.6,
    # 0.8 with 1, 1: gap |0.7 - 1|. Both 0.3, so ECE 0.3. Brier (0.01 + 0.49 + 0.16 + 0.04) / 4.
    scores, truth = np.array([0.1, 0.3, 0.6, 0.8]), np.array([0.0, 1, 1, 1])
    found = calibration_statistic(scores, truth, EqualWidthBins(count=2))(ones(4))
    assert found["brier"][0] == pytest.approx(0.175)
    assert found["calibration_error"][0] == pytest.approx(0.3)


def test_gaps_of_opposite_sign_do_not_cancel_between_bins_but_do_within() -> None:
    scores, truth = np.array([0.2, 0.2, 0.8, 0.8]), np.array([1.0, 0, 0, 1])
    one = calibration_statistic(scores, truth, EqualWidthBins(count=1))(ones(4))
    two = calibration_statistic(scores, truth, EqualWidthBins(count=2))(ones(4))
    assert one["calibration_error"][0] == pytest.approx(0)
    assert two["calibration_error"][0] == pytest.approx(0.3)


def test_scores_that_are_probabilities_are_calibrated() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(200_000)
    truth = (generator.random(200_000) < scores).astype(float)
    for bins in (EqualMassBins(), EqualWidthBins()):
        found = calibration_statistic(scores, truth, bins)(ones(200_000))
        assert found["calibration_error"][0] < 0.006
        assert found["brier"][0] == pytest.approx(1 / 6, abs=0.002)  # integral of p (1 - p)


def test_equal_mass_bins_hold_equal_numbers_and_keep_ties_together() -> None:
    scores = np.concatenate([np.zeros(50), np.linspace(0.01, 1, 50)])
    truth = np.zeros(100)
    curve = reliability_curve(scores, truth, EqualMassBins(count=10))
    # Half of the images tie at 0: one bin of 50 (and what lies on its border), five of ten.
    assert curve.images.sum() == 100
    assert curve.images[0] >= 50
    assert len(curve.images) == 6


def test_reliability_curve_equals_values_worked_by_hand() -> None:
    scores = np.array([0.1, 0.3, 0.6, 0.8, 0.9])
    truth = np.array([0.0, 1, 1, np.nan, 1])
    curve = reliability_curve(scores, truth, EqualWidthBins(count=2))
    np.testing.assert_allclose(curve.mean_score, [0.2, 0.75])
    np.testing.assert_allclose(curve.share_positive, [0.5, 1])
    np.testing.assert_array_equal(curve.images, [2, 2])


def test_score_on_a_border_belongs_to_the_upper_bin() -> None:
    curve = reliability_curve(np.array([0.5]), np.array([1.0]), EqualWidthBins(count=2))
    assert curve.mean_score[0] == 0.5
    both = reliability_curve(np.array([0.5, 0.75]), np.ones(2), EqualWidthBins(count=2))
    assert len(both.images) == 1


def test_unknown_truth_everywhere_is_undefined() -> None:
    scores, truth = np.array([0.1, 0.9]), np.full(2, np.nan)
    found = calibration_statistic(scores, truth, EqualMassBins())(ones(2))
    assert np.isnan(found["brier"][0])
    assert np.isnan(found["calibration_error"][0])
    assert len(reliability_curve(scores, truth, EqualMassBins()).images) == 0


@pytest.mark.parametrize("kind", [EqualMassBins, EqualWidthBins])
def test_bins_fewer_than_one_are_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        kind(count=0)
