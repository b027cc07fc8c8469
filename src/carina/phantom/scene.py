"""What a lesion is drawn into: the canvas, the anatomy and the two lungs."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from carina.phantom.anatomy import Anatomy
from carina.phantom.canvas import Canvas, Floats, Grid, Mask, Window
from carina.phantom.lung_field import LungField


@dataclass(kw_only=True)
class Scene:
    """A half-finished radiograph.

    `vessels` [size, size] is the share of the vessels that shows, which a collapsed or
    destroyed lung takes away. `fractures` maps (side, rib) to (place along it, displacement).
    """

    canvas: Canvas
    anatomy: Anatomy
    right: LungField
    left: LungField
    vessels: Grid
    fractures: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)

    def lung(self, side: int) -> LungField:
        """The lung of a side: -1 is the patient's right, 1 the left."""
        return self.left if side > 0 else self.right

    def whole(self, window: Window, part: Mask) -> Mask:
        """A mask of the whole picture from a mask of a window."""
        mask = self.canvas.nothing()
        mask[window] = part
        return mask


SIDES = {-1: (-1,), 0: (-1, 1), 1: (1,)}
HEIGHTS = {"upper": 0.3, "middle": 0.56, "lower": 0.82, "": 0.6}


def mottle(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Floats:
    """Smooth noise about 0 with a deviation near 0.6, `cells` waves across."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    size = (max(shape[1], 1), max(shape[0], 1))
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(
        np.float64
    )


def place_in_lung(
    rng: np.random.Generator, scene: Scene, side: int, zone: str, margin: float
) -> tuple[float, float]:
    """A point inside a lung's zone, `margin` away from the ribs where there is room."""
    lung = scene.lung(side).lung
    height = HEIGHTS[zone] + rng.uniform(-0.11, 0.11)
    v = lung.apex + height * (lung.dome - lung.apex)
    widest = lung.width * float(np.sqrt(1 - np.clip(1 - height / 0.85, 0, 1) ** 2))
    low, high = 0.16, max(widest - margin, 0.2)
    if zone == "lower":
        low = min(0.3, high)
    return side * float(rng.uniform(low, high)), float(v)


def irregular(rng: np.random.Generator, roughness: float, points: int = 9) -> Floats:
    """Radii of an uneven closed contour, mean near 1."""
    return np.clip(1 + roughness * rng.standard_normal(points), 0.4, 1.7)
