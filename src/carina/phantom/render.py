"""From a patient with lesions to a picture with masks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carina.phantom import (
    body,
    devices,
    heart_and_vessels,
    lung_field,
    lung_lesions,
    pleural_lesions,
    skeleton,
)
from carina.phantom.altered_anatomy import CHANGES, MARKS
from carina.phantom.anatomy import Anatomy
from carina.phantom.canvas import Canvas, Frame, Mask
from carina.phantom.clutter import clutter
from carina.phantom.film import Film, expose
from carina.phantom.findings import Lesion
from carina.phantom.scene import Scene

Draw = Callable[[Scene, Lesion, np.random.Generator], Mask]

IN_THE_LUNG: dict[str, Draw] = {
    "emphysema": lung_lesions.emphysema,
    "pulmonary edema": lung_lesions.edema,
    "fibrosis": lung_lesions.fibrosis,
    "interstitial opacity": lung_lesions.interstitial,
    "miliary nodules": lung_lesions.miliary,
    "bullae": lung_lesions.bullae,
    "hilar enlargement": lung_lesions.hilar_enlargement,
    "consolidation": lung_lesions.consolidation,
    "atelectasis": lung_lesions.atelectasis,
    "mass": lung_lesions.mass,
    "cavity": lung_lesions.cavity,
    "lung abscess": lung_lesions.abscess,
    "nodule": lung_lesions.nodule,
    "granuloma": lung_lesions.granuloma,
    "pneumothorax": pleural_lesions.pneumothorax,
    "hydropneumothorax": pleural_lesions.hydropneumothorax,
    "pleural effusion": pleural_lesions.effusion,
    "empyema": pleural_lesions.empyema,
    "pleural thickening": pleural_lesions.pleural_thickening,
}
IN_THE_RIBS: dict[str, Draw] = {"rib fracture": pleural_lesions.rib_fracture}
ON_TOP: dict[str, Draw] = {
    "hiatal hernia": lung_lesions.hernia,
    "subcutaneous emphysema": pleural_lesions.subcutaneous_emphysema,
    "sternal wires": devices.sternal_wires,
    "nasogastric tube": devices.nasogastric_tube,
    "endotracheal tube": devices.endotracheal_tube,
    "central venous catheter": devices.central_line,
    "chest tube": devices.chest_tube,
    "pacemaker": devices.pacemaker,
}
"""All in the order in which they are drawn."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a picture depends on."""

    anatomy: Anatomy
    frame: Frame
    film: Film
    lesions: tuple[Lesion, ...]
    noise_seed: int


def render(plan: Plan) -> tuple[NDArray[np.uint8], dict[str, Mask]]:
    """Draws a radiograph and a mask for each finding.

    Returns:
        The picture uint8 [size, size], bone bright, and masks [size, size] by finding,
        those that a finding implies included.
    """
    anatomy = plan.anatomy
    for lesion in plan.lesions:
        if lesion.name in CHANGES:
            anatomy = CHANGES[lesion.name](anatomy, lesion)
    scene = empty_scene(plan, anatomy)
    masks = draw_lesions(scene, plan.lesions, IN_THE_LUNG)
    # A fracture changes the ribs, so it is decided before they are drawn.
    fractured = draw_lesions(scene, plan.lesions, IN_THE_RIBS)
    finish_body(scene)
    masks |= draw_lesions(scene, plan.lesions, ON_TOP) | fractured
    clutter(scene, np.random.Generator(np.random.Philox(key=plan.noise_seed + 1)))
    for lesion in plan.lesions:
        if lesion.name in MARKS:
            masks[lesion.name] = MARKS[lesion.name](scene, lesion)
    add_implied(masks, scene, plan.lesions)
    rng = np.random.Generator(np.random.Philox(key=plan.noise_seed))
    size = plan.frame.size
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return expose(scene.canvas, plan.film, noise), masks


def empty_scene(plan: Plan, anatomy: Anatomy) -> Scene:
    """Soft tissue, lungs, heart and mediastinum, before any lesion."""
    canvas = Canvas(plan.frame)
    body.soft_tissue(canvas, anatomy)
    right, left = lung_field.lungs(canvas, anatomy)
    heart_and_vessels.heart(canvas, anatomy)
    heart_and_vessels.mediastinum(canvas, anatomy)
    return Scene(
        canvas=canvas,
        anatomy=anatomy,
        right=right,
        left=left,
        vessels=np.ones_like(canvas.air),
    )


def finish_body(scene: Scene) -> None:
    """Vessels, bones, breasts, belly and unevenness, over the lesions of the lung."""
    canvas, anatomy = scene.canvas, scene.anatomy
    heart_and_vessels.hila(canvas, anatomy, scene.vessels)
    skeleton.spine_and_blades(canvas, anatomy)
    skeleton.ribs(canvas, anatomy, scene.fractures)
    body.breasts(canvas, anatomy)
    body.belly(canvas, anatomy)
    canvas.attenuation *= 1 + np.float32(0.02 * anatomy.texture) * body.texture(canvas, anatomy)


def draw_lesions(
    scene: Scene, lesions: tuple[Lesion, ...], functions: dict[str, Draw]
) -> dict[str, Mask]:
    """Draws the lesions that are in a table, in the table's order."""
    masks: dict[str, Mask] = {}
    by_name = {lesion.name: lesion for lesion in lesions}
    for name, draw in functions.items():
        if name in by_name:
            masks[name] = draw(scene, by_name[name], by_name[name].random())
    return masks


def add_implied(masks: dict[str, Mask], scene: Scene, lesions: tuple[Lesion, ...]) -> None:
    """Masks of what is true by definition: the air and the fluid of a hydropneumothorax..."""
    for lesion in lesions:
        if lesion.name == "hydropneumothorax":
            parts = pleural_lesions.parts_of_hydropneumothorax(masks[lesion.name], scene, lesion)
            for name, part in zip(("pneumothorax", "pleural effusion"), parts, strict=True):
                masks[name] = masks[name] | part if name in masks else part
        elif lesion.name == "lung abscess":
            masks["cavity"] = masks[lesion.name]
        elif lesion.name == "empyema":
            masks["pleural effusion"] = masks[lesion.name]
