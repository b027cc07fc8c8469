"""The files of CheXlocalize's human benchmark, and a phantom cohort written with them."""

import json
from pathlib import Path

import numpy as np

from carina.datasets.chexlocalize_layout import FILES, OUTLINES, write_chexlocalize
from carina.datasets.coco_masks import mask_of_text, text_of_mask
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_text

SEGMENTATIONS = "hb_segmentations_test.json"
POLYGONS = "hb_annotations_test.json"
POINTS = "hb_salient_pt_test.json"
SIZE = "img_size"
"""Under this name the polygons of an image have its height and width."""

SLIP = 8
"""A phantom's readers draw an eighth of the picture too far to the right."""


def write_chexlocalize_readers(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as CheXlocalize, with outlines and points of readers who are a little off."""
    write_chexlocalize(cohort, out)
    truth = json.loads((out / OUTLINES / FILES["test"]).read_text(encoding="utf-8"))
    outlines: dict[str, dict[str, object]] = {}
    points: dict[str, dict[str, object]] = {}
    for key, told in truth.items():
        outlines[key], points[key] = {}, {}
        for name, outline in told.items():
            height, width = outline["size"]
            inside = mask_of_text(outline["counts"], height, width)
            moved = np.roll(inside, width // SLIP, axis=1)
            outlines[key][name] = {"size": [height, width], "counts": text_of_mask(moved)}
            rows, cols = np.nonzero(moved)
            if len(rows):
                middle = len(rows) // 2
                points[key][name] = [[int(cols[middle]), int(rows[middle])]]
    save_text(json.dumps(outlines), out / OUTLINES / SEGMENTATIONS)
    save_text(json.dumps(points), out / OUTLINES / POINTS)
