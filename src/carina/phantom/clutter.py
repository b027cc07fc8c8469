"""What is no finding but may look like one: nipples, skin folds, electrodes on the chest."""

import numpy as np

from carina.phantom.canvas import Layer, bezier, bulge, ellipsoid, ramp
from carina.phantom.scene import Scene


def clutter(scene: Scene, rng: np.random.Generator) -> None:
    """Adds now and then a nipple shadow or a skin fold, and leads on bedside radiographs."""
    bedside = scene.anatomy.view == "AP"
    chances = rng.random(3)
    if chances[0] < 0.16:
        nipples(scene, rng)
    if chances[1] < (0.2 if bedside else 0.05):
        skin_fold(scene, rng)
    if chances[2] < (0.6 if bedside else 0.03):
        leads(scene, rng)


def nipples(scene: Scene, rng: np.random.Generator) -> None:
    """Faint small rounds over the lower lungs, on one side or both."""
    canvas = scene.canvas
    height = scene.anatomy.left.dome - rng.uniform(0.03, 0.14)
    for side in ((-1, 1), (-1,), (1,))[int(rng.integers(3))]:
        centre = (side * float(rng.uniform(0.34, 0.46)), float(height + rng.normal(0, 0.015)))
        window = canvas.around(centre, 0.06)
        square = ellipsoid(canvas, window, centre, (0.042, 0.042), 0.0)
        canvas.add(window, rng.uniform(0.08, 0.16) * bulge((1 - square) * 1.5))


def skin_fold(scene: Scene, rng: np.random.Generator) -> None:
    """A slanting edge with a soft shadow on its inner side, much like a pleural line."""
    canvas = scene.canvas
    side = -1 if rng.random() < 0.5 else 1
    inner, outer = sorted((side * 0.2, side * 0.62))
    window = canvas.window(inner, -0.55, outer, 0.35)
    u, v = canvas.u[window] * side, canvas.v[window]
    edge = rng.uniform(0.36, 0.48) + rng.uniform(-0.08, 0.25) * v
    depth = edge - u
    fade = ramp((v + 0.55) / 0.15) * ramp((0.35 - v) / 0.15)
    canvas.add(window, 0.1 * fade * ramp(depth / 0.008) * ramp((0.12 - depth) / 0.12))


def leads(scene: Scene, rng: np.random.Generator) -> None:
    """One to three thin wires to round electrodes."""
    layer = Layer(scene.canvas.frame, 1.0)
    for _ in range(int(rng.integers(1, 4))):
        side = -1 if rng.random() < 0.5 else 1
        place = (side * float(rng.uniform(0.25, 0.7)), float(rng.uniform(-0.6, 0.45)))
        middle = (side * float(rng.uniform(0.3, 0.9)), float(rng.uniform(-0.3, 0.9)))
        layer.line(bezier([place, middle, (side * 1.1, float(rng.uniform(0, 1.1)))]), 0.011, 0.22)
        angle = np.linspace(0, 2 * np.pi, 12)
        disc = np.array(place) + 0.03 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        layer.area(disc, 0.3)
    scene.canvas.attenuation += layer.sheet()
