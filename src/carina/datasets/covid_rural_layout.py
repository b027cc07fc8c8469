"""The files of COVID Rural: the names they have, and a phantom cohort written under them."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_png, save_table, save_text
from carina.datasets.split_lists import LISTS, PublishedLists, write_lists
from carina.study import Study

IMAGES, MASKS, SHAPES = "jpgs", "pngs_masks", "jpgs/jsons"
PATIENTS = "covid_rural_patient_info.csv"
PATIENT_COLUMNS = ("PATIENT_ID", "AGE", "SEX", "COVID TEST POSITIVE")
PATTERN = r"(?P<patient>COVID-19-AR-\d+)_\d\d-\d\d-\d{4}-XR"
EXAMPLE = "COVID-19-AR-16406490_01-11-2012-XR"
LUNGS = ("left_lung", "right_lung")
"""Shapes that are no opacity."""

MADE_OF = ("consolidation", "atelectasis", "pulmonary edema", "mass", "interstitial opacity")

ONE_NOT_OUTLINED = 20

LOVT = PublishedLists(
    name="LoVT",
    files={"train": "train.csv", "validate": "validation.csv", "test": "test.csv"},
    lengths=(133, 44, 44),
    header="ID",
    pattern=PATTERN,
    example=EXAMPLE,
)


def write_covid_rural(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as COVID Rural: JPEGs, masks of 0 and 1, shapes, a table of patients.

    Every twentieth image has neither mask nor shapes: nobody outlined it.
    """
    names = image_names(cohort)
    rows: dict[str, Mapping[str, object]] = {}
    for place, (study, picture) in enumerate(cohort.pictures()):
        name = names[study.study_id]
        patient = name.partition("_")[0]
        save_jpeg(picture.convert("RGB"), out / IMAGES / f"{name}.jpg")
        cells = (patient, int(study.age_years or 0), study.sex, 1)
        rows.setdefault(patient, dict(zip(PATIENT_COLUMNS, cells, strict=True)))
        if place % ONE_NOT_OUTLINED:
            write_outlines(cohort.root, study, name, out)
    save_table(rows.values(), PATIENT_COLUMNS, out / PATIENTS)


def write_lovt(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with LoVT's lists beside it, which name images with a mask only."""
    write_covid_rural(cohort, out)
    names = image_names(cohort)
    lines: dict[str, list[str]] = {}
    for study in cohort.studies:
        name = names[study.study_id]
        if (out / MASKS / f"{name}.png").exists():
            lines.setdefault(study.split or "train", []).append(name)
    write_lists(LOVT, lines, out / LISTS)


def image_names(cohort: DrawnCohort) -> dict[str, str]:
    """Study -> the name of its image: patient and day, in the form of the release."""
    patients: dict[str, int] = {}
    days: Counter[str] = Counter()
    names: dict[str, str] = {}
    for study in cohort.studies:
        number = patients.setdefault(study.patient_id, 16_400_000 + len(patients))
        days[study.patient_id] += 1
        names[study.study_id] = f"COVID-19-AR-{number}_01-{days[study.patient_id]:02d}-2012-XR"
    return names


def write_outlines(root: Path, study: Study, name: str, out: Path) -> None:
    """Writes the mask of a study's opacities, all 0 if it has none, and the shapes drawn."""
    width, height = study.radiographs[0].width or 0, study.radiographs[0].height or 0
    inside = np.zeros((height, width), dtype=np.bool_)
    for mask in study.masks:
        if mask.label in MADE_OF:
            with Image.open(root / mask.path) as picture:
                inside |= np.asarray(picture.convert("L")) > 127
    save_png(Image.fromarray(inside.astype(np.uint8)), out / MASKS / f"{name}.png")
    labels = [*LUNGS, *(["airspace_opacity"] if inside.any() else [])]
    shapes = [{"label": label, "points": [], "shape_type": "polygon"} for label in labels]
    size = {"imageHeight": height, "imageWidth": width}
    save_text(json.dumps({"shapes": shapes, **size}), out / SHAPES / f"{name}.json")
