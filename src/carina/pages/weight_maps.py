"""Maps of one number a patch at several moments, side by side on one colour scale."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from carina.pages.matrices import hexadecimal
from carina.pages.overlay import heat_colours
from carina.pages.svg import label, number, svg_document

SIDE = 132.0
GAP = 16.0


def weight_maps(titles: Sequence[str], maps: Float[np.ndarray, "moments rows cols"]) -> str:
    """The weights of the patches at several moments, as an SVG document.

    One scale is for all maps, from the least weight of any to the greatest.
    """
    low, high = float(np.nanmin(maps)), float(np.nanmax(maps))
    spread = (high - low) or 1.0
    top = 30.0
    shapes = []
    for place, (title, grid) in enumerate(zip(titles, maps, strict=True)):
        left = GAP + place * (SIDE + GAP)
        shapes.append(label(left, 20, title, "ink"))
        shapes.extend(cells((grid - low) / spread, left, top))
    shapes.extend(scale(GAP, top + SIDE + 16, low, high))
    width = GAP + len(titles) * (SIDE + GAP)
    title = f"Weights of the patches at {len(titles)} moments of the training"
    return svg_document(width, top + SIDE + 56, title, shapes)


def cells(grid: Float[np.ndarray, "rows cols"], left: float, top: float) -> list[str]:
    """The squares of one map; values in [0, 1], those that are no number left out."""
    rows, cols = grid.shape
    colours = heat_colours(np.nan_to_num(grid))
    return [
        f'<rect x="{number(left + j * SIDE / cols)}" y="{number(top + i * SIDE / rows)}" '
        f'width="{number(SIDE / cols + 0.2)}" height="{number(SIDE / rows + 0.2)}" '
        f'fill="{hexadecimal(colours[i, j])}"/>'
        for i in range(rows)
        for j in range(cols)
        if np.isfinite(grid[i, j])
    ]


def scale(left: float, top: float, low: float, high: float) -> list[str]:
    """A bar of colours with both ends named."""
    colours = heat_colours(np.linspace(0, 1, 40))
    shapes = [
        f'<rect x="{number(left + 4 * i)}" y="{number(top)}" width="4.3" height="12" '
        f'fill="{hexadecimal(colour)}"/>'
        for i, colour in enumerate(colours)
    ]
    shapes.append(label(left, top + 27, signed(low), "soft"))
    shapes.append(label(left + 160, top + 27, signed(high), "soft", "end"))
    return shapes


def signed(value: float) -> str:
    """Three digits, with a true minus."""
    return f"{value:.3f}".replace("-", "−")
