"""Writes a phantom cohort as MS-CXR beside the two downloads of MIMIC-CXR."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table, save_text
from carina.datasets.mimic_cxr_layout import Named, image_name, name_studies, write_mimic_cxr
from carina.datasets.ms_cxr_tables import CATEGORIES, COLUMNS, STEM
from carina.study import Box

ROOT = "ms-cxr"
VERSION = "1.1.0"
ONE_IN = 3
"""Every third study with a phrase is annotated, whatever its split, as in the release."""

CATEGORY_OF: Mapping[str, str] = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "pulmonary edema": "Edema",
    "interstitial opacity": "Lung Opacity",
    "pleural effusion": "Pleural Effusion",
    "pneumothorax": "Pneumothorax",
}
"""What the release calls a finding of the phantom; it draws no pneumonia."""


def write_ms_cxr(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as MIMIC-CXR, with the annotations of some of its studies beside it.

    The annotations are written in both forms; a split goes by patient, "val" or "test".
    """
    write_mimic_cxr(cohort, out)
    rows = list(rows_of(cohort))
    save_table(rows, (*COLUMNS, "split"), out / ROOT / f"{STEM}{VERSION}.csv")
    save_text(json.dumps(coco_of(rows), indent=1), out / ROOT / f"{STEM}{VERSION}.json")


def rows_of(cohort: DrawnCohort) -> Iterator[dict[str, object]]:
    """One row a box that has a phrase, of every third study that has any."""
    told = [named for named in name_studies(cohort.studies) if phrased(named)]
    for named in told[::ONE_IN]:
        radiograph = named.study.radiographs[0]
        name = image_name(cohort.seed, named.study.study_id, 0)
        for box in phrased(named):
            yield {
                "dicom_id": name,
                "category_name": CATEGORY_OF[box.label],
                "label_text": box.phrase,
                "path": f"{named.folder}/{name}.jpg",
                "x": round(box.x1),
                "y": round(box.y1),
                "w": round(box.x2 - box.x1),
                "h": round(box.y2 - box.y1),
                "image_width": radiograph.width,
                "image_height": radiograph.height,
                "split": "val" if int(named.subject_id) % 2 else "test",
            }


def phrased(named: Named) -> list[Box]:
    """The boxes of a study that the release would have."""
    return [box for box in named.study.boxes if box.phrase and box.label in CATEGORY_OF]


def coco_of(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The same annotations as the JSON form has them."""
    images: dict[object, dict[str, object]] = {}
    for row in rows:
        images.setdefault(
            row["path"],
            {
                "id": len(images) + 1,
                "file_name": f"{row['dicom_id']}.jpg",
                "path": row["path"],
                "width": row["image_width"],
                "height": row["image_height"],
            },
        )
    return {
        "info": {"description": "synthetic, drawn by carina.phantom"},
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)],
        "images": list(images.values()),
        "annotations": [
            {
                "id": number,
                "image_id": images[row["path"]]["id"],
                "category_id": CATEGORIES.index(str(row["category_name"])) + 1,
                "bbox": [row["x"], row["y"], row["w"], row["h"]],
                "label_text": row["label_text"],
                "width": row["image_width"],
                "height": row["image_height"],
            }
            for number, row in enumerate(rows, 1)
        ],
    }
