"""CheXpert 5x200: GLoRIA's rule on a fake of CheXpert, and the draw."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.chexpert_5x200 import CHEXPERT_5X200, FIVE, write_chexpert_5x200
from carina.datasets.chexpert_layout import COLUMNS
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Study


def row(number: int, view: str = "view1_frontal", **labels: str) -> str:
    cells = {"Sex": "Male", "Age": "50", "Frontal/Lateral": view[6:].capitalize()}
    cells |= {"Path": f"CheXpert-v1.0-small/train/patient{number:05d}/study1/{view}.jpg"}
    cells |= {name.replace("_", " "): cell for name, cell in labels.items()}
    return ",".join(cells.get(column, "") for column in COLUMNS)


def release(root: Path, rows: Sequence[str]) -> Path:
    """A table, and a picture for each of its rows."""
    (root / "train.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    for line in rows:
        path = root / line.split(",")[0].removeprefix("CheXpert-v1.0-small/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(CHEXPERT_5X200, Release(root=root), tally))


def ones(first: int) -> list[str]:
    """A row for each of the five, alone."""
    return [row(first + i, **{name.replace(" ", "_"): "1.0"}) for i, name in enumerate(FIVE)]


def test_an_image_with_one_finding_and_no_other_label_is_taken(tmp_path: Path) -> None:
    others = [
        row(11, Edema="1.0", Fracture="0.0", No_Finding="1.0"),  # No Finding is not looked at
        row(12, Edema="1.0", Support_Devices="1.0"),
        row(13, Edema="1.0", Pneumonia="-1.0"),
        row(14, Edema="-1.0"),
        row(15, Fracture="1.0"),
        row(16, "view2_lateral", Edema="1.0"),
        row(17),
    ]
    tally = Tally()
    studies = studies_in(release(tmp_path, [*ones(1), *others]), tally)
    assert {study.patient_id for study in studies} == {
        *(f"patient{n:05d}" for n in range(1, 6)),
        "patient00011",
    }
    assert {study.split for study in studies} == {"test"}
    found = next(study for study in studies if study.patient_id == "patient00011")
    assert {f.name: str(f.value) for f in found.findings} == {
        **dict.fromkeys(FIVE, "absent"),
        "Edema": "present",
    }
    name = "findings that fewer than 200 images have alone: all are taken"
    assert tally.counts[name] == 5
    assert tally.notes[-1].startswith("chexpert-5x200: 6 images, seed 0, sha256 ")


def test_two_hundred_are_drawn_as_pandas_draws_them(tmp_path: Path) -> None:
    many = [row(number, Edema="1.0") for number in range(100, 350)]
    root = release(tmp_path, [*ones(1), *many])
    tally = Tally()
    edema = [
        study.patient_id
        for study in studies_in(root, tally)
        if any(f.name == "Edema" and f.value == "present" for f in study.findings)
    ]
    # pandas' sample(n=200, random_state=0) asks NumPy's first generator for a choice.
    alone = [4, *range(100, 350)]  # the fourth of the five is Edema
    chosen = np.random.RandomState(0).choice(len(alone), size=200, replace=False)
    assert edema == [f"patient{alone[place]:05d}" for place in chosen]
    assert tally.counts["findings that fewer than 200 images have alone: all are taken"] == 4


def test_the_list_depends_on_the_table_alone(tmp_path: Path) -> None:
    rows = [*ones(1), *(row(number, Edema="1.0") for number in range(100, 350))]
    first, second = Tally(), Tally()
    root = release(tmp_path, rows)
    studies_in(root, first)
    (root / "train" / "patient00001" / "study1" / "view1_frontal.jpg").unlink()
    assert len(studies_in(root, second)) == 203
    assert first.notes == second.notes  # a picture that is missing changes no draw
    assert second.counts["images that are listed but not there, left out"] == 1


def test_a_release_without_any_of_the_five_is_refused(tmp_path: Path) -> None:
    root = release(tmp_path, [row(1, Atelectasis="1.0", Edema="-1.0"), row(2, Fracture="1.0")])
    with pytest.raises(DatasetError, match="no frontal image has one of Atelectasis, Cardiomegaly"):
        studies_in(root)


def test_a_phantom_has_images_with_one_finding(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    names = ("atelectasis", "cardiomegaly", "consolidation", "pulmonary edema", "pleural effusion")
    cohort = stand_in([(name, "nodule") for name in names for _ in range(4)])
    write_chexpert_5x200(cohort, tmp_path)
    assert Image.open(next(tmp_path.rglob("*.jpg"))).size == (32, 32)
    assert len(studies_in(tmp_path)) == 10  # half of the cohort trains
    cohort = stand_in_all(cohort)
    write_chexpert_5x200(cohort, tmp_path / "all")
    assert len(studies_in(tmp_path / "all")) == 20


def stand_in_all(cohort: DrawnCohort) -> DrawnCohort:
    """The cohort with all studies in the training part."""
    studies = tuple(replace(study, split="train") for study in cohort.studies)
    return replace(cohort, studies=studies)
