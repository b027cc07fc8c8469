"""Lesions of the pleura and the chest wall."""

import numpy as np

from carina.phantom.canvas import Canvas, Floats, Layer, Mask, Point, bulge, ellipsoid, ramp
from carina.phantom.findings import Lesion
from carina.phantom.lung_field import LungField
from carina.phantom.scene import SIDES, Scene
from carina.phantom.skeleton import rib_curves


def pneumothorax(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Air between lung and ribs: black, without vessels, with a thin white line."""
    field = scene.lung(lesion.side)
    depth = retreat(field, lesion)
    draw_free_air(scene, field, depth, lesion.conspicuity)
    return scene.whole(field.window, (depth > 0) & field.inside())


def retreat(field: LungField, lesion: Lesion) -> Floats:
    """How far a pixel lies outside the shrunken lung: positive in the free air."""
    size = 0.035 + 0.04 * lesion.severity + 0.03 * lesion.extent
    height = np.clip(field.relative_height(), 0, 1.1)
    edge = np.minimum(field.lateral, 0.75 * field.top)
    return size * (1.35 - 0.85 * height) - edge


def draw_free_air(scene: Scene, field: LungField, depth: Floats, conspicuity: float) -> None:
    """Blackens the free air, thins its vessels out and draws the lung's edge."""
    inside = field.inside()
    free = ramp(depth / 0.012) * inside
    scene.vessels[field.window] *= (1 - 0.95 * free).astype(np.float32)
    scene.canvas.air[field.window] += ((0.1 + 0.16 * conspicuity) * free).astype(np.float32)
    line = np.exp(-((depth / 0.008) ** 2)) * inside
    scene.canvas.add(field.window, (0.07 + 0.13 * conspicuity) * line)


def effusion(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Fluid at the base with a surface that climbs the chest wall."""
    mask = scene.canvas.nothing()
    for side in SIDES[lesion.side]:
        field = scene.lung(side)
        lift = (-0.03, 0.0, 0.09, 0.24)[lesion.severity] + 0.07 * lesion.extent
        outwards = np.clip(field.u / field.lung.width, 0, 1.1)
        climb = (0.1 + 0.12 * lesion.severity) * outwards**4 + 0.06 * outwards**12
        surface = field.lung.dome + 0.16 - lift - climb - 0.14 * (lesion.severity > 1)
        fluid(scene, field, field.v - surface, 0.55 + 0.4 * lesion.conspicuity, 0.05)
        mask[field.window] |= (field.v > surface) & in_pleura(field)
    return mask


def in_pleura(field: LungField) -> Mask:
    """The space that fluid can fill: the lung and the recess below it."""
    return (field.lateral > 0) & (field.medial > 0) & (field.top > 0) & (field.bottom > -0.02)


def fluid(scene: Scene, field: LungField, depth: Floats, density: float, soft: float) -> None:
    """Takes the air away below a surface."""
    scene.canvas.displace(field.window, density * ramp(depth / soft))


def hydropneumothorax(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Free air above, fluid below, and a ruler-straight surface between them."""
    field = scene.lung(lesion.side)
    air = pneumothorax(scene, lesion, rng)
    surface = field.lung.dome + 0.05 - 0.07 * lesion.severity - 0.08 * lesion.extent
    depth = field.v - surface
    fluid(scene, field, depth, 0.92, 0.012)
    below = scene.whole(field.window, (depth > 0) & in_pleura(field))
    return below | air


def parts_of_hydropneumothorax(mask: Mask, scene: Scene, lesion: Lesion) -> tuple[Mask, Mask]:
    """The free air and the fluid of a hydropneumothorax."""
    lung = scene.lung(lesion.side).lung
    surface = lung.dome + 0.05 - 0.07 * lesion.severity - 0.08 * lesion.extent
    return mask & (scene.canvas.v <= surface), mask & (scene.canvas.v > surface)


def empyema(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A lens of fluid on the chest wall that gravity does not level."""
    field = scene.lung(lesion.side)
    height = 0.42 if lesion.zone == "middle" else 0.7
    centre = field.lung.apex + height * (field.lung.dome - field.lung.apex)
    tall = 0.16 + 0.03 * lesion.severity
    deep = 0.1 + 0.03 * lesion.severity + 0.03 * lesion.extent
    square = ((field.v - centre) / tall) ** 2 + (field.lateral / deep) ** 2
    lens = ramp((1 - square) / 0.18) * (field.lateral > 0)
    scene.canvas.displace(field.window, (0.5 + 0.4 * lesion.conspicuity) * lens)
    return scene.whole(field.window, (square < 1) & (field.lateral > 0))


def pleural_thickening(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """A sharp, uneven rind along the ribs or over the apex."""
    field = scene.lung(lesion.side)
    thick = 0.022 + 0.012 * lesion.severity + 0.01 * lesion.extent
    edge = np.minimum(field.lateral, 0.8 * field.top)
    middle = {"upper": 0.12, "middle": 0.45, "lower": 0.75, "": 0.5}[lesion.zone]
    height = field.relative_height()
    reach = ramp((0.3 - np.abs(height - middle)) / 0.12)
    wave = 1 + 0.3 * np.sin(height * 23 + rng.uniform(0, 6))
    depth = thick * reach * wave - edge
    rind = ramp(depth / 0.008) * (edge > -0.005) * (reach > 0)
    scene.canvas.displace(field.window, 0.7 * rind)
    scene.canvas.add(field.window, (0.12 + 0.3 * lesion.conspicuity) * rind)
    return scene.whole(
        field.window, (depth > 0) & (edge > -0.005) & (reach > 0.3) & (field.medial > 0.06)
    )


def subcutaneous_emphysema(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """Dark streaks between the muscles of chest wall and neck."""
    layer = Layer(scene.canvas.frame, 1.0)
    mask = scene.canvas.nothing()
    for side in SIDES[lesion.side]:
        lung = scene.lung(side).lung
        for _ in range(16 + 10 * lesion.severity):
            high = rng.random() < 0.35
            v = rng.uniform(-0.95, -0.7) if high else rng.uniform(-0.5, 0.4)
            u = rng.uniform(0.2, 0.55) if high else lung.width + rng.uniform(0.03, 0.16)
            lean = rng.uniform(0.5, 1.3) if high else rng.uniform(1.2, 1.75)
            length = rng.uniform(0.03, 0.09)
            step = np.array([side * np.cos(lean), np.sin(lean)]) * length
            at = np.array([side * u, v])
            layer.line(
                np.array([at - step, at, at + step * rng.uniform(0.8, 1.2)]),
                rng.uniform(0.01, 0.026),
                rng.uniform(0.5, 1),
            )
        box = scene.canvas.window(
            *((-lung.width - 0.2, -0.95) if side < 0 else (lung.width, -0.95)),
            *((-lung.width, 0.45) if side < 0 else (lung.width + 0.2, 0.45)),
        )
        mask[box] = True
    sheet = layer.sheet(0.004)
    strength = np.float32(0.18 + 0.28 * lesion.conspicuity)
    scene.canvas.attenuation -= strength * sheet * np.clip(scene.canvas.attenuation, 0, 1)
    return mask & (sheet > 0.12) | (sheet > 0.3)


def rib_fracture(scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Mask:
    """One to three neighbouring ribs broken, the outer part displaced, with a dark gap."""
    first = first_broken_rib(lesion, rng)
    place = float(rng.uniform(0.4, 0.75))
    mask = scene.canvas.nothing()
    for number in range(first, first + 1 + lesion.severity // 2 + lesion.severity // 3):
        offset = 0.03 + 0.01 * lesion.severity + 0.02 * lesion.conspicuity
        scene.fractures[(lesion.side, number)] = (place, offset)
        at = break_point(scene, lesion.side, number, place)
        callus(scene.canvas, at, offset, 0.08 + 0.22 * lesion.conspicuity)
        window = scene.canvas.around(at, 0.09)
        mask[window] |= ellipsoid(scene.canvas, window, at, (0.08, 0.08), 0.0) < 1
    return mask


def first_broken_rib(lesion: Lesion, rng: np.random.Generator) -> int:
    """The number of the highest broken rib, 0 for the first; the first draw from the lesion's."""
    return {"upper": 2, "middle": 4, "lower": 6, "": 4}[lesion.zone] + int(rng.integers(0, 2))


def break_point(scene: Scene, side: int, number: int, place: float) -> Point:
    """Where along a rib the break is."""
    posterior, _ = rib_curves(scene.anatomy, side, number)
    at = posterior[round(place * (len(posterior) - 1))]
    return float(at[0]), float(at[1])


def callus(canvas: Canvas, at: Point, offset: float, value: float) -> None:
    """New bone at both ends of a break."""
    for shift in (-0.3 * offset, offset):
        centre = (at[0], at[1] + shift)
        window = canvas.around(centre, 0.036)
        canvas.add(
            window, value * bulge(1 - ellipsoid(canvas, window, centre, (0.034, 0.034), 0.0))
        )
