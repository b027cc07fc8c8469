"""The files of the SIIM-ACR challenge: the names they have, and a phantom cohort under them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from carina.datasets.dicom_files import save_dicom
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.run_lengths import relative_text
from carina.datasets.split_lists import LISTS, PublishedLists, write_lists
from carina.phantom.dicom import uid
from carina.study import Study

TABLES = ("train-rle.csv", "stage_2_train.csv")
"""Of the first stage and of the second; the first is taken where both are there."""

IMAGES = "dicom-images-train"
PLACES = ("dicom-images-*", "stage_2_images")
"""The folders that images lie in, in the releases of both stages."""

ID, RUNS = "ImageId", "EncodedPixels"
SPACED_RUNS = f" {RUNS}"
"""The header of the first stage has a blank before it."""

NONE = "-1"
SIDE = 1024
MADE_OF = ("pneumothorax", "hydropneumothorax")
PATTERN = r"[0-9]+(\.[0-9]+){2,}"
EXAMPLE = "1.2.276.0.7230010.3.1.4.8323329.4440.1517875182.865105"

LOVT = PublishedLists(
    name="LoVT",
    files={"train": "train.csv", "validate": "validation.csv", "test": "test.csv"},
    lengths=(7_229, 2_409, 2_409),
    header="ID",
    pattern=PATTERN,
    example=EXAMPLE,
)
MRM = PublishedLists(
    name="MRM",
    files={"train": "train_list.txt", "validate": "val_list.txt", "test": "test_list.txt"},
    lengths=(7_969, 1_898, 1_904),
    pattern=PATTERN,
    example=EXAMPLE,
)
"""Of MRM's code, taken over by MaCo; some images are in none of the three."""


def write_siim(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the first stage: DICOM three folders deep, run lengths in a table.

    Each connected side of a pneumothorax is a row of its own, as there.
    """
    rows: list[Mapping[str, object]] = []
    for study, picture in cohort.pictures():
        name = image_name(cohort.seed, study)
        uids = [uid(cohort.seed, study.study_id, kind) for kind in ("study", "series")]
        save_dicom(
            picture,
            out / IMAGES / uids[0] / uids[1] / f"{name}.dcm",
            study,
            patient_id=study.patient_id,
            study_uid=uids[0],
            series_uid=uids[1],
            image_uid=name,
        )
        texts = [relative_text(half) for half in components(cohort.root, study)]
        found = [text for text in texts if text] or [NONE]
        rows += [{ID: name, SPACED_RUNS: f" {text}"} for text in found]
    save_table(rows, (ID, SPACED_RUNS), out / TABLES[0])


def write_lovt(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with LoVT's lists beside it."""
    write_siim(cohort, out)
    write_lists(LOVT, _lines(cohort), out / LISTS)


def write_mrm(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort with MRM's lists beside it."""
    write_siim(cohort, out)
    write_lists(MRM, _lines(cohort), out / LISTS)


def image_name(seed: int, study: Study) -> str:
    """The identifier of a study's image."""
    return uid(seed, study.study_id, "image")


def components(root: Path, study: Study) -> list[Bool[np.ndarray, "side side"]]:
    """The right and the left half of the pneumothorax of a study, on a square of `SIDE`."""
    whole = np.zeros((SIDE, SIDE), dtype=np.bool_)
    for mask in study.masks:
        if mask.label in MADE_OF:
            with Image.open(root / mask.path) as picture:
                sized = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.NEAREST)
            whole |= np.asarray(sized) > 127
    left = np.arange(SIDE) < SIDE // 2
    return [whole & left, whole & ~left]


def _lines(cohort: DrawnCohort) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for study in cohort.studies:
        lines.setdefault(study.split or "train", []).append(image_name(cohort.seed, study))
    return lines
