"""The mirror of the SIIM-ACR challenge in PNG, and a phantom cohort written under its names."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_table
from carina.datasets.siim_layout import SIDE, components, image_name
from carina.datasets.split_lists import LISTS, PublishedLists, write_lists
from carina.study import Study

TABLES = {"train": "stage_1_train_images.csv", "test": "stage_1_test_images.csv"}
FILE, ID, SICK = "new_filename", "ImageId", "has_pneumo"
IMAGES, MASKS = "png_images", "png_masks"
NAME = r"\d+_(?P<part>train|test)_(?P<sick>[01])_"
"""Number, part, and whether there is a pneumothorax."""

BENCHX = PublishedLists(
    name="BenchX",
    files={"train": "train.txt", "validate": "val.txt", "test": "test.txt"},
    lengths=(9_303, 1_372, 1_372),
    pattern=NAME,
    example="8826_train_0_",
)


def write_siim_png(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the mirror: pictures, a mask each, and two tables."""
    rows: dict[str, list[Mapping[str, object]]] = {part: [] for part in TABLES}
    for place, (study, picture) in enumerate(cohort.pictures()):
        right, left = components(cohort.root, study)
        mask = right | left
        name = file_name(place, study, sick=bool(mask.any()))
        save_png(picture.resize((SIDE, SIDE)), out / IMAGES / name)
        save_png(Image.fromarray(mask).convert("L"), out / MASKS / name)
        identifier = image_name(cohort.seed, study)
        row = {FILE: name, ID: identifier, SICK: int(mask.any())}
        rows[part_of(study)].append(row)
    for part, table in TABLES.items():
        save_table(rows[part], (FILE, ID, SICK), out / table)


def write_benchx(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the mirror with BenchX's lists beside it."""
    write_siim_png(cohort, out)
    lines: dict[str, list[str]] = {}
    for place, study in enumerate(cohort.studies):
        sick = any(half.any() for half in components(cohort.root, study))
        stem = Path(file_name(place, study, sick=sick)).stem
        lines.setdefault(study.split or "train", []).append(stem)
    write_lists(BENCHX, lines, out / LISTS)


def part_of(study: Study) -> str:
    """The part of the mirror: validation studies stand in its training part."""
    return "test" if study.split == "test" else "train"


def file_name(place: int, study: Study, *, sick: bool) -> str:
    """The name of a study's picture."""
    return f"{place}_{part_of(study)}_{int(sick)}_.png"
