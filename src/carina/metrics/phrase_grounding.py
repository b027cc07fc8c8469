"""How well a map of a phrase fits the boxes that a reader drew for it.

Contrast-to-noise and pointing game are those of `metrics.grounding`. What is added here is the
overlap at fixed thresholds, and the published code's way with boxes that overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer

from carina.errors import EvaluationError
from carina.metrics.grounding import check_shapes, intersection_over_union

PHRASE_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Where a map on [-1, 1] counts as inside (MaCo, and BioViL before it)."""

PixelBox = tuple[int, int, int, int]
"""Left, top, width and height in whole pixels."""


def scaled(heatmap: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """The map between its least value, now -1, and its greatest, now 1.

    Returns:
        0 everywhere for a map without differences: it points nowhere.
    """
    values = heatmap.astype(np.float64)
    least, greatest = values.min(), values.max()
    if not greatest > least:
        return np.zeros_like(values)
    whole: Float[np.ndarray, "height width"] = (values - least) / (greatest - least) * 2 - 1
    return whole


def overlap_at_thresholds(
    heatmap: Float[np.ndarray, "height width"],
    truth: Bool[np.ndarray, "height width"],
    thresholds: Sequence[float] = PHRASE_THRESHOLDS,
) -> Float[np.ndarray, " thresholds"]:
    """Intersection over union of the truth and what lies above each threshold.

    Source: Huang et al., Nat Commun 2024; their mIoU is the mean over the thresholds. Theirs is
    undefined where nothing lies above a threshold, which lets a miss vanish from a mean; here
    it is 0.

    Args:
        heatmap: of any range; it is `scaled` first.
        truth: all boxes of the phrase together.
        thresholds: on the scaled map, in [-1, 1).

    Returns:
        A value in [0, 1] for each threshold; nan without truth.
    """
    check_shapes(heatmap, truth)
    values = scaled(heatmap)
    return np.array([intersection_over_union(values > limit, truth) for limit in thresholds])


@dataclass(frozen=True, kw_only=True)
class OfficialPhraseScores:
    """What MaCo's published code computes for one phrase on one radiograph.

    `iou`, `dice`, `precision` and `recall` go by threshold.
    """

    cnr: float
    pointing: float
    iou: Mapping[float, float]
    dice: Mapping[float, float]
    precision: Mapping[float, float]
    recall: Mapping[float, float]


def maco_official_scores(
    heatmap: Float[np.ndarray, "height width"],
    covered: Integer[np.ndarray, "height width"],
    thresholds: Sequence[float] = PHRASE_THRESHOLDS,
) -> OfficialPhraseScores:
    """Scores as the published code has them, slips included; for comparison with its numbers only.

    A pixel in two boxes counts twice in the size of the truth that Dice and recall divide by,
    and not at all in the contrast-to-noise ratio, whose inside is what exactly one box covers.
    Where nothing lies above a threshold the overlap is nan.

    Args:
        heatmap: the map of the phrase.
        covered: by how many boxes each pixel is covered.
        thresholds: on the scaled map.
    """
    check_shapes(heatmap, covered)
    values = scaled(heatmap)
    at = {limit: _official_at(values > limit, covered) for limit in thresholds}
    inside, outside = heatmap[covered == 1], heatmap[covered == 0]
    spread = np.sqrt(inside.astype(np.float64).var() + outside.astype(np.float64).var())
    return OfficialPhraseScores(
        cnr=float((inside.mean(dtype=np.float64) - outside.mean(dtype=np.float64)) / spread),
        pointing=float((covered[heatmap == heatmap.max()] > 0).any()),
        iou={limit: scores[0] for limit, scores in at.items()},
        dice={limit: scores[1] for limit, scores in at.items()},
        precision={limit: scores[2] for limit, scores in at.items()},
        recall={limit: scores[3] for limit, scores in at.items()},
    )


def _official_at(
    predicted: Bool[np.ndarray, "height width"], covered: Integer[np.ndarray, "height width"]
) -> tuple[float, float, float, float]:
    """IoU, Dice, precision and recall of one threshold."""
    called, covering = int(predicted.sum()), int(covered.sum())
    if not called or not covering:
        return (float("nan"),) * 4
    shared = int((predicted & (covered > 0)).sum())
    union = int((predicted | (covered > 0)).sum())
    return shared / union, 2 * shared / (called + covering), shared / called, shared / covering


def covered_by(
    boxes: Sequence[PixelBox], height: int, width: int
) -> Integer[np.ndarray, "height width"]:
    """By how many boxes each pixel of a picture is covered."""
    covered = np.zeros((height, width), dtype=np.int64)
    for left, top, across, down in boxes:
        covered[top : top + down, left : left + across] += 1
    return covered


def maco_official_box(box: PixelBox, height: int, width: int, size: int = 224) -> PixelBox:
    """Where the published code puts a box on the padded square of `size` pixels.

    The longer side becomes `size`, the shorter is padded on both sides, the odd pixel last. Every
    number is cut to a whole one on its own, so a box may lose up to a pixel at each edge.

    Raises:
        EvaluationError: the picture has no pixels.
    """
    if height < 1 or width < 1:
        raise EvaluationError(f"A picture of {width} x {height} pixels holds no box.")
    scale = size / max(height, width)
    left, top, across, down = box
    pad_left, pad_top = (size - int(width * scale)) // 2, (size - int(height * scale)) // 2
    return (
        int(left * scale + pad_left),
        int(top * scale + pad_top),
        int(across * scale),
        int(down * scale),
    )
