"""Masks against masks, with both conventions for images on which there is nothing.

`dice` leaves images without truth out. The papers of MedKLIP, MaCo and ECAMP score them too: 1
where nothing is predicted, else 0; that is `dice_with_empty`. On a set in which most images have
no finding the two differ by tens of points, so both are always reported.
"""

import numpy as np
from jaxtyping import Bool

from carina.metrics.grounding import dice, intersection_over_union

METRICS = ("dice", "dice_with_empty", "iou", "false_alarm")


def mask_metrics(
    predicted: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> dict[str, float]:
    """Every metric of one mask on one image.

    Returns:
        `dice` and `iou`, nan without truth; `dice_with_empty`; `false_alarm`, 1 where something
        is predicted on an image without truth, nan with truth.
    """
    empty = not truth.any()
    alarm = float(predicted.any())
    overlap = dice(predicted, truth)
    return {
        "dice": overlap,
        "dice_with_empty": 1.0 - alarm if empty else overlap,
        "iou": intersection_over_union(predicted, truth),
        "false_alarm": alarm if empty else float("nan"),
    }
