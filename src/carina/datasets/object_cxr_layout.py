"""The files of Object-CXR: the names they have, and a phantom cohort written under them."""

from collections.abc import Mapping
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_table
from carina.phantom.findings import DEVICES
from carina.study import Study

TABLES = {"train": "train.csv", "validate": "dev.csv", "test": "test.csv"}
FOLDERS = {"train": "train", "validate": "dev", "test": "test"}
IMAGE, OUTLINES = "image_name", "annotation"
RECTANGLE, ELLIPSE, POLYGON = "0", "1", "2"
FIRST_NAME = 10_000


def write_object_cxr(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the release; devices stand in for objects on and in clothes."""
    rows: dict[str, list[Mapping[str, object]]] = {split: [] for split in TABLES}
    for place, (study, picture) in enumerate(cohort.pictures()):
        split = study.split or "train"
        name = f"{FIRST_NAME + place:05d}.jpg"
        save_jpeg(picture, out / FOLDERS[split] / name)
        rows[split].append({IMAGE: name, OUTLINES: outlines_of(study)})
    for split, table in TABLES.items():
        save_table(rows[split], (IMAGE, OUTLINES), out / table)


def outlines_of(study: Study) -> str:
    """The shapes of a study's devices, in each of the three kinds by turns."""
    boxes = [box for box in study.boxes if box.label in DEVICES]
    shapes = []
    for place, box in enumerate(boxes):
        x1, y1, x2, y2 = (round(value) for value in (box.x1, box.y1, box.x2, box.y2))
        corners = (x1, y1, x2, y1, x2, y2, x1, y2) if place % 3 == 2 else (x1, y1, x2, y2)
        kind = (RECTANGLE, ELLIPSE, POLYGON)[place % 3]
        shapes.append(" ".join(map(str, (kind, *corners))))
    return ";".join(shapes)
