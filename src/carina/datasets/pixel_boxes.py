"""Boxes of releases that outline on a square, checked and brought to the stored picture."""

import math

from carina.errors import DatasetError
from carina.study import Box

Corners = tuple[float, float, float, float]

BEYOND = 1.0
"""By how many pixels a box may reach over the edge: tools count from 0 or from 1."""


def checked_corners(corners: Corners, side: int) -> Corners:
    """The corners (x1, y1, x2, y2) of a box on a square picture.

    Raises:
        DatasetError: a corner is no number, the box has no area or lies outside of the picture;
            the message is a clause without a place.
    """
    x1, y1, x2, y2 = corners
    told = ", ".join(f"{value:g}" for value in corners)
    if not all(map(math.isfinite, corners)):
        raise DatasetError(f"found the corners {told}, expected four numbers")
    if not (x1 < x2 and y1 < y2):
        raise DatasetError(f"the box {told} has no area, expected x1 < x2 and y1 < y2")
    if min(x1, y1) < -BEYOND or max(x2, y2) > side + BEYOND:
        raise DatasetError(f"the box {told} lies outside of the {side} x {side} pixels")
    return corners


def box_on(corners: Corners, label: str, scale: float, reader: str | None = None) -> Box:
    """A box on a picture that is `scale` times as large as the one that it was drawn on."""
    x1, y1, x2, y2 = (scale * value for value in corners)
    return Box(radiograph=0, label=label, x1=x1, y1=y1, x2=x2, y2=y2, reader=reader)
