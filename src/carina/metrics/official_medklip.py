"""What MedKLIP's published test code prints, where it differs from what is right.

Kept so that published numbers can be recomputed and the difference seen; nothing else uses it.
Every threshold here is either fixed or chosen on the images that are then scored.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from carina.metrics.classification import auc, check_pair, f1
from carina.metrics.grounding import dice, intersection_over_union
from carina.metrics.thresholds import choose_thresholds

MAP_THRESHOLD = 0.008
"""The attention above which a pixel counts as inside; a flat map of 14 x 14 has 0.0051."""

CELL = 16
"""The side of the block of pixels that one cell of the map covers."""


@dataclass(frozen=True, kw_only=True)
class OfficialClassification:
    """AUC, greatest F1, its threshold, and the accuracy at it, of every finding."""

    auc: Float[np.ndarray, " findings"]
    max_f1: Float[np.ndarray, " findings"]
    thresholds: Float[np.ndarray, " findings"]
    accuracy: Float[np.ndarray, " findings"]


def medklip_official_classification(
    scores: Float[np.ndarray, "images findings"], truth: Float[np.ndarray, "images findings"]
) -> OfficialClassification:
    """F1 made greatest on the test images, and accuracy at its threshold.

    F1 counts a score equal to the threshold as present; accuracy, by its strict >, as absent. So
    one image that F1 called rightly is lost to accuracy. Of equally good thresholds the lowest.

    Args:
        scores: in [0, 1].
        truth: 1 or 0.
    """
    check_pair(scores, truth)
    chosen = choose_thresholds(scores, truth, f1)
    thresholds = np.array([_lowest_best(scores[:, i], truth[:, i]) for i in range(truth.shape[1])])
    return OfficialClassification(
        auc=auc(scores, truth),
        max_f1=chosen.best,
        thresholds=thresholds,
        accuracy=((scores > thresholds) == (truth == 1)).mean(axis=0),
    )


def _lowest_best(
    scores: Float[np.ndarray, " images"], truth: Float[np.ndarray, " images"]
) -> float:
    """The lowest score that makes F1 greatest, found by trying each."""
    tried = np.unique(scores)
    called = scores >= tried[:, None]
    hits = (called & (truth == 1)).sum(axis=1)
    return float(tried[np.argmax(2 * hits / (called.sum(axis=1) + (truth == 1).sum()))])


@dataclass(frozen=True, kw_only=True)
class OfficialGrounding:
    """One map against one mask: whether any of the greatest pixels hits, IoU and Dice."""

    hit: bool
    iou: float
    dice: float


def medklip_official_grounding(
    grid: Float[np.ndarray, "rows cols"], mask: Bool[np.ndarray, "height width"]
) -> OfficialGrounding:
    """The grounding of a positive image as the published RSNA test counts it.

    Every cell becomes a block of 16 x 16 equal pixels, nothing between them is interpolated, so
    the maximum is always a tie: a hit is any of its pixels inside the mask, and a flat map always
    hits. The binary map is what exceeds `MAP_THRESHOLD`. `metrics.grounding` counts the share of
    the greatest pixels inside, and chooses the threshold on other images.

    Args:
        grid: the mean of the layers' attention to one finding; its sum is 1.
        mask: rows * 16 x cols * 16 pixels, not empty.
    """
    heatmap = np.kron(grid, np.ones((CELL, CELL), dtype=grid.dtype))
    inside = heatmap > MAP_THRESHOLD
    return OfficialGrounding(
        hit=bool(mask[heatmap == heatmap.max()].any()),
        iou=intersection_over_union(inside, mask),
        dice=dice(inside, mask),
    )


@dataclass(frozen=True, kw_only=True)
class OfficialSegmentation:
    """Mean Dice of all images, of those with an empty and with another mask; mean smoothed IoU."""

    dice: float
    dice_of_empty: float
    dice_of_others: float
    iou: float


def medklip_official_segmentation(
    probability: Float[np.ndarray, "images height width"],
    masks: Shaped[np.ndarray, "images height width"],
) -> OfficialSegmentation:
    """Segmentation at 0.5 as the published SIIM-ACR test counts it.

    An image with an empty mask has Dice 1 if nothing was predicted, else 0, so the mean over all
    images is mostly how often a healthy lung is left alone. IoU has 1 added to numerator and
    denominator, so that an empty mask left alone has 1.

    Args:
        probability: of each pixel, in [0, 1].
        masks: 1 inside, 0 outside.
    """
    predicted, truth = probability > 0.5, masks > 0.5
    empty = ~truth.any(axis=(1, 2))
    common = (predicted & truth).sum(axis=(1, 2))
    total = predicted.sum(axis=(1, 2)) + truth.sum(axis=(1, 2))
    scores = np.where(empty, total == 0, 2 * common / np.maximum(total, 1))
    return OfficialSegmentation(
        dice=float(scores.mean()),
        dice_of_empty=float(scores[empty].mean()) if empty.any() else float("nan"),
        dice_of_others=float(scores[~empty].mean()) if not empty.all() else float("nan"),
        iou=float(((common + 1) / (total - common + 1)).mean()),
    )
