"""The files of ChestX-Det10 and ChestX-Det, and a phantom cohort written under their names."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_text
from carina.study import Box, Study

SIDE = 1024
"""Boxes and polygons are in pixels of the original square."""

FILES_10 = {"train": "train.json", "test": "test.json"}
FILES = {"train": "ChestX_Det_train.json", "test": "ChestX_Det_test.json"}
FOLDERS = {"train": "train_data", "test": "test_data"}

MADE_OF: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis",),
    "Calcification": ("granuloma",),
    "Cardiomegaly": ("cardiomegaly",),
    "Consolidation": ("consolidation",),
    "Diffuse Nodule": ("miliary nodules",),
    "Effusion": ("pleural effusion",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("fibrosis",),
    "Fracture": ("rib fracture",),
    "Mass": ("mass",),
    "Nodule": ("nodule",),
    "Pleural Thickening": ("pleural thickening",),
    "Pneumothorax": ("pneumothorax",),
}
"""The classes of ChestX-Det, and the phantom's findings that make each."""

CLASSES = tuple(MADE_OF)
CLASSES_10 = tuple(
    name for name in CLASSES if name not in ("Cardiomegaly", "Diffuse Nodule", "Pleural Thickening")
)
FIRST_NAME = 36_000
"""Images are renamed: a number without meaning."""

Entry = dict[str, object]
Pixels = Bool[np.ndarray, "height width"]


def write_chestx_det10(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as ChestX-Det10: boxes of ten classes in two JSON lists."""
    _write(cohort, out, FILES_10, CLASSES_10, polygons=False)


def write_chestx_det(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as ChestX-Det: boxes and polygons of thirteen classes."""
    _write(cohort, out, FILES, CLASSES, polygons=True)


def _write(
    cohort: DrawnCohort,
    out: Path,
    files: Mapping[str, str],
    classes: tuple[str, ...],
    *,
    polygons: bool,
) -> None:
    entries: dict[str, list[Entry]] = {part: [] for part in files}
    for place, (study, picture) in enumerate(cohort.pictures()):
        name, part = f"{FIRST_NAME + place}.png", "test" if study.split == "test" else "train"
        save_png(picture, out / FOLDERS[part] / name)
        entries[part].append(entry_of(cohort.root, study, name, classes, polygons=polygons))
    for part, file in files.items():
        save_text(json.dumps(entries[part]), out / file)


def entry_of(
    root: Path, study: Study, name: str, classes: tuple[str, ...], *, polygons: bool
) -> Entry:
    """What the list says of one image: empty lists where nothing of its classes is there."""
    scale = SIDE / (study.radiographs[0].width or SIDE)
    found = [
        (label, part)
        for label in classes
        for box in study.boxes
        if box.label in MADE_OF[label]
        for part in apart(inside_of(root, study, box))
    ]
    entry: Entry = {
        "file_name": name,
        "syms": [label for label, _ in found],
        "boxes": [[round(scale * side) for side in corners_of(part)] for _, part in found],
    }
    if polygons:
        entry["polygons"] = [polygon_of(part, scale) for _, part in found]
    return entry


def inside_of(root: Path, study: Study, box: Box) -> Pixels:
    """The pixels of the finding that a box is around; all of the box where there is no mask."""
    radiograph = study.radiographs[0]
    inside = np.zeros((radiograph.height or 0, radiograph.width or 0), dtype=np.bool_)
    for mask in study.masks:
        if mask.label == box.label:
            with Image.open(root / mask.path) as picture:
                inside |= np.asarray(picture.convert("L")) > 127
    if not inside.any():
        inside[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
    return inside


def apart(inside: Pixels) -> list[Pixels]:
    """What lies apart from left to right, such as the fluid on either side."""
    empty = np.flatnonzero(~inside.any(axis=0))
    column = np.arange(inside.shape[1])
    edges = [-1, *empty.tolist(), inside.shape[1]]
    parts = [
        inside & (column > a) & (column < b) for a, b in itertools.pairwise(edges) if b - a > 1
    ]
    return [part for part in parts if part.any()]


def corners_of(inside: Pixels) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the smallest box around some pixels."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def polygon_of(inside: Pixels, scale: float) -> list[list[int]]:
    """An outline, walked down the left end of each row and up the right ends."""
    left: list[list[int]] = []
    right: list[list[int]] = []
    for row in np.flatnonzero(inside.any(axis=1)).tolist():
        columns, y = np.flatnonzero(inside[row]), round(scale * (row + 0.5))
        left.append([round(scale * int(columns[0])), y])
        right.append([round(scale * (int(columns[-1]) + 1)), y])
    return left + right[::-1]
