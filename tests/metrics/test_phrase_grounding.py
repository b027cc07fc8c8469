"""Overlap of phrase maps with boxes, and the published code's numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from carina.errors import EvaluationError
from carina.imaging.preprocessing import Placement
from carina.metrics.grounding import box_mask, contrast_to_noise, pointing_hit
from carina.metrics.phrase_grounding import (
    PHRASE_THRESHOLDS,
    covered_by,
    maco_official_box,
    maco_official_scores,
    overlap_at_thresholds,
    scaled,
)

TRUTH = np.array([[True, True, False, False]])


def test_overlap_at_thresholds_worked_by_hand() -> None:
    # Scaled to [-1, 1]: 1, 0.2, 0.5, -1.
    heatmap = np.array([[10.0, 6.0, 7.5, 0.0]])
    overlap = overlap_at_thresholds(heatmap, TRUTH)
    # Above 0.1: three pixels, two of them right: 2/3. From 0.2 on the second is not above: of the
    # first and third the first is right, 1/3. Above 0.5 the first alone: 1/2.
    np.testing.assert_allclose(overlap, [2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 2])


def test_a_map_without_differences_misses_instead_of_being_left_out() -> None:
    assert overlap_at_thresholds(np.full((1, 4), 3.0), TRUTH).tolist() == [0.0] * 5
    assert scaled(np.full((1, 4), 3.0)).tolist() == [[0.0] * 4]


def test_without_truth_there_is_no_overlap() -> None:
    nothing = np.zeros((1, 4), dtype=bool)
    assert np.isnan(overlap_at_thresholds(np.arange(4.0)[None], nothing)).all()


def test_the_range_of_a_map_makes_no_difference() -> None:
    heatmap = np.random.default_rng(0).normal(size=(6, 6))
    truth = heatmap > 0.5
    np.testing.assert_allclose(
        overlap_at_thresholds(heatmap, truth), overlap_at_thresholds(heatmap * 7 - 40, truth)
    )


def test_officially_pixels_of_two_boxes_count_twice_in_the_size_of_the_truth() -> None:
    heatmap = np.array([[2.0, 1.0, 0.0, 0.0]])
    scores = maco_official_scores(heatmap, np.array([[2, 1, 0, 1]]), (0.5,))
    # Above 0.5 on [-1, 1] is the first pixel alone; the truth's size is 2 + 1 + 1.
    assert scores.dice[0.5] == pytest.approx(2 * 1 / (1 + 4))
    assert (scores.precision[0.5], scores.recall[0.5]) == (1.0, 0.25)
    assert scores.iou[0.5] == pytest.approx(1 / 3)
    # Inside are the pixels of one box: 1 and 0; outside the 0. (0.5 - 0) / sqrt(0.25).
    assert scores.cnr == pytest.approx(1.0)
    assert scores.pointing == 1.0
    assert np.isnan(maco_official_scores(heatmap, np.array([[1, 0, 0, 0]]), (1.0,)).iou[1.0])


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(EvaluationError, match="0 x 5 pixels"):
        maco_official_box((0, 0, 1, 1), 5, 0)


def upsampled(grid: np.ndarray) -> np.ndarray:
    whole = Placement(
        height=224, width=224, size=224, scaled_height=224, scaled_width=224, top=0, left=0
    )
    return whole.to_original(np.asarray(grid, dtype=np.float32))


def cases(parity_dir: Path) -> list[tuple[dict, np.ndarray]]:
    folder = parity_dir / "maco"
    recorded = json.loads((folder / "manifest.json").read_text())["grounding"]
    assert recorded
    with np.load(folder / "outputs.npz") as arrays:
        maps = [
            upsampled(arrays[f"grounding.{place}.smooth"].reshape(14, 14))
            for place in range(len(recorded))
        ]
    return list(zip(recorded, maps, strict=True))


def test_scores_of_recorded_maps_equal_the_official_ones_parity_maco(parity_dir: Path) -> None:
    for case, heatmap in cases(parity_dir):
        covered = covered_by([tuple(box) for box in case["boxes_224"]], 224, 224)
        assert covered.max() == case["mask_max"]
        scores = maco_official_scores(heatmap, covered)
        assert scores.cnr == pytest.approx(case["cnr"], abs=2e-5, rel=1e-4)
        assert scores.pointing == case["pointing"]
        for name in ("iou", "dice", "precision", "recall"):
            ours = getattr(scores, name)
            assert len(case[name]) == len(PHRASE_THRESHOLDS)
            for limit, value in case[name].items():
                assert ours[float(limit)] == pytest.approx(value, abs=1e-3), (name, limit)


def test_our_scores_equal_the_official_ones_of_one_box_parity_maco(parity_dir: Path) -> None:
    case, heatmap = cases(parity_dir)[0]
    assert case["mask_max"] == 1
    corners = [
        tuple(map(float, (x, y, x + across, y + down))) for x, y, across, down in case["boxes_224"]
    ]
    truth = box_mask(corners, 224, 224)
    assert contrast_to_noise(heatmap, truth).signed == pytest.approx(case["cnr"], rel=1e-4)
    # The greatest value fills several pixels at the edge: ours is the share of them inside.
    assert (pointing_hit(heatmap, truth) > 0) == bool(case["pointing"])
    np.testing.assert_allclose(
        overlap_at_thresholds(heatmap, truth), list(case["iou"].values()), atol=1e-3
    )


def test_boxes_are_transferred_as_officially_parity_maco(parity_dir: Path) -> None:
    recorded = json.loads((parity_dir / "maco" / "manifest.json").read_text())["box_transfer"]
    assert recorded
    for case in recorded:
        box = maco_official_box(tuple(case["box"]), case["height"], case["width"], case["scale"])
        assert list(box) == case["out"]
