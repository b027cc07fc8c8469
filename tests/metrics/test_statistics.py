import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from carina.errors import EvaluationError
from carina.metrics.calibration import EqualWidthBins, calibration_statistic
from carina.metrics.classification import Statistic, ranking_statistic, threshold_statistic
from carina.metrics.paired import holm, paired_difference
from carina.metrics.statistics import (
    Bootstrap,
    Resampled,
    Resamples,
    bootstrap,
    mean_statistic,
    ratio_statistic,
    together,
)


def everything(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    return together(
        ranking_statistic(scores, truth),
        threshold_statistic(scores, truth, 0.5),
        calibration_statistic(scores, truth, EqualWidthBins(count=4)),
    )


def case(seed: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, images).astype(float)
    scores = (0.3 * truth + 0.7 * generator.random(images)).round(1)
    return scores, truth


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), images=st.integers(4, 40))
def test_every_metric_of_a_resample_is_that_of_the_repeated_images(seed: int, images: int) -> None:
    scores, truth = case(seed, images)
    truth[seed % images] = np.nan
    resamples = Resamples(images, 7, seed)
    found = bootstrap([everything(scores, truth)], resamples)
    counts = np.concatenate(list(resamples.blocks()), axis=1)
    for column in range(7):
        drawn = np.repeat(np.arange(images), counts[:, column])
        drawn = drawn[np.isfinite(truth[drawn])]
        label, score = truth[drawn], scores[drawn]
        if len(set(label)) < 2:
            assert np.isnan(found.replicates["auc"][0, column])
            assert np.isnan(found.replicates["average_precision"][0, column])
            assert np.isnan(found.replicates["mcc"][0, column])
            continue
        expected = {
            "auc": oracle.roc_auc_score(label, score),
            "average_precision": oracle.average_precision_score(label, score),
            "mcc": oracle.matthews_corrcoef(label, score >= 0.5),
            "f1": oracle.f1_score(label, score >= 0.5),
            "accuracy": oracle.accuracy_score(label, score >= 0.5),
            "brier": oracle.brier_score_loss(label, score),
        }
        for name, value in expected.items():
            assert found.replicates[name][0, column] == pytest.approx(value, abs=1e-9)


def test_resamples_are_the_same_for_a_seed_whatever_the_block() -> None:
    small = np.concatenate(list(Resamples(50, 30, seed=3).blocks(4)), axis=1)
    large = np.concatenate(list(Resamples(50, 30, seed=3).blocks(128)), axis=1)
    np.testing.assert_array_equal(small, large)
    assert (small.sum(axis=0) == 50).all()
    assert len({tuple(column) for column in small.T}) == 30
    other = np.concatenate(list(Resamples(50, 30, seed=4).blocks()), axis=1)
    assert (small != other).any()


def test_a_thousand_resamples_do_not_repeat() -> None:
    # The published code walks a short cycle: only 129 of its 1,000 resamples differ.
    counts = np.concatenate(list(Resamples(500, 1000, seed=42).blocks()), axis=1)
    assert len({column.tobytes() for column in counts.T.copy()}) == 1000


def test_patients_are_drawn_whole() -> None:
    patients = ["a", "b", "a", "c", "b", "a"]
    resamples = Resamples(6, 40, seed=0, patients=patients)
    assert resamples.units == 3
    counts = np.concatenate(list(resamples.blocks()), axis=1)
    np.testing.assert_array_equal(counts[0], counts[2])
    np.testing.assert_array_equal(counts[0], counts[5])
    np.testing.assert_array_equal(counts[1], counts[4])
    assert (counts[[0, 1, 3]].sum(axis=0) == 3).all()


def test_patients_with_many_images_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    hard = np.repeat(generator.random(40), 25)
    truth = np.tile([0.0, 1.0], 500)
    scores = np.clip(0.5 + (hard - 0.3) * (truth - 0.5) + 0.1 * generator.random(1000), 0, 1)
    patients = [str(number) for number in np.repeat(np.arange(40), 25)]
    width = {}
    for name, groups in (("images", None), ("patients", patients)):
        found = bootstrap([ranking_statistic(scores, truth)], Resamples(1000, 400, 0, groups))
        interval = found.interval("auc", 0)
        width[name] = interval.high - interval.low
    assert width["patients"] > 1.5 * width["images"]


def test_rare_finding_counts_resamples_without_a_positive() -> None:
    truth = np.zeros(20)
    truth[0] = 1
    found = bootstrap([ranking_statistic(np.linspace(0, 1, 20), truth)], Resamples(20, 2000, 1))
    # A given image of 20 is not drawn with probability (1 - 1/20)^20 = 0.358.
    assert found.interval("auc", 0).undefined == pytest.approx(717, abs=80)


def test_finding_without_positive_is_undefined_and_not_in_the_mean() -> None:
    scores, truth = case(0, 50)
    statistics = [ranking_statistic(scores, truth), ranking_statistic(scores, np.zeros(50))]
    found = bootstrap(statistics, Resamples(50, 100, 0))
    assert np.isnan(found.interval("auc", 1).value)
    assert np.isnan(found.interval("auc", 1).low)
    assert found.mean_interval("auc").value == found.interval("auc", 0).value
    nothing = bootstrap(statistics[1:], Resamples(50, 100, 0)).mean_interval("auc")
    assert np.isnan(nothing.value)


SYMMETRIC = np.array([0.4, 0.6] * 500)
"""Without each unit: no skew, and so many units that the spread is known."""


def resampled(values: dict[str, np.ndarray], replicates: np.ndarray) -> Bootstrap:
    rows = len(replicates)
    return Bootstrap(
        values=values,
        replicates={"auc": replicates},
        left_out={"auc": np.stack([SYMMETRIC] * rows)},
        units=1000,
    )


def one(value: float, replicates: np.ndarray, left_out: np.ndarray = SYMMETRIC) -> Resampled:
    return Resampled(value=value, replicates=replicates, left_out=left_out, units=len(left_out))


def flat(value: float, replicates: int) -> Resampled:
    return one(value, np.full(replicates, value), np.zeros(1000))


def test_mean_over_findings_is_resampled_jointly() -> None:
    # Two findings that go up and down together keep their spread; two that go against each
    # other cancel. Averaging the bounds of each would give the same width for both.
    values = {"auc": np.array([0.5, 0.5])}
    wave = np.linspace(0.3, 0.7, 101)
    same = resampled(values, np.stack([wave, wave]))
    against = resampled(values, np.stack([wave, 0.99 * wave[::-1] + 0.005]))
    assert same.mean_interval("auc").high - same.mean_interval("auc").low > 0.37
    assert against.mean_interval("auc").high - against.mean_interval("auc").low < 0.01


def test_mean_counts_resamples_that_lack_a_finding() -> None:
    replicates = np.array([[0.5, np.nan, 0.7], [0.5, 0.6, 0.7]])
    found = resampled({"auc": np.array([0.6, 0.6])}, replicates)
    np.testing.assert_allclose(found.mean_of("auc").replicates, [0.5, 0.6, 0.7])
    assert found.mean_interval("auc").undefined == 1


def test_mean_statistic_leaves_unknown_images_out() -> None:
    statistic = mean_statistic("iou", np.array([0.2, np.nan, 0.8]))
    counts = np.array([[1, 3, 0], [1, 5, 4], [1, 1, 0]], dtype=np.uint16)
    np.testing.assert_allclose(statistic(counts)["iou"], [0.5, 0.35, np.nan])


def test_ratio_of_a_resample_is_that_of_the_sums_and_undefined_where_nothing_is_counted() -> None:
    statistic = ratio_statistic(
        "precision", np.array([1, 0, np.nan, 0]), np.array([2.0, 1.0, 5.0, 0.0])
    )
    counts = np.array([[1, 2, 0], [1, 1, 0], [1, 1, 1], [1, 1, 3]], dtype=np.uint16)
    np.testing.assert_allclose(statistic(counts)["precision"], [1 / 3, 2 / 5, np.nan])


def test_equal_models_do_not_differ() -> None:
    replicates = np.linspace(0, 1, 100)
    found = paired_difference(one(0.5, replicates), one(0.5, replicates))
    assert (found.value, found.p_value) == (0, 1)
    assert np.isnan([found.low, found.high]).all()  # no two resamples differ: nothing is shown


def test_paired_p_value_is_twice_the_smaller_side_where_nothing_is_skew() -> None:
    # 4 of 99 differences are <= 0: p = 2 * (4 + 1) / (99 + 1).
    differences = np.concatenate([np.linspace(-0.2, -0.1, 4), np.linspace(0.1, 4, 95)])
    middle = float(np.median(differences))
    found = paired_difference(one(0.5 + middle, 0.5 + differences), flat(0.5, 99))
    assert found.p_value == pytest.approx(0.1, abs=1e-3)
    turned = paired_difference(flat(0.5, 99), one(0.5 + middle, 0.5 + differences))
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.value == -found.value


def test_a_difference_that_no_resample_denies_has_the_least_p_that_they_can_show() -> None:
    # Ten deviations from none, but told by few images: t with 4 degrees would give 0.0006.
    replicates = np.random.default_rng(0).normal(1.0, 0.1, 999)
    left_out = np.zeros(400)
    left_out[:2] = (-1.0, 1.0)
    found = paired_difference(one(1.0, replicates, left_out), flat_of(left_out))
    assert found.p_value == pytest.approx(0.002)


def test_the_same_difference_in_every_resample_has_the_least_p_too() -> None:
    assert paired_difference(flat(0.6, 99), flat(0.5, 99)).p_value == pytest.approx(0.02)


def test_p_value_and_interval_agree_on_whether_there_is_a_difference() -> None:
    generator = np.random.default_rng(3)
    left_out = generator.exponential(size=60)  # skew
    for shift in np.linspace(-0.6, 2.6, 33):
        replicates = shift + 0.5 * generator.exponential(size=999)
        found = paired_difference(one(shift + 0.4, replicates, left_out), flat_of(left_out))
        # At the edge itself the two differ by one resample, which the p value adds.
        if abs(found.p_value - 0.05) > 0.005:
            assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def flat_of(left_out: np.ndarray) -> Resampled:
    return one(0.0, np.zeros(999), np.zeros_like(left_out))


def test_difference_to_an_undefined_metric_is_undefined() -> None:
    found = paired_difference(one(0.5, np.full(5, 0.5)), one(np.nan, np.full(5, np.nan)))
    assert np.isnan([found.value, found.low, found.high, found.p_value]).all()


def test_a_metric_that_hangs_on_one_image_has_no_interval() -> None:
    # One positive: without it there is no precision, and no resample knows how others would score.
    truth = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])
    scores = np.array([0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.1, 0.0])
    found = bootstrap([ranking_statistic(scores, truth)], Resamples(8, 500, 0))
    interval = found.interval("average_precision", 0)
    assert interval.value == pytest.approx(1 / 2)
    assert np.isnan([interval.low, interval.high]).all()


def test_every_group_of_units_is_left_out_once() -> None:
    patients = [str(number % 450) for number in range(900)]
    resamples = Resamples(900, 1, 0, patients)
    counts = np.concatenate(list(resamples.without()), axis=1)
    assert counts.shape == (900, 200)
    assert (counts.sum(axis=1) == 199).all()  # every image is missing once
    assert (counts[:450] == counts[450:]).all()  # with its patient
    few = np.concatenate(list(Resamples(5, 1, 0).without()), axis=1)
    np.testing.assert_array_equal(few, 1 - np.eye(5))


def test_holm_equals_values_worked_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, times 3, 2, 1: 0.03, 0.04, 0.04. The undefined test is no test.
    adjusted = holm(np.array([0.04, np.nan, 0.01, 0.02]))
    np.testing.assert_allclose(adjusted, [0.04, np.nan, 0.03, 0.04])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1, 1])


def test_bootstrap_of_nothing_is_refused() -> None:
    with pytest.raises(EvaluationError, match="at least one image and one replicate, got 0 and 10"):
        Resamples(0, 10, 0)


def test_patient_names_of_another_length_are_refused() -> None:
    with pytest.raises(EvaluationError, match="2 patient names for 3 images"):
        Resamples(3, 10, 0, ["a", "b"])


@pytest.mark.slow
def test_intervals_cover_the_true_auc_about_95_percent_of_the_time() -> None:
    # Normal scores one deviation apart: the true AUC is Phi(1 / sqrt(2)) = 0.76025.
    generator = np.random.default_rng(7)
    truth = np.repeat([0.0, 1.0], [150, 100])
    inside = 0
    for trial in range(400):
        scores = generator.normal(size=250) + truth
        found = bootstrap([ranking_statistic(scores, truth)], Resamples(250, 400, trial))
        interval = found.interval("auc", 0)
        inside += interval.low <= 0.760250 <= interval.high
    # 95% of 400 is 380 with a deviation of 4.4; a 90% interval would cover 360.
    assert 366 <= inside <= 393


@pytest.mark.slow
def test_cluster_intervals_cover_where_single_images_do_not() -> None:
    # Each patient has 8 images that share a shift, so single images know too much.
    generator = np.random.default_rng(8)
    truth = np.repeat(np.tile([0.0, 1.0], 30), 8)
    patients = [str(number) for number in np.repeat(np.arange(60), 8)]
    inside = {"images": 0, "patients": 0}
    for trial in range(200):
        shift = np.repeat(generator.normal(size=60), 8)
        scores = shift + generator.normal(size=480) + truth * 2**0.5
        for name, groups in (("images", None), ("patients", patients)):
            found = bootstrap(
                [ranking_statistic(scores, truth)], Resamples(480, 300, trial, groups)
            )
            interval = found.interval("auc", 0)
            inside[name] += interval.low <= 0.760250 <= interval.high  # spread sqrt(2) each
    assert inside["patients"] >= 180
    assert inside["images"] <= 140
