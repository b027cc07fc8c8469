"""What a metric can be: no interval reaches further, however few the images are."""

from collections.abc import Mapping

from carina.metrics.units import Ends

_SHARES = [
    "accuracy",
    "auc",
    "auc_one_rest",
    "average_precision",
    "dice",
    "dice_with_empty",
    "f1",
    "false_alarm",
    "iou",
    "map",
    "map_coco",
    "ap50",
    "ap75",
    "pointing_game",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
]
RANGES: Mapping[str, Ends] = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys(("correlation", "kappa", "mcc"), (-1.0, 1.0)),
    "mae": (0.0, float("inf")),
}


def within_range(metric: str, low: float, high: float) -> Ends:
    """Two ends, cut where the metric's range ends; as they are of one that is not listed."""
    least, most = RANGES.get(metric, (-float("inf"), float("inf")))
    return max(low, least), min(high, most)
