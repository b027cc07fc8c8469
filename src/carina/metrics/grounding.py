"""Where a heat-map points, against the true outline, and against answers that need no model.

A map is any float array [height, width]; the truth is a mask of the same shape, the union of
all boxes and masks of one finding on one radiograph. A case without truth is nan everywhere: it
is left out and counted by the caller, never scored as 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from carina.errors import EvaluationError

THRESHOLDS = np.arange(1, 101) / 100
"""The thresholds that are tried, as shares of a map's greatest value."""

FRAME = 128
"""The side of the common frame on which the position baseline adds up masks."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Contrast-to-noise ratio: `signed` is negative where the map is darker inside the truth."""

    signed: float
    absolute: float


def pointing_hit(
    heatmap: Float[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> float:
    """The pointing game (Zhang et al., IJCV 2018): does the greatest value lie in the truth?

    Where several pixels share the greatest value this is the share of them inside: what a tie
    broken at random would score on average. So a constant map scores the area of the truth.

    Returns:
        1 or 0 (between them for ties); nan without truth.
    """
    check_map(heatmap, truth)
    if not truth.any():
        return float("nan")
    return float(truth[heatmap == heatmap.max()].mean())


def peak_distance(
    heatmap: Float[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> float:
    """How far beside the truth the greatest value lies, as a share of the image's shorter side.

    The greater of the steps across and down, 0 inside; of several greatest pixels the first.
    """
    check_map(heatmap, truth)
    if not truth.any():
        return float("nan")
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    rows, columns = np.nonzero(truth)
    steps = np.maximum(np.abs(rows - row), np.abs(columns - column)).min()
    return float(steps / min(heatmap.shape))


def area_share(truth: Bool[np.ndarray, "height width"]) -> float:
    """How much of the image the truth covers: the pointing game of a random pixel."""
    return float(truth.mean()) if truth.any() else float("nan")


def intersection_over_union(
    predicted: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> float:
    """Intersection over union, in [0, 1]; 0 for an empty prediction, nan without truth."""
    check_map(predicted, truth)
    if not truth.any():
        return float("nan")
    return float((predicted & truth).sum() / (predicted | truth).sum())


def dice(
    predicted: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> float:
    """Dice coefficient, in [0, 1]; 0 for an empty prediction, nan without truth."""
    check_map(predicted, truth)
    if not truth.any():
        return float("nan")
    return float(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()))


def predicted_mask(
    heatmap: Float[np.ndarray, "height width"], threshold: float
) -> Bool[np.ndarray, "height width"]:
    """The pixels with at least `threshold` of the map's greatest value.

    `threshold` is in (0, 1]. Empty where no value is above 0.
    """
    greatest = heatmap.max()
    if not greatest > 0:
        return np.zeros(heatmap.shape, dtype=bool)
    # Dividing, not multiplying the threshold: the greatest pixel is then exactly 1.
    inside: Bool[np.ndarray, "height width"] = heatmap / greatest >= threshold
    return inside


def dice_at_thresholds(
    heatmap: Float[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, " thresholds"]:
    """Dice at each of `THRESHOLDS`, from one histogram; nan without truth."""
    check_map(heatmap, truth)
    if not truth.any():
        return np.full(len(THRESHOLDS), np.nan)
    greatest = heatmap.max()
    if not greatest > 0:
        return np.zeros(len(THRESHOLDS))
    reached = np.searchsorted(THRESHOLDS, (heatmap / greatest).ravel(), side="right")
    size = len(THRESHOLDS) + 1
    inside = np.bincount(reached[truth.ravel()], minlength=size)[::-1].cumsum()[::-1][1:]
    called = np.bincount(reached, minlength=size)[::-1].cumsum()[::-1][1:]
    scores: Float[np.ndarray, " thresholds"] = 2 * inside / (called + truth.sum())
    return scores


def choose_map_threshold(
    curves: Sequence[Float[np.ndarray, " thresholds"]],
) -> tuple[float, float]:
    """The threshold with the best mean Dice over validation cases, and that Dice.

    Args:
        curves: `dice_at_thresholds` of every validation case; cases without truth (nan) are
            left out.

    Returns:
        nan, nan where there is no case with truth. Of equally good thresholds the highest.
    """
    known = [curve for curve in curves if np.isfinite(curve).all()]
    if not known:
        return float("nan"), float("nan")
    mean = np.mean(known, axis=0)
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))
    return float(THRESHOLDS[best]), float(mean[best])


def contrast_to_noise(
    heatmap: Float[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]
) -> Contrast:
    """How far the map stands out inside the truth, in units of its own spread.

    Source: Boecking et al. (BioViL), ECCV 2022, section 4: difference of the means inside and
    outside, over the square root of the sum of the variances. They report the absolute value,
    which also rewards a map that avoids the finding; the signed one does not.

    Returns:
        0 for a constant map; nan where the truth is empty or everything, or where a map has no
        spread on either side of a difference.
    """
    check_map(heatmap, truth)
    if not truth.any() or truth.all():
        return Contrast(signed=float("nan"), absolute=float("nan"))
    inside, outside = heatmap[truth].astype(np.float64), heatmap[~truth].astype(np.float64)
    difference = inside.mean() - outside.mean()
    spread = np.sqrt(inside.var() + outside.var())
    if spread == 0:
        value = 0.0 if difference == 0 else float("nan")
        return Contrast(signed=value, absolute=value)
    signed = float(difference / spread)
    return Contrast(signed=signed, absolute=abs(signed))


def position_baseline(
    truths: Sequence[Bool[np.ndarray, "frame frame"]],
) -> Float[np.ndarray, " cases"]:
    """The pointing game of someone who has not seen the image but knows where findings lie.

    For each case it points at the place where most of the other cases' masks lie (ties: as in
    `pointing_hit`). It uses test masks, so it is generous; a map that does not beat it has not
    shown that it looks at the image. One case alone is nan.

    Args:
        truths: masks of one finding, each brought to the same frame by `framed`.
    """
    if len(truths) < 2:
        return np.full(len(truths), np.nan)
    total = np.sum(truths, axis=0, dtype=np.int64)
    hits = [pointing_hit((total - truth).astype(np.float64), truth) for truth in truths]
    return np.array(hits)


def framed(truth: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "frame frame"]:
    """A mask on a square frame of `FRAME` pixels, whatever its size; never empty if it was not."""
    height, width = truth.shape
    rows = ((np.arange(FRAME) + 0.5) * height / FRAME).astype(np.int64)
    columns = ((np.arange(FRAME) + 0.5) * width / FRAME).astype(np.int64)
    small = truth[np.ix_(rows, columns)]
    if truth.any() and not small.any():
        row, column = np.argwhere(truth).mean(axis=0)
        small[int(row * FRAME / height), int(column * FRAME / width)] = True
    return small


def dilated(
    truth: Bool[np.ndarray, "height width"], margin: int
) -> Bool[np.ndarray, "height width"]:
    """The mask grown by `margin` pixels in all eight directions (a square)."""
    if margin == 0:
        return truth
    pixels = torch.from_numpy(truth.astype(np.float32))[None, None]
    reach = 2 * margin + 1
    wide = torch.nn.functional.max_pool2d(pixels, (1, reach), stride=1, padding=(0, margin))
    both = torch.nn.functional.max_pool2d(wide, (reach, 1), stride=1, padding=(margin, 0))
    grown: Bool[np.ndarray, "height width"] = both[0, 0].numpy() > 0
    return grown


def box_mask(
    boxes: Sequence[tuple[float, float, float, float]], height: int, width: int
) -> Bool[np.ndarray, "height width"]:
    """The union of boxes (x1, y1, x2, y2): pixels whose centre lies inside one of them.

    A box that holds no pixel's centre still marks the pixel that holds the box's centre. Parts
    outside the image are cut off.
    """
    mask = np.zeros((height, width), dtype=bool)
    for x1, y1, x2, y2 in boxes:
        left, right = _first_centre(x1, width), _first_centre(x2, width)
        top, bottom = _first_centre(y1, height), _first_centre(y2, height)
        if left == right and x2 > x1:
            left, right = _around((x1 + x2) / 2, width)
        if top == bottom and y2 > y1:
            top, bottom = _around((y1 + y2) / 2, height)
        mask[top:bottom, left:right] = True
    return mask


def box_fault(box: tuple[float, float, float, float], height: int, width: int) -> str | None:
    """What keeps a box (x1, y1, x2, y2) from being an outline on an image; None if nothing does.

    A box that reaches beyond the image is none: its part inside counts.
    """
    x1, y1, x2, y2 = box
    if not np.isfinite(box).all():
        return "has a corner that is not a number"
    if not (x2 > x1 and y2 > y1):
        return f"has no area (width {x2 - x1:g}, height {y2 - y1:g})"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return f"lies outside the radiograph of {width} x {height} pixels"
    return None


def _first_centre(edge: float, length: int) -> int:
    """The first pixel whose centre is at or beyond an edge."""
    return int(np.clip(np.ceil(edge - 0.5), 0, length))


def _around(middle: float, length: int) -> tuple[int, int]:
    pixel = int(np.floor(middle))
    return (pixel, pixel + 1) if 0 <= pixel < length else (0, 0)


def check_map(heatmap: np.ndarray, truth: np.ndarray) -> None:
    """Refuses a map that cannot be measured: a nan would make its case vanish from the mean.

    Raises:
        EvaluationError: the size is not that of the mask, or a value is not finite.
    """
    check_shapes(heatmap, truth)
    wrong = heatmap.size - int(np.isfinite(heatmap).sum())
    if wrong:
        raise EvaluationError(
            f"{wrong} of the {heatmap.size} values of a heat-map are not numbers; the model's "
            "weights are damaged or its training diverged. Load an earlier model."
        )


def check_shapes(heatmap: np.ndarray, truth: np.ndarray) -> None:
    """Refuses a map and a mask of different sizes.

    Raises:
        EvaluationError: height or width differ.
    """
    if heatmap.shape != truth.shape:
        raise EvaluationError(
            f"A map of {heatmap.shape} pixels is compared with a mask of {truth.shape}; expected "
            "the same height and width. Put the map back on the radiograph's pixels first."
        )
