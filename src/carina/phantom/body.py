"""Soft tissue of the healthy chest: trunk, neck, arms, breasts, and gas in the belly."""

import numpy as np
from PIL import Image

from carina.phantom.anatomy import Anatomy
from carina.phantom.canvas import LEVELS, Canvas, Floats, Grid, bulge, ellipsoid, look_up, ramp


def outline(anatomy: Anatomy) -> tuple[Floats, Floats, Floats]:
    """Half the width of the trunk, and where the arm begins and ends, at `LEVELS`."""
    chest = max(anatomy.left.width, anatomy.right.width) + 0.08
    chest += 0.13 * anatomy.fat + 0.04 * anatomy.muscle
    neck = 0.22 + 0.09 * anatomy.fat
    top = anatomy.shoulders - 0.38
    slope = 0.5 * np.clip((LEVELS - top) / 0.3, 0, 1) + 0.5 * ramp((LEVELS - top - 0.1) / 0.5)
    trunk = neck + (1.25 - neck) * slope
    waist = chest + 0.06 * anatomy.fat * ramp((LEVELS - 0.3) / 0.6)
    armpit = ramp((LEVELS - (anatomy.shoulders + 0.22)) / 0.35)
    width = trunk * (1 - armpit) + np.minimum(trunk, waist) * armpit
    inner = chest + (0.34 * anatomy.arms - 0.04) * np.clip(LEVELS - anatomy.shoulders, 0, 2)
    return width, inner, np.minimum(inner + 0.3, trunk + 0.2)


def soft_tissue(canvas: Canvas, anatomy: Anatomy) -> None:
    """Trunk, neck and arms, as if there were no lungs."""
    trunk, inner, outer = outline(anatomy)
    distance = np.abs(canvas.u)
    depth = look_up(canvas, trunk) - distance
    thick = look_up(canvas, thickness(anatomy))
    body = thick * (0.25 * ramp(depth / 0.025) + 0.75 * bulge(depth / 0.45))
    beside = (distance > anatomy.left.width) & (canvas.v > anatomy.shoulders)
    rows = np.flatnonzero(beside.any(axis=1))
    if len(rows):
        part = slice(int(rows[0]), None), slice(None)
        inside = distance[part] - look_up(canvas, inner, part)
        arm = np.minimum(inside, look_up(canvas, outer, part) - distance[part])
        body[part] = np.maximum(body[part], 0.95 * bulge(arm / 0.12))
    canvas.attenuation += body.astype(np.float32)


def thickness(anatomy: Anatomy) -> Floats:
    """Soft tissue from front to back at `LEVELS`: neck, shoulders, chest, belly."""
    chest = 1.78 + 0.35 * anatomy.fat
    neck = 1.0 + 0.15 * anatomy.fat
    shoulders = ramp((LEVELS - (anatomy.shoulders - 0.35)) / 0.4)
    belly = ramp((LEVELS - 0.3) / 0.5)
    return neck + (chest - neck) * shoulders + (0.12 + 0.3 * anatomy.fat) * belly


def breasts(canvas: Canvas, anatomy: Anatomy) -> None:
    """Breast shadows with a sharp lower border, or pectoral muscles with a faint one."""
    for side in (-1, 1):
        if anatomy.breast > 0:
            size = 0.2 + 0.13 * anatomy.breast
            centre = (side * (0.38 + 0.06 * anatomy.breast), 0.2 + 0.12 * anatomy.breast)
            axes, density = (size * 1.05, size), 0.16 + 0.3 * anatomy.breast
        else:
            centre, axes = (side * 0.42, -0.2), (0.3, 0.26)
            density = 0.14 * anatomy.muscle
        window = canvas.around(centre, max(axes) * 1.05)
        square = ellipsoid(canvas, window, centre, axes, side * 0.3)
        fade = ramp((canvas.v[window] - centre[1] + axes[1]) / (1.6 * axes[1]))
        canvas.add(window, density * bulge((1 - square) * 1.2) * fade)


def belly(canvas: Canvas, anatomy: Anatomy) -> None:
    """Gas in stomach and bowel below the left dome."""
    rng = np.random.Generator(np.random.Philox(key=anatomy.vessel_seed + 1))
    bubbles = [(0.32, anatomy.left.dome + 0.13, 0.09 + 0.1 * anatomy.stomach, 0.06)]
    bubbles += [
        (
            float(rng.uniform(-0.1, 0.6)),
            anatomy.left.dome + float(rng.uniform(0.22, 0.5)),
            float(rng.uniform(0.03, 0.1)),
            float(rng.uniform(0.025, 0.06)),
        )
        for _ in range(int(rng.integers(0, 7)))
    ]
    for number, (u, v, wide, high) in enumerate(bubbles):
        if number == 0 and anatomy.stomach < 0.25:
            continue
        window = canvas.around((u, v), max(wide, high) * 1.05)
        square = ellipsoid(canvas, window, (u, v), (wide, high), float(rng.normal(0, 0.2)))
        canvas.add(window, -0.45 * bulge((1 - square) * 1.5))


def texture(canvas: Canvas, anatomy: Anatomy) -> Grid:
    """Uneven soft tissue: smooth noise of three sizes, mean near 0, deviation near 1."""
    rng = np.random.Generator(np.random.Philox(key=anatomy.vessel_seed + 2))
    side = canvas.frame.size
    total = np.zeros((side, side), dtype=np.float32)
    for cells, weight in ((6, 1.0), (17, 0.6), (48, 0.45)):
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        total += np.float32(weight) * np.asarray(fine)
    return total
