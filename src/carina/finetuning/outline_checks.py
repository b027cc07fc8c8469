"""Outlines that do not fit their pictures, found before anything is trained on them."""

from collections.abc import Sequence
from pathlib import Path

from carina.errors import ManifestError
from carina.files import progress
from carina.finetuning.outlines import boxes_of, masks_of, picture_size
from carina.imaging.reader import read_grey8
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.studies.views import stored_frontals
from carina.study import Box

EDGE = 1.0
"""Pixels that a box may lie past the edge: releases round corners and count them in two ways."""
INSIDE = 127
"""Grey levels above this belong to a mask."""


def check_outlines(manifest: Manifest, names: Sequence[str], store: ImageStore) -> None:
    """Refuses masks and boxes that do not fit their pictures, in all parts of a manifest.

    Raises:
        ManifestError: names the first.
        RadiographError: a mask cannot be read.
    """
    check_boxes(manifest, names, store)
    check_masks(manifest, names, store)


def check_boxes(manifest: Manifest, names: Sequence[str], store: ImageStore) -> None:
    """Refuses boxes past the edge of their picture by more than a pixel, or without an area.

    Raises:
        ManifestError: names the first, or a picture that is of another size than the manifest
            tells: what its boxes are pixels of is then not known.
    """
    odd: list[str] = []
    for study, place in stored_frontals(manifest, store):
        boxes = [box for name in names for box in boxes_of(study, place, name)]
        if not boxes:
            continue
        width, height = picture_size(study, place, store)
        packed = store.source_shape(study.radiographs[place].path)
        if packed != (height, width):
            raise ManifestError(
                f"{manifest.path}: {study.study_id!r} is told to be {width} x {height} pixels, "
                f"but its file is {packed[1]} x {packed[0]}; expected the same, for its boxes are "
                "counted in them. Index the data again, or pack the images that the boxes are of."
            )
        odd += [
            f"{study.study_id!r} with {box.label} at ({box.x1:g}, {box.y1:g}) to ({box.x2:g}, "
            f"{box.y2:g}) of {width} x {height} pixels"
            for box in boxes
            if not inside(box, width, height)
        ]
    if odd:
        raise ManifestError(
            f"{manifest.path}: {len(odd)} boxes are empty or lie past the edge of their picture, "
            f"such as {odd[0]}; expected corners within it. Correct the table that they come from; "
            "`carina check` lists them all."
        )


def inside(box: Box, width: int, height: int) -> bool:
    """Whether a box has an area and lies in its picture."""
    right, bottom = width + EDGE, height + EDGE
    return -EDGE <= box.x1 < box.x2 <= right and -EDGE <= box.y1 < box.y2 <= bottom


def check_masks(manifest: Manifest, names: Sequence[str], store: ImageStore) -> None:
    """Refuses masks of another size than their radiograph, and masks without a pixel.

    Raises:
        ManifestError: names the first.
        RadiographError: a mask cannot be read.
    """
    listed = [
        (study, place, path)
        for study, place in stored_frontals(manifest, store)
        for name in names
        for path in masks_of(study, place, name)
    ]
    odd: list[str] = []
    empty: list[str] = []
    for study, place, path in progress(listed, "Checking masks", len(listed)):
        size = picture_size(study, place, store)
        wrong, drawn = looked_at(manifest.absolute(path), size)
        odd += [f"{path} ({wrong}) of {study.study_id!r}"] if wrong else []
        empty += [] if drawn else [path]
    if odd:
        raise ManifestError(
            f"{manifest.path}: {len(odd)} of {len(listed)} masks are of another size than their "
            f"radiograph, such as {odd[0]}; expected the same size, and the same way up. Turn or "
            "resize the masks, or correct which radiograph they are of."
        )
    if empty:
        raise ManifestError(
            f"{manifest.path}: {len(empty)} of {len(listed)} masks have no pixel above half of "
            f"255, such as {empty[0]}; expected some. Write masks with 0 and 255, and list what is "
            "not there as absent instead of by an empty mask."
        )


def looked_at(path: Path, size: tuple[int, int]) -> tuple[str, bool]:
    """What is wrong with the size of a mask ("" if nothing is), and whether anything is drawn."""
    levels = read_grey8(path)
    height, width = levels.shape
    wrong = "" if (width, height) == size else f"{width} x {height} for {size[0]} x {size[1]}"
    return wrong, bool((levels > INSIDE).any())
