"""The healthy chest: attenuation of soft tissue, lungs, heart, vessels and bones."""

from functools import lru_cache

import numpy as np
from PIL import Image

from carina.phantom.anatomy import Anatomy, Lung
from carina.phantom.canvas import (
    LEVELS,
    Canvas,
    Floats,
    Grid,
    Layer,
    Mask,
    Window,
    bezier,
    bulge,
    ellipsoid,
    radial_table,
    ramp,
    relative_radius,
)


def look_up(canvas: Canvas, table: Floats, window: Window | None = None) -> Floats:
    """A function of v, given at `LEVELS`, at every pixel."""
    level = canvas.level if window is None else canvas.level[window]
    return np.asarray(table.take(level))


def midline(anatomy: Anatomy) -> Floats:
    """Where the spine runs, as u at `LEVELS`."""
    bend, phase = anatomy.spine_bend
    return bend * np.sin(LEVELS * 2.6 + phase) + 0.02 * anatomy.turn


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


def lungs(canvas: Canvas, anatomy: Anatomy) -> tuple["LungField", "LungField"]:
    """Fills both lungs with air."""
    right, left = (
        LungField(canvas, anatomy.lung(side), side, ribcage(anatomy.lung(side))) for side in (-1, 1)
    )
    for field in (right, left):
        canvas.air[field.window] += field.air().astype(np.float32)
    return right, left


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


def heart(canvas: Canvas, anatomy: Anatomy) -> Mask:
    """The heart as a round body; returns its outline's inside."""
    table = radial_table(np.array(anatomy.heart_radii))
    window = canvas.around(anatomy.heart_at, float(table.max()) * 1.02)
    relative = relative_radius(canvas, window, anatomy.heart_at, table)
    body = bulge((1 - relative) / 0.7)
    canvas.displace(window, 0.8 * body)
    canvas.add(window, 0.05 * body)
    mask = canvas.nothing()
    mask[window] = relative < 1
    return mask


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


def spine_and_blades(canvas: Canvas, anatomy: Anatomy) -> None:
    """Shoulder blades, then vertebral bodies, discs, pedicles and spinous processes."""
    path = midline(anatomy)
    layer = Layer(canvas.frame, 1.0)
    for side in (-1, 1):
        blade(layer, anatomy, side, anatomy.clavicle - anatomy.clavicle_rise)
    height, v = 0.098, -1.08
    while v < 1.15:
        half = anatomy.spine_width * float(np.interp(v, (-0.9, 0.7), (0.78, 0.94)))
        u = float(np.interp(v + height / 2, LEVELS, path))
        slope = float(np.interp(v + height, LEVELS, path) - np.interp(v, LEVELS, path))
        vertebra(layer, u, v, half, height, slope, anatomy.bone)
        height, v = height * 1.022, v + height
    canvas.attenuation += layer.sheet(0.007)


def vertebra(
    layer: Layer, u: float, v: float, half: float, height: float, slope: float, bone: float
) -> None:
    """One vertebra: body with end plates, two pedicles, a spinous process."""
    top, low = v + 0.06 * height, v + 0.9 * height
    body = np.array(
        [
            [u - half - slope / 2, top],
            [u + half - slope / 2, top],
            [u + 0.9 * half, (top + low) / 2],
            [u + half + slope / 2, low],
            [u - half + slope / 2, low],
            [u - 0.9 * half, (top + low) / 2],
        ]
    )
    layer.area(body, 0.3 * bone)
    layer.line(body[:2], 0.012, 0.4 * bone)
    layer.line(body[3:5], 0.012, 0.4 * bone)
    for side in (-1, 1):
        pedicle = np.array([[u + side * 0.62 * half, v + f * height] for f in (0.25, 0.48)])
        layer.line(pedicle, 0.026, 0.42 * bone)
    layer.line(np.array([[u, v + 0.5 * height], [u, v + 0.95 * height]]), 0.018, 0.44 * bone)


def rib_curves(anatomy: Anatomy, side: int, number: int) -> tuple[Floats, Floats]:
    """Middle lines of the posterior and the anterior part of rib `number` (0 is the first)."""
    lung = anatomy.lung(side)
    cage = ribcage(lung)
    spacing = (lung.dome - lung.apex) / 8.6
    start = lung.apex - 0.02 + spacing * (0.95 * number + 0.1 * (number > 0))
    drop = anatomy.rib_drop * (0.55 + 0.09 * number)
    end = start + drop
    outside = float(np.interp(end, LEVELS, cage)) + 0.012
    rise = anatomy.rib_slope * (0.9 - 0.06 * number)
    posterior = bezier(
        [
            (side * 0.085, start),
            (side * outside * 0.45, start - rise * 0.35),
            (side * outside * 1.02, start + drop * 0.2),
            (side * outside, end),
        ]
    )
    inner = 0.2 + 0.012 * number
    anterior = bezier(
        [
            (side * outside, end),
            (side * outside * 0.98, end + 0.13),
            (side * (inner + outside) / 2, end + 0.15 + 0.01 * number),
            (side * inner, end + 0.1 + 0.02 * number),
        ]
    )
    return posterior, anterior


def ribs(
    canvas: Canvas, anatomy: Anatomy, fractures: dict[tuple[int, int], tuple[float, float]]
) -> None:
    """Ten pairs of ribs, the back parts denser than the front ones, and the collar bones."""
    back, front = Layer(canvas.frame, 0.6), Layer(canvas.frame, 0.8)
    for side in (-1, 1):
        for number in range(10):
            posterior, anterior = rib_curves(anatomy, side, number)
            parts = break_rib(posterior, *fractures.get((side, number), (1.0, 0.0)))
            for part in parts:
                rib(back, part, anatomy.rib_width, 0.19 * anatomy.bone)
            if number < 7:
                rib(front, anterior, anatomy.rib_width * 1.15, 0.115 * anatomy.bone)
    clavicles(front, anatomy)
    canvas.attenuation += back.sheet(0.005)
    canvas.attenuation += front.sheet(0.007)


def break_rib(curve: Floats, place: float, offset: float) -> tuple[Floats, ...]:
    """A whole rib, or its two parts, the outer one displaced downwards."""
    if offset == 0:
        return (curve,)
    at = round(place * (len(curve) - 1))
    fade = np.linspace(1, 0, len(curve) - at)[:, None]
    outer = curve[at:] + np.array([[0.0, offset]]) * fade
    return curve[:at] + np.array([[0.0, -0.3 * offset]]) * np.linspace(0, 1, at)[:, None], outer


def rib(layer: Layer, curve: Floats, width: float, value: float) -> None:
    """A band with brighter borders, the lower border thinner."""
    layer.band(curve, width, value)
    edge = np.array([[0.0, width * 0.43]])
    layer.line(curve - edge, 0.009, value * 1.5)
    layer.line(curve + edge, 0.007, value * 1.35)


def clavicles(layer: Layer, anatomy: Anatomy) -> None:
    """The collar bones, S-shaped, apart from the middle as far as the patient is turned."""
    v, rise = anatomy.clavicle, anatomy.clavicle_rise
    for side in (-1, 1):
        curve = bezier(
            [
                (side * 0.075 + 0.06 * anatomy.turn, v + 0.02),
                (side * 0.3, v - 0.02 - rise * 0.2),
                (side * 0.48, v - 0.1 - rise),
                (side * 0.82, v - 0.07 - rise),
            ],
            18,
        )
        rib(layer, curve, 0.062, 0.3 * anatomy.bone)


def blade(layer: Layer, anatomy: Anatomy, side: int, v: float) -> None:
    """The shoulder blade's outline, and the humerus beside it."""
    inside = anatomy.lung(side).width - 0.02 - 0.2 * anatomy.scapula
    outline = bezier(
        [
            (side * 0.9, v + 0.02),
            (side * (inside + 0.05), v + 0.05),
            (side * inside, v + 0.4),
            (side * (inside + 0.12), v + 0.72),
        ]
    )
    outer = bezier([(side * (inside + 0.12), v + 0.72), (side * 0.8, v + 0.4), (side * 0.92, v)])
    layer.area(np.concatenate([outline, outer]), 0.1 * anatomy.bone)
    layer.line(outline, 0.016, 0.2 * anatomy.bone)
    layer.line(outer, 0.022, 0.24 * anatomy.bone)
    head = np.array(
        [
            [side * (0.98 + 0.085 * np.cos(a)), v + 0.07 + 0.09 * np.sin(a)]
            for a in np.linspace(0, 6.28, 16)
        ]
    )
    layer.area(head, 0.3 * anatomy.bone)
    shaft = np.array([[side * 1.0, v + 0.1], [side * (1.04 + 0.06 * anatomy.arms), v + 0.8]])
    layer.line(shaft, 0.1, 0.26 * anatomy.bone)


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
