"""Spine, shoulder blades, ribs and collar bones."""

import numpy as np

from carina.phantom.anatomy import Anatomy
from carina.phantom.canvas import LEVELS, Canvas, Floats, Layer, bezier
from carina.phantom.lung_field import ribcage


def midline(anatomy: Anatomy) -> Floats:
    """Where the spine runs, as u at `LEVELS`."""
    bend, phase = anatomy.spine_bend
    return bend * np.sin(LEVELS * 2.6 + phase) + 0.02 * anatomy.turn


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
