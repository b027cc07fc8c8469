"""Lesions of the lung itself. Each function draws one lesion and returns where it is."""

import numpy as np

from carina.phantom.canvas import (
    Canvas,
    Floats,
    Grid,
    Layer,
    Mask,
    bulge,
    ellipsoid,
    radial_table,
    ramp,
    relative_radius,
)
from carina.phantom.findings import Lesion
from carina.phantom.scene import SIDES, Scene, irregular, mottle, place_in_lung


def consolidation(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Patchy, ill-defined white-out of a zone, at times with dark bronchi."""
    canvas = scene.canvas
    size = 0.1 + 0.045 * lesion.severity + 0.05 * lesion.extent
    centre = place_in_lung(rng, scene, lesion.side, lesion.zone, size * 0.7)
    table = size * radial_table(irregular(rng, 0.16))
    window = canvas.around(centre, 1.5 * size)
    relative = relative_radius(canvas, window, centre, table)
    relative = relative + 0.2 * mottle(rng, (relative.shape[0], relative.shape[1]), 9)
    field = lung_part(scene, window)
    share = ramp((1.15 - relative) / 0.6) * (0.3 + 0.5 * lesion.conspicuity) * field
    canvas.displace(window, share)
    return scene.whole(window, (relative < 0.9) & (field > 0.4))


def lung_part(scene: Scene, window: tuple[slice, slice]) -> Floats:
    """How much of the depth is air now, relative to a healthy lung, in a window."""
    return np.clip(scene.canvas.air[window].astype(np.float64) / 0.3, 0, 1)


def atelectasis(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Plates of collapsed lung near the base, or a wedge behind the heart."""
    return wedge(scene, lesion, rng) if rng.random() < 0.35 else plates(scene, lesion, rng)


def plates(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """One to three thin, nearly level bands."""
    layer = Layer(scene.canvas.frame, 1.0)
    lung = scene.lung(lesion.side).lung
    for number in range(1 + int(rng.integers(0, lesion.severity + 1)) // 2 + lesion.severity // 3):
        v = lung.dome - rng.uniform(0.03, 0.12) - 0.07 * number
        u = rng.uniform(0.26, 0.36)
        half = 0.08 + 0.04 * lesion.severity + 0.04 * lesion.extent
        slope = rng.uniform(-0.25, 0.25)
        t = np.linspace(-1, 1, 7)
        curve = np.stack(
            [lesion.side * (u + half * t), v + slope * half * t - 0.02 * (1 - t * t)], axis=1
        )
        layer.line(curve, 0.022 + 0.008 * lesion.severity, 0.55 + 0.45 * lesion.conspicuity)
    sheet = layer.sheet(0.006).astype(np.float64)
    everywhere = (slice(None), slice(None))
    part = np.clip(scene.canvas.air / 0.2, 0, 1)
    scene.canvas.add(everywhere, 0.34 * sheet * part)
    return np.asarray((sheet > 0.25) & (part > 0.2))


def wedge(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A triangle with its tip at the hilum: a collapsed lower lobe."""
    canvas, side = scene.canvas, lesion.side
    field = scene.lung(side)
    tip = scene.anatomy.hila_at + 0.05
    foot = 0.2 + 0.06 * lesion.severity + 0.05 * lesion.extent
    window = canvas.window(min(0.0, side * 0.6), tip, max(0.0, side * 0.6), field.lung.base)
    u, v = canvas.u[window] * side, canvas.v[window]
    border = 0.08 + (foot - 0.02) * np.clip((v - tip) / (field.lung.dome - tip), 0, 1)
    inside = ramp((border - u) / 0.03) * ramp((u - 0.02) / 0.02)
    part = lung_part(scene, window)
    canvas.displace(window, inside * (0.35 + 0.45 * lesion.conspicuity))
    return scene.whole(window, (inside > 0.5) & (part > 0.15))


def edema(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Four grades: full vessels, septal lines, bat wings, white lungs."""
    canvas, mask = scene.canvas, scene.canvas.nothing()
    grade = lesion.severity
    scene.vessels += np.float32(0.14 * grade * (0.5 + 0.5 * lesion.conspicuity))
    for side in (-1, 1):
        field = scene.lung(side)
        centre_v = scene.anatomy.hila_at + 0.1
        far = ((field.u - 0.2) / 0.34) ** 2 + ((field.v - centre_v) / 0.42) ** 2
        noise = mottle(rng, (far.shape[0], far.shape[1]), 7)
        haze = np.exp(-far) * (1 + 0.35 * noise)
        share = np.clip(
            haze * (0.07 + 0.19 * (grade - 1)) * (0.6 + 0.4 * lesion.conspicuity), 0, 0.85
        )
        canvas.displace(field.window, share)
        mask[field.window] |= (far < 0.9) & field.inside()
    if grade >= 2:
        septal_lines(scene, rng, 0.1 + 0.1 * lesion.conspicuity)
    return mask


def septal_lines(scene: Scene, rng: np.random.Generator, value: float) -> None:
    """Short level lines at the lower chest wall."""
    layer = Layer(scene.canvas.frame, 1.0)
    for side in (-1, 1):
        lung = scene.lung(side).lung
        for v in np.arange(lung.dome - 0.3, lung.dome + 0.08, 0.035):
            end = lung.width - rng.uniform(0.01, 0.03)
            start = end - rng.uniform(0.04, 0.09)
            layer.line(np.array([[side * start, v], [side * end, v - 0.008]]), 0.009, value)
    scene.canvas.attenuation += layer.sheet() * np.clip(scene.canvas.air / 0.2, 0, 1)


def nodule(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A round, sharp density of 5 to 9 pixels' radius at 224."""
    size = 0.046 + 0.011 * lesion.severity + 0.008 * lesion.extent
    centre = place_in_lung(rng, scene, lesion.side, lesion.zone, 0.1)
    return lump(scene, lesion, centre, size * radial_table(irregular(rng, 0.06)), 0.22, 0.34)


def mass(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A large lobulated or spiculated density."""
    size = 0.1 + 0.03 * lesion.severity + 0.03 * lesion.extent
    centre = place_in_lung(rng, scene, lesion.side, lesion.zone, size)
    rough = 0.2 if rng.random() < 0.4 else 0.08
    return lump(scene, lesion, centre, size * radial_table(irregular(rng, rough, 13)), 0.25, 0.4)


def lump(
    scene: Scene,
    lesion: Lesion,
    centre: tuple[float, float],
    table: Floats,
    least: float,
    more: float,
) -> Mask:
    """A rounded density with a sharp border."""
    canvas = scene.canvas
    window = canvas.around(centre, float(table.max()) * 1.1)
    relative = relative_radius(canvas, window, centre, table)
    canvas.add(window, (least + more * lesion.conspicuity) * bulge((1 - relative) / 0.8))
    return scene.whole(window, relative < 1)


def granuloma(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A small, very dense, sharp dot."""
    size = 0.022 + 0.005 * lesion.severity + 0.004 * lesion.extent
    centre = place_in_lung(rng, scene, lesion.side, lesion.zone, 0.08)
    return lump(scene, lesion, centre, size * radial_table(irregular(rng, 0.08)), 0.7, 0.7)


def cavity(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A ring with a dark centre."""
    return ring(scene, lesion, rng, wall=0.28, darkness=0.18, fluid=False)


def abscess(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A thick-walled cavity, half filled, with a level surface."""
    return ring(scene, lesion, rng, wall=0.33, darkness=0.2, fluid=True)


def ring(
    scene: Scene,
    lesion: Lesion,
    rng: np.random.Generator,
    *,
    wall: float,
    darkness: float,
    fluid: bool,
) -> Mask:
    """A wall round air, or round air over fluid."""
    canvas = scene.canvas
    size = 0.1 + 0.022 * lesion.severity + 0.02 * lesion.extent
    centre = place_in_lung(rng, scene, lesion.side, lesion.zone, size)
    table = size * radial_table(irregular(rng, 0.07))
    window = canvas.around(centre, 1.3 * float(table.max()))
    relative = relative_radius(canvas, window, centre, table)
    strength = 0.22 + 0.33 * lesion.conspicuity
    edge = ramp((1.04 - relative) / 0.1) * ramp((relative - (1 - wall)) / 0.12)
    hollow = ramp((1 - wall - relative) / 0.1)
    canvas.add(window, strength * edge)
    if fluid:
        level = centre[1] + rng.uniform(-0.25, 0.15) * size
        below = ramp((canvas.v[window] - level) / 0.012)
        canvas.add(window, strength * hollow * below - darkness * hollow * (1 - below))
    else:
        canvas.add(window, -darkness * hollow)
    return scene.whole(window, relative < 1)


def bullae(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Large dark rounds with hair-thin walls, mostly at the apex."""
    mask = scene.canvas.nothing()
    for _ in range(1 + int(rng.integers(0, lesion.severity + 1))):
        size = rng.uniform(0.08, 0.11 + 0.03 * lesion.severity)
        u, v = place_in_lung(rng, scene, lesion.side, lesion.zone, size)
        window = scene.canvas.around((u, v), 1.2 * size)
        relative = relative_radius(
            scene.canvas, window, (u, v), size * radial_table(irregular(rng, 0.05))
        )
        inside = ramp((1 - relative) / 0.08)
        wall = np.exp(-(((relative - 1) / 0.07) ** 2))
        scene.vessels[window] *= (1 - 0.9 * inside).astype(np.float32)
        scene.canvas.add(window, (0.08 + 0.14 * lesion.conspicuity) * wall - 0.17 * inside)
        mask[window] |= relative < 1
    return mask


def miliary(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Hundreds of tiny dots all over both lungs."""
    layer = Layer(scene.canvas.frame, 1.0)
    mask = scene.canvas.nothing()
    for side in (-1, 1):
        field = scene.lung(side)
        lung = field.lung
        for _ in range(60 + 30 * lesion.severity):
            u = rng.uniform(0.08, lung.width)
            v = rng.uniform(lung.apex, lung.dome + 0.1)
            size = rng.uniform(0.011, 0.018)
            corners = [(-1, 0), (0, -1), (1, 0), (0, 1)]
            layer.area(
                np.array([[side * u + size * a, v + size * b] for a, b in corners]),
                rng.uniform(0.5, 1.0),
            )
        mask[field.window] |= field.inside()
    strength = np.float32(0.22 + 0.25 * lesion.conspicuity)
    scene.canvas.attenuation += layer.sheet(0.004) * strength * air_share(scene.canvas)
    return mask


def air_share(canvas: Canvas) -> Grid:
    """1 where there is plenty of air, 0 where there is none."""
    return np.asarray(np.clip(canvas.air / np.float32(0.25), 0, 1))


def emphysema(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Dark lungs with few vessels; the flat domes are drawn by `altered_anatomy`."""
    mask = scene.canvas.nothing()
    strength = (0.1 + 0.05 * lesion.severity) * (0.6 + 0.4 * lesion.conspicuity)
    for side in (-1, 1):
        field = scene.lung(side)
        window = field.window
        patch = np.clip(1 + 0.5 * mottle(rng, (field.u.shape[0], field.u.shape[1]), 6), 0.2, 2)
        scene.canvas.air[window] *= (1 + strength * patch).astype(np.float32)
        scene.vessels[window] *= np.float32(1 - 0.17 * lesion.severity)
        mask[window] |= field.inside()
    return mask


def fibrosis(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A coarse net of lines at the bases and the edges."""
    return network(scene, lesion, rng, low=True, cell=0.05)


def interstitial(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A fine net of lines all over both lungs."""
    return network(scene, lesion, rng, low=False, cell=0.036)


def network(
    scene: Scene, lesion: Lesion, rng: np.random.Generator, *, low: bool, cell: float
) -> Mask:
    """Random short lines that cross, over a slight haze."""
    layer = Layer(scene.canvas.frame, 1.0)
    mask = scene.canvas.nothing()
    strength = (0.1 + 0.04 * lesion.severity) * (0.5 + 0.9 * lesion.conspicuity)
    for side in (-1, 1):
        field = scene.lung(side)
        lung = field.lung
        top = lung.apex + (0.5 if low else 0.12) * (lung.dome - lung.apex)
        count = int((lung.dome + 0.12 - top) * lung.width / cell**2 * 0.9)
        u = rng.uniform(0.08, lung.width, count)
        v = top + (lung.dome + 0.12 - top) * rng.random(count)
        angle = rng.uniform(0, np.pi, count)
        bend = rng.uniform(-0.4, 0.4, count)
        length = cell * rng.uniform(0.6, 1.5, count)
        weight = rng.uniform(0.4, 1, count)
        for i in range(count):
            a, b = angle[i], angle[i] + bend[i]
            middle = (side * u[i], v[i])
            start = (middle[0] - np.cos(a) * length[i], middle[1] - np.sin(a) * length[i])
            end = (middle[0] + np.cos(b) * length[i], middle[1] + np.sin(b) * length[i])
            layer.line(np.array([start, middle, end]), 0.011 if low else 0.009, float(weight[i]))
        region = (field.v > top) & field.inside()
        scene.canvas.displace(field.window, 0.35 * strength * ramp((field.v - top) / 0.15))
        mask[field.window] |= region
    scene.canvas.attenuation += layer.sheet(0.003) * np.float32(strength) * air_share(scene.canvas)
    return mask


def hernia(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A round density behind the heart, with an air-fluid level."""
    canvas = scene.canvas
    size = 0.1 + 0.025 * lesion.severity + 0.025 * lesion.extent
    floor = max(scene.anatomy.left.dome, scene.anatomy.right.dome)
    centre = (float(rng.uniform(-0.02, 0.1)), floor - 0.5 * size)
    window = canvas.around(centre, 1.15 * size)
    square = ellipsoid(canvas, window, centre, (size * 1.1, size), 0.0)
    level = centre[1] - 0.1 * size
    below = ramp((canvas.v[window] - level) / 0.012)
    inside = ramp((1 - square) / 0.12)
    wall = 0.6 * inside * ramp((square - 0.7) / 0.1)
    strength = 0.06 + 0.16 * lesion.conspicuity
    canvas.displace(window, 0.8 * inside)
    gas = (0.12 + 0.24 * lesion.conspicuity) * inside * (1 - below)
    canvas.add(window, strength * (inside * below + wall) - gas)
    return scene.whole(window, square < 1)


def hilar_enlargement(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Lumpy densities where the vessels enter."""
    canvas, mask = scene.canvas, scene.canvas.nothing()
    for side in SIDES[lesion.side]:
        for _ in range(3):
            u = side * rng.uniform(0.15, 0.24)
            v = scene.anatomy.hila_at + rng.uniform(-0.05, 0.11)
            size = 0.055 + 0.013 * lesion.severity + 0.01 * lesion.extent
            window = canvas.around((u, v), 1.4 * size)
            table = size * radial_table(irregular(rng, 0.1))
            relative = relative_radius(canvas, window, (u, v), table)
            canvas.add(window, (0.1 + 0.2 * lesion.conspicuity) * bulge((1 - relative) / 0.7))
            mask[window] |= relative < 1
    return mask
