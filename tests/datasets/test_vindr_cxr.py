"""VinDr-CXR as people have it on disk, from PhysioNet and from the challenge."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.dicom_files import save_deep_dicom
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.datasets.vindr_cxr import VINDR_CXR, VINDR_CXR_KAGGLE
from carina.datasets.vindr_cxr_layout import (
    KAGGLE_COLUMNS,
    NAMES,
    write_vindr_cxr,
    write_vindr_cxr_kaggle,
)
from carina.errors import DatasetError
from carina.imaging.reader import read_grey8
from carina.study import Assertion, Radiograph, Study

BOX = (10.5, 4, 30, 20.25)
TRAIN_NAMES = tuple("Other diseases" if name == "Other disease" else name for name in NAMES)
Row = Sequence[object]


def dicom(path: Path) -> None:
    """A picture 40 wide and 32 high."""
    study = Study(
        study_id="s",
        patient_id="p",
        source="x",
        radiographs=(Radiograph(path="x", view="PA"),),
        sex="M",
        age_years=61.0,
    )
    levels = np.zeros((32, 40), dtype=np.uint16)
    save_deep_dicom(levels, path, study, bits=12, inverted=False, image_uid="1.2.3")


def table(path: Path, header: Sequence[str], rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(map(str, each)) for each in (header, *rows)]
    path.write_text("\n".join(lines) + "\n")


def labels(image: str, reader: str | None, *names: str) -> list[object]:
    cells = [f"{int(name in names)}" for name in NAMES]
    return [image, *cells] if reader is None else [image, reader, *cells]


def release(root: Path, boxes: Sequence[Row], read: Sequence[Row]) -> Path:
    """Writes the four tables, with one image in each part; the test part shows nothing."""
    folder, corners = root / "annotations", ("x_min", "y_min", "x_max", "y_max")
    table(folder / "annotations_train.csv", ("image_id", "rad_id", "class_name", *corners), boxes)
    table(folder / "image_labels_train.csv", ("image_id", "rad_id", *TRAIN_NAMES), read)
    nothing = [("t", "No finding", "", "", "", "")]
    table(folder / "annotations_test.csv", ("image_id", "class_name", *corners), nothing)
    table(folder / "image_labels_test.csv", ("image_id", *NAMES), [labels("t", None, "No finding")])
    dicom(root / "train" / "a.dicom")
    dicom(root / "test" / "t.dicom")
    return root


def kaggle(root: Path, *rows: Row) -> Path:
    table(root / "train.csv", KAGGLE_COLUMNS, rows)
    dicom(root / "train" / "a.dicom")
    return root


def studies_in(root: Path, tally: Tally | None = None, dataset: Dataset = VINDR_CXR) -> list[Study]:
    return list(read_studies(dataset, Release(root=root), tally))


def said(study: Study, value: Assertion) -> set[str]:
    return {item.name for item in study.findings if item.value is value}


READ = [
    labels("a", "R1", "ILD", "Cardiomegaly", "Other disease"),
    labels("a", "R2", "ILD"),
    labels("a", "R3", "No finding"),
]
BOXES = [
    ("a", "R1", "ILD", *BOX),
    ("a", "R2", "ILD", 0, 0, 40.4, 32.2),
    ("a", "R3", "No finding", "", "", "", ""),
]


def test_two_of_three_readers_make_a_finding_and_one_a_doubt(tmp_path: Path) -> None:
    study, test = studies_in(release(tmp_path, BOXES, READ))
    assert said(study, Assertion.PRESENT) == {"ILD"}
    assert said(study, Assertion.UNCERTAIN) == {"Cardiomegaly", "Other disease", "No finding"}
    assert len(said(study, Assertion.ABSENT)) == len(NAMES) - 4
    assert said(test, Assertion.PRESENT) == {"No finding"}
    assert (test.split, test.boxes) == ("test", ())
    assert study.split in ("train", "validate")


def test_every_reader_keeps_a_box_of_ones_own_cut_off_at_the_edge(tmp_path: Path) -> None:
    study, _ = studies_in(release(tmp_path, BOXES, READ))
    first, second = study.boxes
    assert (first.label, first.reader) == ("ILD", "R1")
    assert (first.x1, first.y1, first.x2, first.y2) == BOX
    assert (second.reader, second.x2, second.y2) == ("R2", 40.0, 32.0)


def test_who_was_imaged_is_in_the_dicom_file(tmp_path: Path) -> None:
    study, _ = studies_in(release(tmp_path, BOXES, READ))
    assert (study.sex, study.age_years, study.patient_id) == ("M", 61.0, "a")
    assert (study.radiographs[0].view, study.radiographs[0].width) == ("PA", 40)


def test_boxes_on_a_copy_in_another_format_are_left_out(tmp_path: Path) -> None:
    root = release(tmp_path, BOXES, READ)
    (root / "train" / "a.dicom").unlink()
    Image.new("L", (40, 32)).save(root / "train" / "a.png")
    tally = Tally()
    assert studies_in(root, tally)[0].boxes == ()
    assert tally.counts == {"images whose boxes are left out: copies that may be smaller": 1}


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    boxes = [("a", "R1", "ILD", *BOX), ("a", "R1", "ILD", 0, 0, 42, 20)]
    rows = [*READ, labels("b", "R1", "ILD"), labels("c", "R1", "ILD")]
    root = release(tmp_path, boxes, rows)
    (root / "train" / "c.dicom").write_bytes(b"x")
    tally = Tally()
    assert [len(study.boxes) for study in studies_in(root, tally)] == [1, 0, 0]
    assert tally.counts == {
        "boxes outside of their picture, left out": 1,
        "images that are listed but not there, left out": 1,
        "images whose boxes are left out: they cannot be read": 1,
    }


@pytest.mark.parametrize(
    ("boxes", "read", "message"),
    [
        ([], [["a", "R1", *["2"] * 28]], "row 2, Aortic enlargement: found '2', expected 1 or 0"),
        ([], [READ[0], READ[0]], "row 3, image_id: a was read by R1 before"),
        ([("z", "R1", "ILD", *BOX)], READ, "row 2, image_id: 'z' is in no table of labels"),
        ([("a", "R1", "Cold", *BOX)], READ, "row 2, class_name: found 'Cold', expected one of Ao"),
        ([("a", "R1", "ILD", 1, 2, 1, 4)], READ, "row 2, x_min: the box 1, 2, 1, 4 has no area"),
        ([("a", "R1", "ILD", 1, "", 3, 4)], READ, "row 2, x_min: found '1, , 3, 4', expected four"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(
    tmp_path: Path, boxes: Sequence[Row], read: Sequence[Row], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, boxes, read))


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    root = release(tmp_path, [], [labels("z", "R1")])
    with pytest.raises(DatasetError, match="none of the 1 images that are listed is there, such"):
        studies_in(root)
    (root / "annotations" / "image_labels_train.csv").write_text("image_id,Target\n")
    with pytest.raises(DatasetError, match="expected No finding too"):
        studies_in(root)


def test_the_challenge_counts_the_readers_who_boxed_nothing(tmp_path: Path) -> None:
    root = kaggle(
        tmp_path,
        ("a", "ILD", 5, "R1", *BOX),
        ("a", "ILD", 5, "R1", 0, 0, 4, 4),  # a second box of the same reader is no second vote
        ("a", "Cardiomegaly", 3, "R1", *BOX),
        ("a", "No finding", 14, "R2", "", "", "", ""),
        ("a", "Cardiomegaly", 3, "R3", *BOX),
    )
    (study,) = studies_in(root, dataset=VINDR_CXR_KAGGLE)
    assert said(study, Assertion.PRESENT) == {"Cardiomegaly"}
    assert said(study, Assertion.UNCERTAIN) == {"ILD", "No finding"}
    assert len(study.findings) == 15
    assert study.source == "vindr-cxr"


@pytest.mark.parametrize(
    ("dataset", "write", "with_test"),
    [(VINDR_CXR, write_vindr_cxr, True), (VINDR_CXR_KAGGLE, write_vindr_cxr_kaggle, False)],
)
def test_a_phantom_reads_back_with_bright_bone(
    tmp_path: Path,
    stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort],
    dataset: Dataset,
    write: Callable[[DrawnCohort, Path], None],
    with_test: bool,
) -> None:
    cohort = stand_in([("cardiomegaly",), ("scoliosis",)] * 8)
    write(cohort, tmp_path)
    studies = studies_in(tmp_path, dataset=dataset)
    expected = [each for each in cohort.studies if with_test or each.split != "test"]
    assert len(studies) == len(expected)
    there = {s.study_id: said(s, Assertion.PRESENT) | said(s, Assertion.UNCERTAIN) for s in studies}
    assert sum("Cardiomegaly" in names for names in there.values()) >= 5
    original = np.asarray(Image.open(cohort.root / "a.png")).astype(int)
    for study in studies:
        grey = read_grey8(tmp_path / study.radiographs[0].path).astype(int)
        assert np.abs(grey - original).max() <= 1
    assert any((box.reader or "").startswith("R") for study in studies for box in study.boxes)
