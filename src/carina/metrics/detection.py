"""Boxes against boxes: average precision, with any set of overlaps that count as found.

A predicted box is right if it overlaps a true one, not yet taken by a better-scored box, by at
least the threshold. Images without true boxes count: every box on them is a false alarm. The
papers of MaCo and ECAMP average over IoU 0.4 : 0.05 : 0.75 (RSNA's own rule is another), COCO over
0.5 : 0.05 : 0.95.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer

from carina.metrics.classification import Statistic
from carina.metrics.ranking import Counts

PAPERS = np.arange(40, 80, 5) / 100
"""IoU 0.4 to 0.75."""
COCO = np.arange(50, 100, 5) / 100
"""IoU 0.5 to 0.95."""
RECALLS = np.arange(101) / 100
"""Where COCO reads precision off."""


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Boxes (x1, y1, x2, y2) of one finding on one image; `scores` only of predicted ones."""

    boxes: Float[np.ndarray, "boxes 4"]
    scores: Float[np.ndarray, " boxes"]
    truth: Float[np.ndarray, "true 4"]


def overlaps(
    boxes: Float[np.ndarray, "a 4"], others: Float[np.ndarray, "b 4"]
) -> Float[np.ndarray, "a b"]:
    """Intersection over union of every pair."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    other_areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = areas[:, None] + other_areas[None] - both
    shared: Float[np.ndarray, "a b"] = np.divide(
        both, union, out=np.zeros_like(both), where=union > 0
    )
    return shared


def matched(
    image: Detections, thresholds: Float[np.ndarray, " thresholds"]
) -> Bool[np.ndarray, "thresholds boxes"]:
    """Which predicted boxes are right at each threshold; the best-scored ones choose first.

    Each takes the true box that it overlaps most among those that are free.
    """
    right = np.zeros((len(thresholds), len(image.boxes)), dtype=bool)
    if not len(image.boxes) or not len(image.truth):
        return right
    shared = overlaps(image.boxes, image.truth)
    order = np.argsort(-image.scores, kind="stable")
    for row, threshold in enumerate(thresholds):
        free = np.ones(len(image.truth), dtype=bool)
        for box in order:
            open_overlaps = np.where(free, shared[box], -1.0)
            best = int(open_overlaps.argmax())
            if open_overlaps[best] >= threshold:
                free[best] = False
                right[row, box] = True
    return right


def detection_statistic(
    images: Sequence[Detections], sets: dict[str, Float[np.ndarray, " thresholds"]]
) -> Statistic:
    """Mean average precision of one finding for each named set of thresholds.

    Precision is made non-increasing from the right and read off at 101 recalls, as COCO does.
    Undefined in a resample without a true box.
    """
    every = np.unique(np.concatenate(list(sets.values())))
    right = np.concatenate([matched(image, every) for image in images], axis=1)
    scores = np.concatenate([image.scores for image in images])
    owner = np.repeat(np.arange(len(images)), [len(image.scores) for image in images])
    true_boxes = np.array([len(image.truth) for image in images], dtype=np.float64)
    order = np.argsort(-scores, kind="mergesort")
    right, owner = right[:, order], owner[order]
    members = {name: np.isin(every, values) for name, values in sets.items()}

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        positives = true_boxes @ counts
        called = np.cumsum(counts[owner], axis=0, dtype=np.int64)
        values = np.stack(
            [
                average_precisions(counts[owner[row]], called[row], positives)
                for row in map(np.flatnonzero, right)
            ]
        )
        return {name: values[member].mean(axis=0) for name, member in members.items()}

    return statistic


def average_precisions(
    drawn: Integer[np.ndarray, "right replicates"],
    called: Integer[np.ndarray, "right replicates"],
    positives: Float[np.ndarray, " replicates"],
) -> Float[np.ndarray, " replicates"]:
    """Average precision in every resample; nan without a true box.

    Precision rises at right boxes only, so its envelope is known from them alone.

    Args:
        drawn: how often the image of each right box was drawn, best-scored boxes first.
        called: how many boxes, right or wrong, score at least as well as each right one.
        positives: how many true boxes there are.
    """
    found = np.cumsum(drawn, axis=0, dtype=np.int64)
    precision = np.divide(found, called, out=np.zeros(found.shape), where=called > 0)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    values = np.full(len(positives), np.nan)
    for column in np.flatnonzero(positives > 0):
        recall = found[:, column] / positives[column]
        places = np.searchsorted(recall, RECALLS, side="left")
        reached = places[places < len(recall)]
        values[column] = envelope[reached, column].sum() / len(RECALLS)
    return values
