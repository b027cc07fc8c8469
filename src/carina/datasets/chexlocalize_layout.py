"""The files of CheXlocalize: the names they have, and a phantom cohort written under them."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from carina.datasets.chexpert_layout import LABELS, MADE_OF
from carina.datasets.chexpert_test_layout import truth_of
from carina.datasets.coco_masks import text_of_mask
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_table, save_text
from carina.study import Study

IMAGES, OUTLINES = "CheXpert", "CheXlocalize"
"""The two folders of the download."""

FOLDERS = {"validate": "val", "test": "test"}
TABLES = {
    "validate": ("val_labels.csv", "valid.csv"),
    "test": ("test_labels.csv", "groundtruth.csv"),
}
"""The labels of each part; the first that is there is read."""

FILES = {"validate": "gt_segmentations_val.json", "test": "gt_segmentations_test.json"}
NAMES: Mapping[str, str] = {
    **{
        name: name
        for name in ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Lesion", "Edema")
    },
    **{name: name for name in ("Consolidation", "Atelectasis", "Pneumothorax")},
    **{name: name for name in ("Pleural Effusion", "Support Devices")},
    "Airspace Opacity": "Lung Opacity",
    "Lung Opacity": "Lung Opacity",
}
"""What the outlines are called, and the labels that they are of."""

OUTLINED = tuple(name for name in NAMES if name != "Lung Opacity")
FIRST_PATIENT = {"validate": 64_541, "test": 64_741}


def write_chexlocalize(cohort: DrawnCohort, out: Path) -> None:
    """Writes the parts of a cohort that nobody trains on, with an outline of every finding."""
    patients: dict[str, str] = {}
    visits: Counter[str] = Counter()
    rows: dict[str, list[Mapping[str, object]]] = {split: [] for split in FOLDERS}
    outlines: dict[str, dict[str, object]] = {split: {} for split in FOLDERS}
    for study, picture in cohort.pictures():
        if study.split not in FOLDERS:
            continue
        split = study.split
        number = FIRST_PATIENT[split] + len(patients)
        patient = patients.setdefault(study.patient_id, f"patient{number}")
        visits[patient] += 1
        place = f"{FOLDERS[split]}/{patient}/study{visits[patient]}/view1_frontal.jpg"
        save_jpeg(picture, out / IMAGES / place)
        rows[split].append({"Path": f"CheXpert-v1.0/{place}", **truth_of(cohort.seed, study)})
        key = f"{patient}_study{visits[patient]}_view1_frontal"
        outlines[split][key] = outlines_of(cohort.root, study)
    for split in FOLDERS:
        save_table(rows[split], ("Path", *LABELS), out / IMAGES / TABLES[split][0])
        save_text(json.dumps(outlines[split]), out / OUTLINES / FILES[split])


def outlines_of(root: Path, study: Study) -> dict[str, object]:
    """What the file says of one image: a mask of every finding, empty where it is not there."""
    found: dict[str, object] = {}
    for name in OUTLINED:
        mask = inside_of(root, study, MADE_OF[NAMES[name]])
        found[name] = {"size": list(mask.shape), "counts": text_of_mask(mask)}
    return found


def inside_of(root: Path, study: Study, parts: tuple[str, ...]) -> Bool[np.ndarray, "height width"]:
    """What the masks of some findings cover together; their boxes where there is no mask."""
    radiograph = study.radiographs[0]
    inside = np.zeros((radiograph.height or 0, radiograph.width or 0), dtype=np.bool_)
    masked = {mask.label for mask in study.masks}
    for mask in study.masks:
        if mask.label in parts:
            with Image.open(root / mask.path) as picture:
                inside |= np.asarray(picture.convert("L")) > 127
    for box in study.boxes:
        if box.label in parts and box.label not in masked:
            inside[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
    return inside
