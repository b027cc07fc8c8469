import numpy as np

from carina.metrics.segmentation import METRICS, mask_metrics


def mask(*pixels: int) -> np.ndarray:
    made = np.zeros((2, 3), dtype=bool)
    made.ravel()[list(pixels)] = True
    return made


def test_an_overlap_by_hand() -> None:
    metrics = mask_metrics(mask(0, 1), mask(1, 2, 3))
    assert metrics["dice"] == metrics["dice_with_empty"] == 2 / 5
    assert metrics["iou"] == 1 / 4
    assert np.isnan(metrics["false_alarm"])
    assert set(metrics) == set(METRICS)


def test_nothing_predicted_where_there_is_something_is_zero() -> None:
    metrics = mask_metrics(mask(), mask(1))
    assert (metrics["dice"], metrics["dice_with_empty"], metrics["iou"]) == (0.0, 0.0, 0.0)


def test_both_conventions_of_an_image_without_truth() -> None:
    silent, alarmed = mask_metrics(mask(), mask()), mask_metrics(mask(4), mask())
    assert (silent["dice_with_empty"], silent["false_alarm"]) == (1.0, 0.0)
    assert (alarmed["dice_with_empty"], alarmed["false_alarm"]) == (0.0, 1.0)
    assert np.isnan([silent["dice"], silent["iou"], alarmed["dice"], alarmed["iou"]]).all()
