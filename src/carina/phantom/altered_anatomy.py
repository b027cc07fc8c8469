"""Findings that change the anatomy itself: alter it before drawing, and mark it afterwards."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from carina.phantom.anatomy import Anatomy, Lung
from carina.phantom.canvas import Mask, ellipsoid, look_up, radial_table, relative_radius
from carina.phantom.findings import Lesion
from carina.phantom.scene import Scene
from carina.phantom.skeleton import midline

Change = Callable[[Anatomy, Lesion], Anatomy]
Mark = Callable[[Scene, Lesion], Mask]


def enlarge_heart(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """A wide heart: cardiothoracic ratio above one half."""
    factor = 1.1 + 0.09 * lesion.severity + 0.06 * lesion.extent
    radii = np.array(anatomy.heart_radii) * (0.5 + 0.5 * factor)
    radii[[0, 1, 2, 11, 5, 6, 7]] *= factor / (0.5 + 0.5 * factor)
    return replace(anatomy, heart_radii=tuple(float(r) for r in radii))


def mark_heart(scene: Scene, lesion: Lesion) -> Mask:
    """The inside of the heart's contour."""
    canvas, anatomy = scene.canvas, scene.anatomy
    table = radial_table(np.array(anatomy.heart_radii))
    window = canvas.around(anatomy.heart_at, float(table.max()) * 1.02)
    return scene.whole(window, relative_radius(canvas, window, anatomy.heart_at, table) < 1)


def widen_mediastinum(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """A broad upper mediastinum."""
    factor = 1.3 + 0.2 * lesion.severity + 0.15 * lesion.extent
    return replace(anatomy, mediastinum=anatomy.mediastinum * factor)


def mark_mediastinum(scene: Scene, lesion: Lesion) -> Mask:
    """The upper mediastinum, from the collar bones to the carina."""
    canvas, anatomy = scene.canvas, scene.anatomy
    wide = anatomy.mediastinum * 1.1
    window = canvas.window(-wide, anatomy.clavicle - 0.05, wide, anatomy.carina_at + 0.05)
    mask = canvas.nothing()
    mask[window] = np.abs(canvas.u[window] - 0.02 * anatomy.turn) < wide
    return mask


def unfold_aorta(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """A large arch and a descending aorta that swings to the left."""
    more = 0.012 * lesion.severity + 0.012 * lesion.extent
    u, v = anatomy.knob_at
    return replace(
        anatomy,
        knob=anatomy.knob + 0.016 + more,
        knob_at=(u + 0.025 + more, v - 0.02),
        descending=anatomy.descending + 0.05 + 2.2 * more,
    )


def mark_aorta(scene: Scene, lesion: Lesion) -> Mask:
    """The arch and the strip of the descending aorta."""
    canvas, anatomy = scene.canvas, scene.anatomy
    u, v = anatomy.knob_at
    mask = canvas.nothing()
    window = canvas.around(anatomy.knob_at, anatomy.knob)
    mask[window] = ellipsoid(canvas, window, (u, v), (anatomy.knob, anatomy.knob), 0.0) < 1
    window = canvas.window(0.05, v, anatomy.descending, anatomy.left.dome)
    mask[window] = True
    return mask


def raise_diaphragm(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """One dome stands high."""
    lift = 0.08 + 0.05 * lesion.severity + 0.04 * lesion.extent
    lung = anatomy.lung(lesion.side)
    raised = replace(lung, dome=lung.dome - lift, base=lung.base - 0.35 * lift)
    return with_lung(anatomy, lesion.side, raised)


def with_lung(anatomy: Anatomy, side: int, lung: Lung) -> Anatomy:
    """The anatomy with another right or left lung."""
    return replace(anatomy, left=lung) if side > 0 else replace(anatomy, right=lung)


def mark_diaphragm(scene: Scene, lesion: Lesion) -> Mask:
    """A band round the raised dome."""
    field = scene.lung(lesion.side)
    near = (field.bottom < 0.04) & (field.bottom > -0.12) & (field.lateral > 0.02)
    return scene.whole(field.window, near & (field.u > 0.1))


def bend_spine(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """A spine that curves to one side and back."""
    bend = 0.04 + 0.022 * lesion.severity + 0.02 * lesion.extent
    sign = -1 if lesion.seed % 2 else 1
    return replace(anatomy, spine_bend=(sign * bend, anatomy.spine_bend[1]))


def mark_spine(scene: Scene, lesion: Lesion) -> Mask:
    """The band of the vertebral bodies."""
    distance = np.abs(scene.canvas.u - look_up(scene.canvas, midline(scene.anatomy)))
    return (distance < scene.anatomy.spine_width) & (scene.canvas.v < 1.0)


def inflate(anatomy: Anatomy, lesion: Lesion) -> Anatomy:
    """Low flat domes and a slim heart, as emphysema has them."""
    step = 0.025 * lesion.severity + 0.03 * lesion.extent
    changed = anatomy
    for side in (-1, 1):
        lung = changed.lung(side)
        changed = with_lung(
            changed,
            side,
            replace(lung, dome=lung.dome + 0.04 + step, base=lung.base + 0.3 * step),
        )
    slim = 1 - 0.03 * lesion.severity
    u, v = anatomy.heart_at
    return replace(
        changed,
        heart_radii=tuple(r * slim for r in anatomy.heart_radii),
        heart_at=(u, v + 0.6 * step),
    )


CHANGES: dict[str, Change] = {
    "cardiomegaly": enlarge_heart,
    "elevated hemidiaphragm": raise_diaphragm,
    "emphysema": inflate,
    "mediastinal widening": widen_mediastinum,
    "scoliosis": bend_spine,
    "tortuous aorta": unfold_aorta,
}
MARKS: dict[str, Mark] = {
    "cardiomegaly": mark_heart,
    "elevated hemidiaphragm": mark_diaphragm,
    "mediastinal widening": mark_mediastinum,
    "scoliosis": mark_spine,
    "tortuous aorta": mark_aorta,
}
