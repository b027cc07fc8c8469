"""Where the lungs are, and how much air they hold."""

from functools import lru_cache

import numpy as np

from carina.phantom.anatomy import Anatomy, Lung
from carina.phantom.canvas import LEVELS, Canvas, Floats, Mask, bulge, look_up, ramp


class LungField:
    """One lung: how deep every pixel of its half lies inside, and how much air it holds."""

    def __init__(self, canvas: Canvas, lung: Lung, side: int, ribcage: Floats) -> None:
        """Measures depths from the four borders, in patient coordinates, positive inside."""
        self.side = side
        self.lung = lung
        reach = lung.width + 0.08
        self.window = canvas.window(
            *((-reach, lung.apex - 0.05) if side < 0 else (0.0, lung.apex - 0.05)),
            *((0.0, lung.base + 0.1) if side < 0 else (reach, lung.base + 0.1)),
        )
        u = canvas.u[self.window] * side
        v = canvas.v[self.window]
        self.u, self.v = u, v
        self.lateral = look_up(canvas, ribcage, self.window) - u
        self.medial = u - lung.medial
        self.top = v - lung.apex - 2.6 * (u - 0.27) ** 2
        self.bottom = dome(lung, u) - v

    def air(self) -> Floats:
        """Path through air, 0 to 1."""
        depth = bulge(self.lateral / 0.26) * bulge(self.medial / 0.14)
        depth *= bulge(self.top / 0.3)
        above = (0.15 + 0.85 * bulge(self.bottom / 0.07)) * (self.bottom > 0)
        recess = 0.15 * ramp(1 + self.bottom / 0.16) * (self.bottom <= 0)
        return depth * (above + recess)

    def inside(self) -> Mask:
        """The pixels of the lung above the diaphragm."""
        return (self.lateral > 0) & (self.medial > 0) & (self.top > 0) & (self.bottom > 0)

    def relative_height(self) -> Floats:
        """0 at the apex, 1 at the top of the dome."""
        return (self.v - self.lung.apex) / (self.lung.dome - self.lung.apex)


def dome(lung: Lung, u: Floats) -> Floats:
    """The height v of the diaphragm at u, falling off towards the angles."""
    away = (u - lung.dome_at) / max(lung.width - lung.dome_at, 0.1)
    outwards = np.clip(away, 0, 1.3)
    inwards = np.clip(-away, 0, 1.3)
    fall = lung.base - lung.dome
    return lung.dome + fall * (0.28 * outwards**2 + 0.72 * outwards**6) + 0.09 * inwards**2


@lru_cache(maxsize=8)
def ribcage(lung: Lung) -> Floats:
    """The inner border of the ribs as a distance from the midline, at `LEVELS`."""
    relative = (LEVELS - lung.apex + 0.03) / (lung.dome - lung.apex)
    rise = np.sqrt(1 - np.clip(1 - relative / 0.85, 0, 1) ** 2)
    inner = lung.upper_width * lung.width
    return inner + (lung.width - inner) * rise - 0.05 * np.clip(relative - 0.85, 0, 1) ** 2


def lungs(canvas: Canvas, anatomy: Anatomy) -> tuple[LungField, LungField]:
    """Fills both lungs with air."""
    right, left = (
        LungField(canvas, anatomy.lung(side), side, ribcage(anatomy.lung(side))) for side in (-1, 1)
    )
    for field in (right, left):
        canvas.air[field.window] += field.air().astype(np.float32)
    return right, left
