"""The files of TBX11K: the names they have, and a phantom cohort written under them."""

import json
from collections.abc import Mapping
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_text
from carina.study import Assertion, Box, Study

IMAGES = "imgs"
LISTS = {"train": "lists/TBX11K_train.txt", "validate": "lists/TBX11K_val.txt"}
BOXES = tuple(
    f"annotations/json/{name}.json"
    for name in ("TBX11K_trainval", "TBX11K_trainval_only_tb", "all_trainval")
)
"""The boxes of both parts; the first file that is there is read."""

HEALTHY, SICK, ILL, TEST = "health", "sick", "tb", "test"
LETTERS = {HEALTHY: "h", SICK: "s", ILL: "tb", TEST: "t"}
SIDE = 512
ACTIVE, LATENT, EITHER = "Active Tuberculosis", "Latent Tuberculosis", "Tuberculosis"
CATEGORIES: Mapping[str, str] = {
    "ActiveTuberculosis": ACTIVE,
    "ObsoletePulmonaryTuberculosis": LATENT,
    "PulmonaryTuberculosis": EITHER,
}
"""What the boxes are called, and our names; the last is of cases whose activity is not certain."""

MADE_OF: Mapping[str, str] = {
    **dict.fromkeys(("cavity", "consolidation", "miliary nodules"), "ActiveTuberculosis"),
    **dict.fromkeys(("granuloma", "fibrosis"), "ObsoletePulmonaryTuberculosis"),
}
"""The phantom's findings that stand in for tuberculosis: it draws none."""


def write_tbx11k(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the release; its test part has images and no label, as there."""
    lists: dict[str, list[str]] = {split: [] for split in LISTS}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for place, (study, picture) in enumerate(cohort.pictures(), start=1):
        split = study.split or "train"
        folder = TEST if split == "test" else folder_of(study)
        name = f"{folder}/{LETTERS[folder]}{place:04d}.png"
        save_png(picture.resize((SIDE, SIDE)), out / IMAGES / name)
        if split == "test":
            continue
        lists[split].append(name)
        images.append({"id": place, "file_name": name, "width": SIDE, "height": SIDE})
        scale = SIDE / (study.radiographs[0].width or SIDE)
        for box in study.boxes:
            if box.label in MADE_OF:
                annotations.append(annotation(box, len(annotations) + 1, place, scale))
    for split, file in LISTS.items():
        save_text("".join(f"{name}\n" for name in lists[split]), out / file)
    told = {"images": images, "annotations": annotations, "categories": categories()}
    save_text(json.dumps(told), out / BOXES[0])


def folder_of(study: Study) -> str:
    """Healthy, sick but without tuberculosis, or tuberculosis."""
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    if there & MADE_OF.keys():
        return ILL
    return SICK if there else HEALTHY


def categories() -> list[dict[str, object]]:
    """The three categories, numbered from 1."""
    return [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, start=1)]


def annotation(box: Box, number: int, image: int, scale: float) -> dict[str, object]:
    """A box as COCO has it: left, top, width and height."""
    x1, y1, x2, y2 = (round(scale * value, 1) for value in (box.x1, box.y1, box.x2, box.y2))
    return {
        "id": number,
        "image_id": image,
        "category_id": list(CATEGORIES).index(MADE_OF[box.label]) + 1,
        "bbox": [x1, y1, round(x2 - x1, 1), round(y2 - y1, 1)],
        "iscrowd": 0,
    }
