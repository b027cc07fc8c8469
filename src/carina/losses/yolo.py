"""What YOLOv3's head minimises, in the arrangement of ECAMP's detection code."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

BACKGROUND_OVERLAP = 0.5
"""An anchor that fits a box better than this is not taught to be background there."""
WEIGHTS: Mapping[str, float] = {
    "x": 2.5,
    "y": 2.5,
    "width": 2.5,
    "height": 2.5,
    "confidence": 1.0,
    "class": 1.0,
}
"""What each term counts in the sum."""


@dataclass(frozen=True, kw_only=True)
class YOLOTargets:
    """What one scale should say: each [batch anchors rows cols], `classes` with one more axis.

    `owned` are the places that answer for a box, `background` those that should say that there is
    none; places in neither are not taught. `x` and `y` lie in [0, 1] of the cell; `width` and
    `height` are logarithms of shares of the anchor's.
    """

    owned: Bool[Tensor, "batch anchors rows cols"]
    background: Bool[Tensor, "batch anchors rows cols"]
    x: Float[Tensor, "batch anchors rows cols"]
    y: Float[Tensor, "batch anchors rows cols"]
    width: Float[Tensor, "batch anchors rows cols"]
    height: Float[Tensor, "batch anchors rows cols"]
    classes: Float[Tensor, "batch anchors rows cols findings"]


def yolo_targets(
    boxes: Float[Tensor, "boxes 4"],
    pictures: Int[Tensor, "boxes"],
    findings: Int[Tensor, "boxes"],
    anchors: Float[Tensor, "anchors 2"],
    shape: tuple[int, int, int, int],
) -> YOLOTargets:
    """The targets of one scale: every box belongs to the cell of its centre and one anchor.

    Of the scale's anchors the one whose shape fits best is taken. Of two boxes for one place the
    later is.

    Args:
        boxes: (centre x, centre y, width, height) as shares of the picture.
        pictures: the picture of each box.
        findings: what each box is of.
        anchors: width and height, in cells of this scale.
        shape: pictures, rows, columns, findings.
    """
    batch, rows, cols, number = shape
    device = anchors.device
    cells = boxes * torch.tensor([cols, rows, cols, rows], device=device)
    fit = shape_overlap(cells[:, 2:], anchors)
    best = fit.argmax(1)
    column = cells[:, 0].long().clamp(max=cols - 1)
    row = cells[:, 1].long().clamp(max=rows - 1)
    places = (batch, len(anchors), rows, cols)
    background = torch.ones(places, dtype=torch.bool, device=device)
    near, anchor = (fit > BACKGROUND_OVERLAP).nonzero(as_tuple=True)
    background[pictures[near], anchor, row[near], column[near]] = False
    owned = torch.zeros(places, dtype=torch.bool, device=device)
    values = torch.zeros((4, *places), device=device)
    classes = torch.zeros((*places, number), device=device)
    inside = torch.stack([cells[:, 0] - column, cells[:, 1] - row], 1)
    sides = (cells[:, 2:] / anchors[best]).clamp(min=1e-16).log()
    for box in range(len(boxes)):  # one after another: of two for one place the later stays
        place = (pictures[box], best[box], row[box], column[box])
        owned[place] = True
        values[(slice(None), *place)] = torch.cat([inside[box], sides[box]])
        classes[(*place, findings[box])] = 1
    return YOLOTargets(
        owned=owned,
        background=background,
        x=values[0],
        y=values[1],
        width=values[2],
        height=values[3],
        classes=classes,
    )


def shape_overlap(
    sides: Float[Tensor, "boxes 2"], anchors: Float[Tensor, "anchors 2"]
) -> Float[Tensor, "boxes anchors"]:
    """IoU of boxes and anchors laid on one corner.

    Sides count from pixel to pixel, so each is one more than its length: the convention of the
    code that ECAMP's is built on, kept although the unit here is a cell and not a pixel.
    """
    both = (torch.minimum(sides[:, None], anchors[None]) + 1).prod(2)
    union = (sides + 1).prod(1)[:, None] + (anchors + 1).prod(1)[None] - both
    shared: Tensor = both / union
    return shared


def yolo_terms(
    outputs: Float[Tensor, "batch anchors values rows cols"], targets: YOLOTargets
) -> dict[str, Float[Tensor, ""]]:
    """The terms of one scale, before `WEIGHTS`: means over all places, zero where not taught.

    Args:
        outputs: x, y, width, height, confidence, then a logit a finding.
        targets: see `yolo_targets`.
    """
    owned, background = targets.owned.float(), targets.background.float()
    x, y, confidence = (outputs[:, :, place].sigmoid() for place in (0, 1, 4))
    named = outputs[:, :, 5:].sigmoid().movedim(2, 4)
    return {
        "x": F.binary_cross_entropy(x * owned, targets.x),
        "y": F.binary_cross_entropy(y * owned, targets.y),
        "width": F.mse_loss(outputs[:, :, 2] * owned, targets.width),
        "height": F.mse_loss(outputs[:, :, 3] * owned, targets.height),
        "confidence": F.binary_cross_entropy(confidence * owned, owned)
        + 0.5 * F.binary_cross_entropy(confidence * background, torch.zeros_like(background)),
        "class": F.binary_cross_entropy(named * owned[..., None], targets.classes),
    }
