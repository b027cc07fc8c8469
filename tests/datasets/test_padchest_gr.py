"""PadChest-GR on a tiny fake: sentences in JSON, a table of studies, and pictures of 16 bits."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.padchest import PADCHEST
from carina.datasets.padchest_gr import PADCHEST_GR
from carina.datasets.padchest_gr_layout import COLUMNS, write_padchest_gr
from carina.datasets.padchest_layout import COLUMNS as PADCHEST_COLUMNS
from carina.datasets.padchest_layout import TABLE as PADCHEST_TABLE
from carina.datasets.padchest_layout import write_padchest
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Study

ONE, TWO = "20536686640136348236148679891455886468", "20536686640136348236148679891455886469"
LONG = "216840111366964013076187734852011291090445391"


def sentence(**told: object) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "sentence_en": "Right pleural effusion.",
        "abnormal": True,
        "boxes": [[0.1, 0.25, 0.5, 0.75]],
        "labels": [" Pleural effusion "],
    }
    return plain | told


def record(study: str, *findings: object) -> dict[str, Any]:
    return {"StudyID": study, "ImageID": f"{study}_02.png", "findings": list(findings)}


def table(*rows: dict[str, object]) -> str:
    lines = [",".join(str(row.get(name, "")) for name in COLUMNS) for row in rows]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def row(study: str, **told: object) -> dict[str, object]:
    plain = {"StudyID": study, "PatientID": LONG, "split": "validation", "PatientAge": 61}
    return {**plain, "PatientSex_DICOM": "F", **told}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "Padchest_GR_files" / "PadChest_GR"
    folder.mkdir(parents=True)
    for study in (ONE, TWO):
        Image.fromarray(np.full((40, 80), 9000, np.uint16)).save(folder / f"{study}_02.png")
    denial = {"sentence_en": "No consolidation.", "abnormal": False}
    save(tmp_path, [record(ONE, sentence(), denial), record(TWO, denial)])
    (tmp_path / "master_table.csv").write_text(table(row(ONE), row(ONE), row(TWO, split="test")))
    return tmp_path


def save(root: Path, content: object) -> None:
    (root / "grounded_reports_20240819.json").write_text(json.dumps(content), encoding="utf-8")


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(PADCHEST_GR, Release(root=root), tally))


def test_a_sentence_has_its_boxes_in_pixels_of_its_picture(root: Path) -> None:
    ill, normal = studies_in(root)
    (box,) = ill.boxes
    # On 80 x 40 pixels: 0.1 and 0.5 across are 8 and 40, 0.25 and 0.75 down 10 and 30.
    assert (box.x1, box.y1, box.x2, box.y2) == (8.0, 10.0, 40.0, 30.0)
    assert (box.label, box.phrase) == ("pleural effusion", "Right pleural effusion.")
    assert ill.report.text == "FINDINGS: Right pleural effusion. No consolidation."
    assert [item.name for item in ill.findings] == ["pleural effusion"]
    assert ([item.name for item in normal.findings], normal.boxes) == (["normal"], ())
    assert (ill.split, normal.split, ill.source) == ("validate", "test", "padchest")
    assert (ill.patient_id, ill.sex, ill.age_years) == (LONG, "F", 61.0)


def test_a_sentence_of_two_labels_has_its_box_under_both(root: Path) -> None:
    save(root, [record(ONE, sentence(labels=["nodule", "granuloma", "nodule"]))])
    assert [box.label for box in studies_in(root)[0].boxes] == ["nodule", "granuloma"]


def test_the_second_readers_boxes_are_counted_and_not_mixed_in(root: Path) -> None:
    save(root, [record(ONE, sentence(extra_boxes=[[0.0, 0.0, 1.0, 1.0]]))])
    tally = Tally()
    assert len(studies_in(root, tally)[0].boxes) == 1
    assert tally.counts == {"sentences that a second reader boxed too: the first one's are read": 1}


def test_padchests_own_table_tells_the_levels(root: Path) -> None:
    tally = Tally()
    assert studies_in(root, tally)[0].radiographs[0].path.endswith("_02.png")
    assert any("Put PadChest's table here" in note for note in tally.notes)
    cells = {
        "ImageID": f"{ONE}_02.png",
        "BitsStored_DICOM": "12",
        "PhotometricInterpretation_DICOM": "MONOCHROME1",
    }
    lines = [",".join(PADCHEST_COLUMNS), ",".join(cells.get(c, "") for c in PADCHEST_COLUMNS)]
    (root / PADCHEST_TABLE).write_text("\n".join(lines) + "\n")
    first, second = studies_in(root)
    assert first.radiographs[0].path.endswith("_02.png#bits=12,inverted")
    assert second.radiographs[0].path.endswith("_02.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "found dict, expected a list of studies with StudyID"),
        ([{"ImageID": "a.png"}], "study 1, StudyID: found None, expected one that no other"),
        ([record(ONE), record(ONE)], "study 2, StudyID: found '2053.*expected one that no other"),
        ([record("77")], r"study 1: StudyID is 77, which master_table\.csv has not"),
        ([{**record(ONE), "findings": None}], "study 1: found no list of findings"),
        ([record(ONE, sentence(abnormal="yes"))], "finding 1: found sentence_en 'Right.*'yes'"),
        ([record(ONE, sentence(labels="mass"))], "finding 1: found labels 'mass', expected words"),
        ([record(ONE, sentence(boxes=[[1, 2]]))], r"found the box \[1, 2\], expected four numbers"),
        ([record(ONE, sentence(boxes=[[10, 20, 90, 80]]))], "in shares of the picture"),
        ([record(ONE, sentence(boxes=[[0.5, 0.1, 0.5, 0.2]]))], "expected x1 < x2 and y1 < y2"),
    ],
)
def test_reports_that_cannot_be_right_are_refused(
    root: Path, content: object, message: str
) -> None:
    save(root, content)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_tables_that_cannot_be_right_are_refused(root: Path) -> None:
    path = root / "master_table.csv"
    path.write_text(table(row(ONE), row(ONE, split="test")))
    with pytest.raises(DatasetError, match=r"row 3: the study .* is of another patient or split"):
        studies_in(root)
    path.write_text(table(row(ONE, split="held out")))
    with pytest.raises(DatasetError, match="row 2, split: found 'held out', expected train, valid"):
        studies_in(root)
    path.write_text(table(row("2.05367e+37")))
    with pytest.raises(DatasetError, match=r"StudyID: found '2\.05367e\+37', expected an id"):
        studies_in(root)


def test_files_that_are_missing_or_twice_are_told(root: Path) -> None:
    (root / "grounded_reports_2025.json").write_text("[]")
    with pytest.raises(DatasetError, match="Move the others away"):
        studies_in(root)
    (root / "grounded_reports_2025.json").unlink()
    (root / "grounded_reports_20240819.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        studies_in(root)


def test_an_image_that_is_missing_or_damaged_is_counted(root: Path) -> None:
    folder = root / "Padchest_GR_files" / "PadChest_GR"
    (folder / f"{ONE}_02.png").write_bytes(b"x")
    (folder / f"{TWO}_02.png").unlink()
    tally = Tally()
    (study,) = studies_in(root, tally)
    assert (study.boxes, study.radiographs[0].width) == ((), None)
    assert tally.counts == {
        "images whose boxes are left out: they cannot be read": 1,
        "images that are listed but not there, left out": 1,
    }
    (folder / f"{ONE}_02.png").rename(folder / "other.png")
    with pytest.raises(DatasetError, match="none of the 2 images that are listed is there"):
        studies_in(root)


def test_a_phantom_has_the_patients_of_the_same_phantom_of_padchest(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("pleural effusion",), (), ("mass",), ()])
    write_padchest_gr(cohort, tmp_path / "gr")
    write_padchest(cohort, tmp_path / "padchest")
    grounded = studies_in(tmp_path / "gr")
    whole = list(read_studies(PADCHEST, Release(root=tmp_path / "padchest")))
    assert [study.study_id for study in grounded] == [study.study_id for study in whole]
    assert {study.patient_id for study in grounded} == {study.patient_id for study in whole}
    assert [[f.name for f in study.findings] for study in grounded] == [
        *(["pleural effusion"], ["normal"], ["pulmonary mass"], ["normal"]),
    ]
    (box,) = grounded[0].boxes
    assert (box.x1, box.y1, box.x2, box.y2) == (0.0, 0.0, 16.0, 16.0)  # a quarter of 32 x 32
