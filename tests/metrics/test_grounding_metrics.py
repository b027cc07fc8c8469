import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import EvaluationError
from carina.metrics.grounding import (
    FRAME,
    THRESHOLDS,
    area_share,
    box_fault,
    box_mask,
    check_map,
    check_shapes,
    choose_map_threshold,
    contrast_to_noise,
    dice,
    dice_at_thresholds,
    dilated,
    framed,
    intersection_over_union,
    peak_distance,
    pointing_hit,
    position_baseline,
    predicted_mask,
)

HEAT = np.array([[0.0, 1.0], [2.0, 4.0]])
CORNER = np.array([[False, False], [False, True]])
LEFT = np.array([[True, False], [True, False]])
NOTHING = np.zeros((2, 2), dtype=bool)


def test_pointing_hits_where_the_greatest_value_lies_inside() -> None:
    assert pointing_hit(HEAT, CORNER) == 1
    assert pointing_hit(HEAT, LEFT) == 0


def test_pointing_tie_is_the_share_of_the_greatest_pixels_inside() -> None:
    assert pointing_hit(np.array([[4.0, 1.0], [2.0, 4.0]]), CORNER) == 0.5


@given(seed=st.integers(0, 1000))
def test_constant_map_points_no_better_than_chance(seed: int) -> None:
    truth = np.random.default_rng(seed).random((8, 9)) < 0.3
    truth[0, 0] = True
    assert pointing_hit(np.full((8, 9), 0.2), truth) == pytest.approx(area_share(truth))


def test_overlap_equals_values_counted_by_hand() -> None:
    # Predicted: the lower row, 2 pixels; truth: the left column, 2; one in common, three in all.
    lower = np.array([[False, False], [True, True]])
    assert intersection_over_union(lower, LEFT) == pytest.approx(1 / 3)
    assert dice(lower, LEFT) == pytest.approx(2 / 4)


def test_empty_prediction_scores_nothing_and_empty_truth_is_undefined() -> None:
    assert intersection_over_union(NOTHING, LEFT) == 0
    assert dice(NOTHING, LEFT) == 0
    for value in (
        intersection_over_union(LEFT, NOTHING),
        dice(LEFT, NOTHING),
        pointing_hit(HEAT, NOTHING),
        area_share(NOTHING),
        contrast_to_noise(HEAT, NOTHING).signed,
        contrast_to_noise(HEAT, ~NOTHING).signed,
        dice_at_thresholds(HEAT, NOTHING)[0],
    ):
        assert np.isnan(value)


def test_predicted_mask_takes_shares_of_the_greatest_value() -> None:
    np.testing.assert_array_equal(predicted_mask(HEAT, 0.5), [[False, False], [True, True]])
    np.testing.assert_array_equal(predicted_mask(HEAT, 1.0), CORNER)
    assert not predicted_mask(np.zeros((2, 2)), 0.5).any()


@given(seed=st.integers(0, 2**32 - 1))
def test_dice_of_all_thresholds_equals_dice_of_each(seed: int) -> None:
    generator = np.random.default_rng(seed)
    heatmap = generator.random((7, 5)).astype(np.float32)
    truth = generator.random((7, 5)) < 0.4
    truth[3, 3] = True
    each = [dice(predicted_mask(heatmap, float(threshold)), truth) for threshold in THRESHOLDS]
    np.testing.assert_allclose(dice_at_thresholds(heatmap, truth), each, atol=1e-12)
    assert (dice_at_thresholds(np.zeros((7, 5)), truth) == 0).all()


def test_map_threshold_is_best_on_average_over_cases() -> None:
    curves = [np.zeros(100), np.zeros(100), np.full(100, np.nan)]
    curves[0][[19, 49]] = 0.8, 0.6
    curves[1][49] = 0.6
    threshold, best = choose_map_threshold(curves)
    assert threshold == pytest.approx(0.5)
    assert best == pytest.approx(0.6)
    assert np.isnan(choose_map_threshold([curves[2]])).all()


def test_contrast_equals_value_worked_by_hand() -> None:
    # Inside: 0, 2 (mean 1, variance 1). Outside: 1, 4 (mean 2.5, variance 2.25).
    found = contrast_to_noise(HEAT, LEFT)
    assert found.signed == pytest.approx(-1.5 / 3.25**0.5)
    assert found.absolute == pytest.approx(1.5 / 3.25**0.5)


def test_contrast_of_a_constant_map_is_zero_and_of_a_perfect_one_undefined() -> None:
    assert contrast_to_noise(np.ones((2, 2)), LEFT).signed == 0
    assert np.isnan(contrast_to_noise(LEFT.astype(float), LEFT).signed)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_contrast_ignores_the_scale_of_the_map(seed: int, scale: float, shift: float) -> None:
    heatmap = np.random.default_rng(seed).random((6, 6))
    truth = np.zeros((6, 6), dtype=bool)
    truth[1:3, 2:5] = True
    found = contrast_to_noise(heatmap * scale + shift, truth).signed
    assert found == pytest.approx(contrast_to_noise(heatmap, truth).signed, abs=1e-6)


def test_position_baseline_points_where_the_other_cases_lie() -> None:
    here, there = np.zeros((4, 4), dtype=bool), np.zeros((4, 4), dtype=bool)
    here[0, 0], there[3, 3] = True, True
    # The others of the third case are two at (0, 0): wrong for it. Each of the first two has one
    # case here and one there, a tie of which half is right.
    np.testing.assert_allclose(position_baseline([here, here, there]), [0.5, 0.5, 0])
    np.testing.assert_allclose(position_baseline([here, here, here]), [1, 1, 1])


def test_position_baseline_leaves_the_case_itself_out() -> None:
    masks = [np.zeros((4, 4), dtype=bool) for _ in range(4)]
    for place, mask in enumerate(masks):
        mask[place, place] = True
    # Nothing is common: each points at one of three places that are all wrong.
    np.testing.assert_array_equal(position_baseline(masks), np.zeros(4))
    assert np.isnan(position_baseline(masks[:1])).all()


def test_framed_mask_keeps_its_share_and_place() -> None:
    truth = np.zeros((300, 200), dtype=bool)
    truth[:150, 100:] = True
    small = framed(truth)
    assert small.mean() == pytest.approx(0.25)
    assert small[: FRAME // 2, FRAME // 2 :].all()


def test_framed_mask_of_one_pixel_is_not_lost() -> None:
    truth = np.zeros((1000, 1000), dtype=bool)
    truth[999, 3] = True
    small = framed(truth)
    assert small.sum() == 1
    assert small[FRAME - 1, 0]
    assert not framed(np.zeros((10, 10), dtype=bool)).any()


def test_dilated_mask_grows_by_the_margin_in_all_directions() -> None:
    truth = np.zeros((7, 9), dtype=bool)
    truth[3, 4] = True
    grown = dilated(truth, 2)
    assert grown.sum() == 25
    assert grown[1:6, 2:7].all()
    np.testing.assert_array_equal(dilated(truth, 0), truth)
    corner = np.zeros((5, 5), dtype=bool)
    corner[0, 0] = True
    assert dilated(corner, 1).sum() == 4


def test_box_covers_the_pixels_whose_centres_it_holds() -> None:
    mask = box_mask([(1.0, 0.0, 3.0, 2.0)], 4, 5)
    assert mask.sum() == 4
    assert mask[0:2, 1:3].all()
    # 0.6 to 1.4 holds no pixel's centre (0.5, 1.5): the pixel with the box's own centre.
    thin = box_mask([(0.6, 0.0, 1.4, 1.0)], 2, 3)
    np.testing.assert_array_equal(thin, [[False, True, False], [False, False, False]])


def test_boxes_are_united_and_cut_off_at_the_border() -> None:
    mask = box_mask(
        [(-5.0, -5.0, 1.0, 1.0), (2.0, 1.0, 99.0, 99.0), (50.0, 50.0, 60.0, 60.0)], 2, 3
    )
    np.testing.assert_array_equal(mask, [[True, False, False], [False, False, True]])
    assert not box_mask([], 2, 3).any()


def test_map_and_mask_of_different_sizes_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"\(2, 2\) pixels is compared with a mask of \(3, 2"):
        check_shapes(HEAT, np.ones((3, 2), dtype=bool))


def test_a_map_with_values_that_are_not_numbers_is_refused_and_not_left_out_of_the_mean() -> None:
    broken = np.array([[0.0, np.nan], [np.inf, 4.0]])
    with pytest.raises(EvaluationError, match="2 of the 4 values of a heat-map are not numbers"):
        check_map(broken, CORNER)
    for measure in (pointing_hit, dice_at_thresholds, contrast_to_noise):
        with pytest.raises(EvaluationError, match="not numbers"):
            measure(broken, CORNER)


def test_blocks_of_equal_pixels_score_the_share_of_the_greatest_block_inside() -> None:
    # Cells repeated 4 x 4, as official maps are: the greatest block has 16 pixels, 4 inside.
    heatmap = np.kron(np.array([[0.1, 0.4], [0.2, 0.3]]), np.ones((4, 4)))
    truth = np.zeros((8, 8), dtype=bool)
    truth[3, 4:], truth[7] = True, True
    assert pointing_hit(heatmap, truth) == 4 / 16


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ((3.0, 1.0, 3.0, 5.0), r"has no area \(width 0, height 4\)"),
        ((3.0, 5.0, 6.0, 1.0), r"has no area \(width 3, height -4\)"),
        ((20.0, 1.0, 30.0, 5.0), "lies outside the radiograph of 20 x 10 pixels"),
        ((1.0, -9.0, 5.0, 0.0), "lies outside the radiograph of 20 x 10 pixels"),
        ((1.0, 1.0, float("nan"), 5.0), "has a corner that is not a number"),
    ],
)
def test_box_that_cannot_be_an_outline_says_why(
    box: tuple[float, float, float, float], fault: str
) -> None:
    assert re.search(fault, box_fault(box, height=10, width=20) or "")


def test_box_that_reaches_beyond_the_image_is_no_fault() -> None:
    assert box_fault((-3.0, -3.0, 1.0, 1.0), height=10, width=20) is None
    assert box_fault((19.9, 9.9, 99.0, 99.0), height=10, width=20) is None


def test_distance_of_the_peak_is_worked_by_hand() -> None:
    heatmap, truth = np.zeros((10, 20)), np.zeros((10, 20), dtype=bool)
    heatmap[2, 3], truth[6:8, 5:9] = 1.0, True
    # 4 rows down to row 6, 2 columns across to column 5; the shorter side is 10.
    assert peak_distance(heatmap, truth) == pytest.approx(4 / 10)
    heatmap[7, 8] = 2.0
    assert peak_distance(heatmap, truth) == 0
    assert np.isnan(peak_distance(heatmap, np.zeros((10, 20), dtype=bool)))


@given(seed=st.integers(0, 1000), steps=st.integers(0, 4))
def test_peak_within_a_distance_lies_in_the_dilated_truth(seed: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    heatmap, truth = generator.random((9, 12)), generator.random((9, 12)) < 0.05
    truth[4, 4] = True
    near = peak_distance(heatmap, truth) <= steps / 9 + 1e-12
    assert near == bool(pointing_hit(heatmap, dilated(truth, steps)))
