"""What lies between the lungs and branches into them: heart, great vessels, windpipe."""

import numpy as np

from carina.phantom.anatomy import Anatomy
from carina.phantom.canvas import (
    LEVELS,
    Canvas,
    Floats,
    Grid,
    Layer,
    bezier,
    bulge,
    ellipsoid,
    look_up,
    radial_table,
    ramp,
    relative_radius,
)


def heart(canvas: Canvas, anatomy: Anatomy) -> None:
    """The heart as a round body."""
    table = radial_table(np.array(anatomy.heart_radii))
    window = canvas.around(anatomy.heart_at, float(table.max()) * 1.02)
    body = bulge((1 - relative_radius(canvas, window, anatomy.heart_at, table)) / 0.7)
    canvas.displace(window, 0.8 * body)
    canvas.add(window, 0.05 * body)


def mediastinum(canvas: Canvas, anatomy: Anatomy) -> None:
    """Great vessels, aortic arch and descending aorta, and the lucent windpipe."""
    shift = 0.02 * anatomy.turn
    width = anatomy.mediastinum * (1 + 0.25 * ramp((LEVELS + 0.2) / 0.3))
    width = width * (1 + 0.2 * ramp((-0.6 - LEVELS) / 0.3))
    window = canvas.window(-0.35, -1.2, 0.35, 0.75)
    u = canvas.u[window] - shift
    depth = look_up(canvas, width, window) - np.abs(u)
    canvas.displace(window, 0.85 * bulge(depth / 0.06))
    knob(canvas, anatomy)
    trachea(canvas, anatomy, shift)


def knob(canvas: Canvas, anatomy: Anatomy) -> None:
    """The aortic arch seen end on, and the left border of the descending aorta."""
    window = canvas.around(anatomy.knob_at, anatomy.knob * 1.1)
    square = ellipsoid(canvas, window, anatomy.knob_at, (anatomy.knob, anatomy.knob), 0.0)
    canvas.displace(window, 0.75 * bulge((1 - square) * 0.8))
    top = anatomy.knob_at[1]
    border = anatomy.descending - 0.035 * ramp((LEVELS - top) / 0.9)
    border = np.where(top < LEVELS, border, 0.0)
    window = canvas.window(0.0, top, 0.3, 0.75)
    depth = look_up(canvas, border, window) - canvas.u[window]
    canvas.displace(window, 0.4 * bulge(depth / 0.06))


def trachea(canvas: Canvas, anatomy: Anatomy, shift: float) -> None:
    """The air column down to the carina, with the two main bronchi."""
    layer = Layer(canvas.frame, 1.0)
    fork = anatomy.carina_at
    right_of_middle = -0.012 + shift * 1.5
    column = np.array([[right_of_middle * 0.6, -1.15], [right_of_middle, -0.55], [shift, fork]])
    layer.line(column, 0.075, 0.34)
    layer.line(bezier([(shift, fork), (-0.1, fork + 0.08), (-0.16, fork + 0.2)]), 0.055, 0.24)
    layer.line(bezier([(shift, fork), (0.1, fork + 0.06), (0.2, fork + 0.14)]), 0.048, 0.22)
    canvas.attenuation -= layer.sheet(0.012)


def hila(canvas: Canvas, anatomy: Anatomy, shown: Grid) -> None:
    """The pulmonary arteries where they enter the lungs, and the vessel trees beyond."""
    layer = Layer(canvas.frame, 1.0)
    rng = np.random.Generator(np.random.Philox(key=anatomy.vessel_seed))
    for side in (-1, 1):
        height = anatomy.hila_at - (0.035 if side > 0 else 0.0)
        root = (side * 0.13 + 0.02 * anatomy.turn, height)
        branches = vessel_tree(rng, anatomy, side, root)
        for curve, width, strength in branches:
            layer.line(curve, width, strength * anatomy.vessels)
        trunk = bezier([root, (side * 0.2, height + 0.03), (side * 0.23, height + 0.19)])
        layer.line(trunk, 0.05 * anatomy.hila, 0.38)
        upper = bezier([root, (side * 0.19, height - 0.04), (side * 0.23, height - 0.13)])
        layer.line(upper, 0.035 * anatomy.hila, 0.33)
    air = np.clip((canvas.air - np.float32(0.15)) / np.float32(0.35), 0, 1)
    canvas.attenuation += layer.sheet(0.006) * shown * air


Branch = tuple[Floats, float, float]


def vessel_tree(
    rng: np.random.Generator, anatomy: Anatomy, side: int, root: tuple[float, float]
) -> list[Branch]:
    """Branches from thin to thick, each a curve, a width and an attenuation."""
    angle = np.linspace(-1.25, 1.35, 8) + rng.normal(0, 0.1, 8)
    start = np.tile(np.array([root]), (8, 1))
    mirror = np.array([side, 1.0])
    branches: list[Branch] = []
    for depth in range(4):
        length = 0.085 * 0.78**depth * rng.uniform(0.75, 1.25, (len(angle), 1))
        later = angle + rng.normal(0, 0.16, len(angle))
        middle = start + mirror * length * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        end = middle + mirror * length * np.stack([np.cos(later), np.sin(later)], axis=1)
        strength = (0.2 + 0.06 * np.sin(angle)) * 0.72**depth + 0.04
        curves = np.stack([start, middle, end], axis=1)
        branches += [
            (curve, 0.03 * 0.68**depth, float(value))
            for curve, value in zip(curves, strength, strict=True)
        ]
        spread = 0.3 + rng.uniform(0, 0.25, len(angle))
        angle = np.concatenate([later - spread, later + spread])
        start = np.concatenate([end, end])
    reach = anatomy.lung(side).width - 0.02
    return [branch for branch in reversed(branches) if abs(branch[0][-1, 0]) < reach]
