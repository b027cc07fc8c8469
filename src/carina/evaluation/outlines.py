"""The true outline of a finding on a radiograph: the union of its boxes and masks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, UnidentifiedImageError

from carina.errors import ConfigError, EvaluationError
from carina.evaluation.scoring import Frontal
from carina.metrics.grounding import box_fault, box_mask
from carina.pages.overlay import BoxCorners
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.study import Study


def outlined(frontal: Frontal) -> frozenset[str]:
    """The findings, in canonical form, that have a box or a mask on a radiograph."""
    study, place = frontal.study, frontal.radiograph
    boxes = {canonical(box.label) for box in study.boxes if box.radiograph == place}
    return frozenset(boxes | {canonical(m.label) for m in study.masks if m.radiograph == place})


def parse_outlines(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Reads NAME=LABEL,LABEL words: whose boxes and masks are outlines of NAME too.

    Raises:
        ConfigError: a word is of another form.
    """
    named = {}
    for text in texts:
        name, _, rest = text.partition("=")
        labels = tuple(label.strip() for label in rest.split(",") if label.strip())
        if not name.strip() or not labels:
            raise ConfigError(
                f"--outline {text!r}: expected NAME=LABEL or NAME=LABEL,LABEL, such as "
                '--outline "lung opacity=ground glass opacities,consolidation".'
            )
        named[name.strip()] = labels
    return named


def with_outlines(manifest: Manifest, named: Mapping[str, Sequence[str]]) -> Manifest:
    """Gives findings the boxes and masks of other labels too; in memory only.

    A reader who boxed an infiltrate has outlined an opacity: whoever asks for the wider word has
    to say which narrower labels it covers.

    Args:
        manifest: as it is.
        named: finding -> labels whose outlines are its own too.

    Raises:
        EvaluationError: no box or mask has one of the labels.
    """
    if not named:
        return manifest
    found = {box.label for study in manifest.studies for box in study.boxes}
    found |= {mask.label for study in manifest.studies for mask in study.masks}
    wider: dict[str, list[str]] = {}
    for name, labels in named.items():
        for label in labels:
            if canonical(label) not in {canonical(one) for one in found}:
                raise EvaluationError(
                    f"{manifest.path}: no box or mask is labelled {label!r}, which is to outline "
                    f"{name!r}; labels found: {', '.join(sorted(found)) or 'none'}."
                )
            if canonical(label) != canonical(name):
                wider.setdefault(canonical(label), []).append(name)
    return manifest.with_studies([_with_wider(study, wider) for study in manifest.studies])


def _with_wider(study: Study, wider: Mapping[str, Sequence[str]]) -> Study:
    boxes = [
        replace(box, label=name)
        for box in study.boxes
        for name in wider.get(canonical(box.label), ())
    ]
    masks = [
        replace(mask, label=name)
        for mask in study.masks
        for name in wider.get(canonical(mask.label), ())
    ]
    return replace(study, boxes=(*study.boxes, *boxes), masks=(*study.masks, *masks))


def boxes_of(frontal: Frontal, finding: str) -> tuple[BoxCorners, ...]:
    """The boxes (x1, y1, x2, y2) of one finding on a radiograph, of all readers."""
    return tuple(
        (box.x1, box.y1, box.x2, box.y2)
        for box in frontal.study.boxes
        if box.radiograph == frontal.radiograph and canonical(box.label) == canonical(finding)
    )


def outline_of(
    manifest: Manifest, frontal: Frontal, finding: str, height: int, width: int
) -> Bool[np.ndarray, "height width"]:
    """The pixels of a radiograph that belong to a finding, all readers together.

    Where a finding has masks they are its outline, and its boxes, which only enclose them, are
    not added; otherwise the boxes are.

    Raises:
        EvaluationError: a mask cannot be read, or is of another size than the radiograph; a box
            has no area or lies outside the radiograph; or there is not a pixel in the outline.
    """
    paths = [
        mask.path
        for mask in frontal.study.masks
        if mask.radiograph == frontal.radiograph and canonical(mask.label) == canonical(finding)
    ]
    if paths:
        outline = union_of([read_mask(manifest.absolute(path), height, width) for path in paths])
    else:
        boxes = boxes_of(frontal, finding)
        check_boxes(frontal, finding, boxes, height, width)
        outline = box_mask(boxes, height, width)
    if not outline.any():
        raise EvaluationError(
            f"{frontal.path}: the outline of {finding} is empty, expected at least one pixel. Take "
            "its masks and boxes out of the manifest, or correct them."
        )
    return outline


def check_boxes(
    frontal: Frontal, finding: str, boxes: Sequence[BoxCorners], height: int, width: int
) -> None:
    """Refuses boxes that outline nothing.

    Raises:
        EvaluationError: names the first of them and what is wrong.
    """
    for box in boxes:
        fault = box_fault(box, height, width)
        if fault is not None:
            corners = ", ".join(f"{corner:g}" for corner in box)
            raise EvaluationError(
                f"{frontal.path}: the box ({corners}) of {finding} {fault}; expected x1 < x2 and "
                "y1 < y2 in pixels of the stored image. Correct it or take it out of the manifest."
            )


def separate_boxes(
    frontal: Frontal, finding: str, height: int, width: int
) -> tuple[BoxCorners, ...]:
    """The parts of a finding as boxes, cut at the border; none where masks are its outline.

    None either where several readers drew boxes: theirs would be parts twice, so the connected
    parts of their union are.
    """
    if any(
        mask.radiograph == frontal.radiograph and canonical(mask.label) == canonical(finding)
        for mask in frontal.study.masks
    ):
        return ()
    readers = {
        box.reader
        for box in frontal.study.boxes
        if box.radiograph == frontal.radiograph and canonical(box.label) == canonical(finding)
    }
    if len(readers) > 1:
        return ()
    return tuple(
        (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        for x1, y1, x2, y2 in boxes_of(frontal, finding)
    )


def outline_or_nothing(
    manifest: Manifest, frontal: Frontal, finding: str, height: int, width: int
) -> Bool[np.ndarray, "height width"] | None:
    """The outline of a finding that has masks; None where it has none, or none of use."""
    if not any(canonical(mask.label) == canonical(finding) for mask in frontal.study.masks):
        return None
    try:
        return outline_of(manifest, frontal, finding, height, width)
    except EvaluationError:
        return None


def union_of(masks: Sequence[Bool[np.ndarray, "height width"]]) -> Bool[np.ndarray, "height width"]:
    """Pixels inside any of the masks."""
    union: Bool[np.ndarray, "height width"] = np.logical_or.reduce(list(masks))
    return union


def read_mask(path: Path, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """Reads a mask: pixels above half of 255 are inside.

    Raises:
        EvaluationError: it cannot be read, or is of another size than the radiograph.
    """
    try:
        with Image.open(path) as picture:
            # A picture of two levels holds True or 1, not 255: convert("L") makes both 255.
            levels = np.asarray(picture if picture.mode == "L" else picture.convert("L"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as a mask ({error}). Expected a PNG of the radiograph's "
            "size; copy the file again or take the mask out of the manifest."
        ) from error
    if levels.shape != (height, width):
        raise EvaluationError(
            f"{path}: the mask is {levels.shape[1]} x {levels.shape[0]} pixels, its radiograph "
            f"{width} x {height}; expected the same size. Resize the mask to its radiograph."
        )
    inside: Bool[np.ndarray, "height width"] = levels > 127
    return inside
