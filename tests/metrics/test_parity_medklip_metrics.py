import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carina.metrics.grounding import pointing_hit
from carina.metrics.official_medklip import (
    medklip_official_classification,
    medklip_official_grounding,
    medklip_official_segmentation,
)


@pytest.fixture(scope="module")
def inputs(parity_dir: Path) -> dict[str, np.ndarray]:
    return dict(np.load(parity_dir / "medklip" / "metrics_inputs.npz"))


@pytest.fixture(scope="module")
def official(parity_dir: Path) -> dict[str, Any]:
    return json.loads((parity_dir / "medklip" / "extras.json").read_text())["metrics"]


def test_parity_with_medklip_of_auc_greatest_f1_threshold_and_accuracy(
    inputs: dict[str, np.ndarray], official: dict[str, Any]
) -> None:
    expected = {key: np.array(values) for key, values in official["classification"].items()}
    found = medklip_official_classification(
        inputs["prob"].astype(float), inputs["gt"].astype(float)
    )
    np.testing.assert_array_equal(found.thresholds, expected["threshold"])
    np.testing.assert_allclose(found.auc, expected["auc"], atol=1e-12)
    np.testing.assert_allclose(found.max_f1, expected["max_f1"], atol=1e-12)
    np.testing.assert_allclose(found.accuracy, expected["acc"], atol=1e-12)


def test_parity_with_medklip_of_grounding_hits_iou_and_dice(
    inputs: dict[str, np.ndarray], official: dict[str, Any]
) -> None:
    expected = official["grounding"]
    positive = [i for i, label in enumerate(expected["labels"]) if label == 1]
    found = [
        medklip_official_grounding(
            inputs["grounding_map_14x14"][i], inputs["grounding_mask"][i].astype(bool)
        )
        for i in positive
    ]
    assert len(found) == expected["total"]
    assert sum(one.hit for one in found) == expected["hits"]
    # The official code adds a small constant to its denominators.
    np.testing.assert_allclose([one.iou for one in found], expected["iou"], atol=1e-7)
    np.testing.assert_allclose([one.dice for one in found], expected["dice"], atol=1e-7)


def test_parity_with_medklip_shows_that_a_flat_map_hits_officially_and_by_its_share_with_us(
    inputs: dict[str, np.ndarray],
) -> None:
    grid, mask = inputs["grounding_map_14x14"][2], inputs["grounding_mask"][2].astype(bool)
    assert np.ptp(grid) == 0
    assert medklip_official_grounding(grid, mask).hit
    blocks = np.kron(grid, np.ones((16, 16)))
    assert pointing_hit(blocks, mask) == pytest.approx(mask.mean())


def test_parity_with_medklip_of_segmentation_dice_and_smoothed_iou(
    inputs: dict[str, np.ndarray], official: dict[str, Any]
) -> None:
    expected = official["segmentation"]
    found = medklip_official_segmentation(inputs["seg_prob"][:, 0], inputs["seg_mask"][:, 0])
    assert (inputs["seg_mask"].sum(axis=(1, 2, 3)) == 0).sum() == expected["negatives"]
    assert found.dice == pytest.approx(expected["dice"], abs=1e-6)
    assert found.dice_of_empty == pytest.approx(expected["dice_negative"])
    assert found.dice_of_others == pytest.approx(expected["dice_positive"], abs=1e-6)
    assert found.iou == pytest.approx(expected["miou"], abs=1e-6)


def slim() -> dict[str, Any]:
    """A few of the recorded numbers, so that a clean clone proves something too."""
    return json.loads(Path(__file__).with_name("medklip_slim.json").read_text())


def test_classification_of_one_finding_equals_what_medklips_code_recorded() -> None:
    case = slim()["classification"]
    # The scores are recorded in single precision, and so is the threshold.
    scores = np.array(case["scores"], dtype=np.float32).astype(float)
    found = medklip_official_classification(
        scores[:, None], np.array(case["truth"], float)[:, None]
    )
    assert found.thresholds[0] == case["threshold"]
    assert found.auc[0] == pytest.approx(case["auc"], abs=1e-12)
    assert found.max_f1[0] == pytest.approx(case["max_f1"], abs=1e-12)
    assert found.accuracy[0] == pytest.approx(case["acc"], abs=1e-12)


def test_grounding_of_two_images_equals_what_medklips_code_recorded() -> None:
    for case in slim()["grounding"]:
        top, bottom, left, right = case["rectangle"]
        mask = np.zeros((224, 224), dtype=bool)
        mask[top:bottom, left:right] = True
        found = medklip_official_grounding(np.array(case["grid"], dtype=np.float32), mask)
        assert found.iou == pytest.approx(case["iou"], abs=1e-7)
        assert found.dice == pytest.approx(case["dice"], abs=1e-7)


def test_medklips_accuracy_loses_the_image_at_the_threshold() -> None:
    # Perfect order: F1 is 1 at >= 0.6, where a strict > calls the image at 0.6 absent.
    scores = np.array([[0.9], [0.6], [0.2], [0.1]])
    found = medklip_official_classification(scores, np.array([[1.0], [1.0], [0.0], [0.0]]))
    assert (found.thresholds[0], found.max_f1[0], found.accuracy[0]) == (0.6, 1.0, 0.75)


def test_medklips_threshold_is_the_lowest_of_equally_good_ones() -> None:
    # >= 0.9: 1 of 2 found, F1 2/3; >= 0.1: both found with two false alarms, F1 4/6.
    scores = np.array([[0.9], [0.1], [0.5], [0.4]])
    found = medklip_official_classification(scores, np.array([[1.0], [1.0], [0.0], [0.0]]))
    assert found.max_f1[0] == pytest.approx(2 / 3)
    assert found.thresholds[0] == 0.1


def test_medklips_map_is_worked_by_hand() -> None:
    # Two cells of 16 x 16 pixels, of which only the left one exceeds 0.008.
    grid = np.array([[0.5, 0.007]])
    mask = np.zeros((16, 32), dtype=bool)
    mask[:8, :] = True
    found = medklip_official_grounding(grid, mask)
    # Predicted 256 pixels, truth 256, in common 128: IoU 128 / 384, Dice 256 / 512.
    assert found.hit
    assert found.iou == pytest.approx(1 / 3)
    assert found.dice == pytest.approx(1 / 2)


def test_medklips_segmentation_is_worked_by_hand() -> None:
    nothing, left = np.zeros((2, 2)), np.array([[1.0, 0.0], [1.0, 0.0]])
    # Left alone: Dice 1, IoU 1. Half found: Dice 2/3, IoU (1 + 1) / (2 + 1).
    probability = np.stack([nothing, np.array([[0.9, 0.1], [0.5, 0.0]])])
    found = medklip_official_segmentation(probability, np.stack([nothing, left]))
    assert (found.dice_of_empty, found.dice_of_others) == (1, pytest.approx(2 / 3))
    assert found.dice == pytest.approx((1 + 2 / 3) / 2)
    assert found.iou == pytest.approx((1 + 2 / 3) / 2)
    only = medklip_official_segmentation(nothing[None], left[None])
    assert np.isnan(only.dice_of_empty)
    assert np.isnan(medklip_official_segmentation(nothing[None], nothing[None]).dice_of_others)
