"""Tubes, lines, boxes and wires."""

import numpy as np

from carina.phantom.canvas import Floats, Layer, Mask, bezier
from carina.phantom.findings import Lesion
from carina.phantom.scene import Scene


def lay(scene: Scene, curve: Floats, width: float, value: float) -> Mask:
    """Puts a line of metal or plastic over everything; returns its surroundings."""
    layer = Layer(scene.canvas.frame, 1.5)
    layer.line(curve, width, value)
    scene.canvas.attenuation += layer.sheet(0.002)
    near = Layer(scene.canvas.frame, 1.0)
    near.line(curve, width + 0.03, 1.0)
    return near.mask()


def endotracheal_tube(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A tube in the windpipe that ends above the carina."""
    tip = scene.anatomy.carina_at - (0.22 - 0.06 * lesion.severity)
    u = -0.01 + 0.03 * scene.anatomy.turn
    curve = bezier([(u + 0.02, -1.25), (u - 0.015, -0.8), (u, tip)])
    lay(scene, curve, 0.045, 0.1 + 0.1 * lesion.conspicuity)
    return lay(scene, curve + np.array([[0.016, 0.0]]), 0.012, 0.2 + 0.3 * lesion.conspicuity)


def nasogastric_tube(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A thin tube down the middle into the stomach."""
    dome = scene.anatomy.left.dome
    curve = bezier([(0.0, -1.25), (0.05, -0.4), (-0.03, 0.1), (0.06, dome - 0.02)])
    end = bezier([(0.06, dome - 0.02), (0.12, dome + 0.16), (0.34, dome + 0.2)])
    return lay(scene, np.concatenate([curve, end]), 0.017, 0.2 + 0.3 * lesion.conspicuity)


def central_line(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A catheter from neck, collar bone or arm to the superior vena cava."""
    side = lesion.side
    tip = (-0.11 + 0.02 * scene.anatomy.turn, float(rng.uniform(-0.22, 0.06)))
    way = rng.random()
    middle = (-0.09, -0.42)
    if way < 0.4:
        start = bezier([(side * 0.17, -1.1), (side * 0.15, -0.7), middle])
    elif way < 0.7:
        v = scene.anatomy.clavicle
        start = bezier([(side * 0.62, v + 0.12), (side * 0.35, v - 0.04), (side * 0.1, v), middle])
    else:
        v = scene.anatomy.clavicle
        start = bezier(
            [(side * 1.05, 0.1), (side * 0.85, v - 0.1), (side * 0.3, v + 0.03), middle], 16
        )
    curve = np.concatenate([start, bezier([middle, (-0.12, -0.3), tip])])
    return lay(scene, curve, 0.016, 0.22 + 0.33 * lesion.conspicuity)


def chest_tube(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A wide tube through the ribs, up towards the apex or back along the base."""
    side, lung = lesion.side, scene.lung(lesion.side).lung
    entry = (side * (lung.width + 0.1), float(rng.uniform(0.15, 0.32)))
    if rng.random() < 0.7:
        way = [(side * lung.width * 0.6, 0.0), (side * 0.35, lung.apex + 0.18)]
    else:
        way = [(side * lung.width * 0.7, 0.3), (side * 0.2, lung.dome - 0.08)]
    curve = bezier([entry, *way], 16)
    mask = lay(scene, curve, 0.04, 0.1 + 0.12 * lesion.conspicuity)
    shift = np.array([[0.014, 0.0]])
    lay(scene, curve + shift, 0.012, 0.25 + 0.3 * lesion.conspicuity)
    return mask


def pacemaker(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A metal box below the collar bone with one or two leads to the heart."""
    side = lesion.side
    centre = np.array([side * rng.uniform(0.48, 0.58), scene.anatomy.clavicle + 0.17])
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    power = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.6
    rise = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.6
    box = centre + np.stack([0.085 * power, 0.095 * rise], axis=1)
    layer = Layer(scene.canvas.frame, 1.5)
    layer.area(box, 1.2)
    layer.area(centre + 0.6 * (box - centre), 1.4)
    tips = [(0.2, scene.anatomy.heart_at[1] + 0.14), (-0.1, scene.anatomy.heart_at[1] - 0.02)]
    for tip in tips[: 1 + int(lesion.severity > 1)]:
        middle = (-0.1, -0.35)
        up = bezier([(centre[0], centre[1] - 0.06), (side * 0.3, centre[1] - 0.2), middle])
        down = bezier([middle, (-0.13, 0.05), (-0.06, tip[1] + 0.05), tip])
        layer.line(np.concatenate([up, down]), 0.014, 0.5 + 0.3 * lesion.conspicuity)
    scene.canvas.attenuation += layer.sheet(0.002)
    near = Layer(scene.canvas.frame, 1.0)
    near.strokes = [(c, w if w is None else w + 0.02, 1.0) for c, w, _ in layer.strokes]
    return near.mask()


def sternal_wires(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Four to seven little loops down the middle."""
    layer = Layer(scene.canvas.frame, 1.5)
    near = Layer(scene.canvas.frame, 1.0)
    u = -0.05 * scene.anatomy.turn
    count = 4 + lesion.severity
    for v in np.linspace(-0.38, 0.3, count):
        angle = np.linspace(0.3, 2 * np.pi - rng.uniform(0.1, 0.5), 12)
        turn = rng.uniform(-0.4, 0.4)
        loop = np.stack([0.038 * np.cos(angle + turn), 0.026 * np.sin(angle + turn)], axis=1)
        layer.line(loop + np.array([[u, v]]), 0.012, 0.3 + 0.55 * lesion.conspicuity)
        near.line(np.array([[u - 0.045, v], [u + 0.045, v]]), 0.08, 1.0)
    scene.canvas.attenuation += layer.sheet(0.002)
    return near.mask()
