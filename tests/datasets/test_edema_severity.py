"""Edema grades on MIMIC-CXR: every quirk of the three tables on a tiny fake."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.edema_severity import EDEMA_SEVERITY
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Study

ONE, TWO, THREE = (f"{n * 11111111:08x}-" * 4 + f"{n:08x}" for n in (1, 2, 3))
REPORT = "subject_id,study_id,edema_severity"
IMAGE = "subject_id,study_id,dicom_id,edema_severity"


def release(
    root: Path,
    *images: tuple[str, str, str],
    consensus: str = "",
    expert: str | None = None,
    regex: str | None = None,
) -> Release:
    """Writes the list of images with a stand-in for each, and the tables of grades."""
    jpg, tables = root / "jpg", root / "tables"
    tables.mkdir(parents=True)
    (jpg / "files").mkdir(parents=True)
    rows = [
        "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns",
        *(f"{image},{subject},{study},PA,100,80" for subject, study, image in images),
    ]
    (jpg / "mimic-cxr-2.0.0-metadata.csv").write_text("\n".join(rows) + "\n")
    for subject, study, image in images:
        path = jpg / f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tables / "consensus_image_edema_severity.csv").write_text(f"{IMAGE}\n{consensus}")
    for name, text in (("expert", expert), ("regex", regex)):
        if text is not None:
            (tables / f"{name}_report_edema_severity.csv").write_text(f"{REPORT}\n{text}")
    return Release(root=jpg, second_root=tables)


def studies_in(release: Release, tally: Tally | None = None) -> dict[str, Study]:
    return {each.study_id: each for each in read_studies(EDEMA_SEVERITY, release, tally)}


def test_the_consensus_tests_on_the_image_that_was_graded(tmp_path: Path) -> None:
    found = release(
        tmp_path,
        ("10000001", "50000001", ONE),
        ("10000001", "50000001", TWO),
        ("10000002", "50000002", THREE),
        consensus=f"10000001,50000001,{TWO},3\n",
        expert="10000002,50000002,0\n",
        regex="10000001,50000001,1\n10000002,50000002,2\n",
    )
    one, two = studies_in(found).values()
    assert [radiograph.path for radiograph in one.radiographs] == [
        f"files/p10/p10000001/s50000001/{TWO}.jpg"
    ]
    assert one.split == "test"
    assert two.split in ("train", "validate")
    grades = [(item.name, item.value, item.reader) for item in one.severity]
    assert grades == [("edema", 3, "consensus"), ("edema", 1, "regex")]
    assert one.findings[0].value is Assertion.PRESENT
    assert two.findings[0].value is Assertion.ABSENT  # the expert's word, not the program's
    assert (one.patient_id, one.source) == ("10000001", "mimic-cxr")


@pytest.mark.parametrize(
    ("grade", "value"),
    [
        ("0", Assertion.ABSENT),
        ("1", Assertion.UNCERTAIN),
        ("2", Assertion.PRESENT),
        ("3.0", Assertion.PRESENT),
    ],
)
def test_a_grade_says_whether_there_is_edema(tmp_path: Path, grade: str, value: Assertion) -> None:
    images = ("10000001", "50000001", ONE)
    found = release(tmp_path, images, expert="", regex=f"10000001,50000001,{grade}\n")
    (study,) = studies_in(found).values()
    assert study.findings[0].value is value
    assert study.severity[0].value == float(grade)


def test_a_patient_of_the_test_part_does_not_train(tmp_path: Path) -> None:
    found = release(
        tmp_path,
        ("10000001", "50000001", ONE),
        ("10000001", "50000002", TWO),
        consensus=f"10000001,50000001,{ONE},0\n",
        regex="10000001,50000002,2\n10000009,50000009,1\n",
    )
    tally = Tally()
    assert list(studies_in(found, tally)) == ["50000001"]
    assert tally.counts == {
        "studies graded by report of patients in the test part, left out": 1,
        "graded studies left out: none of their images is there": 1,
    }
    assert tally.notes == ["expert_report_edema_severity.csv is not there: no grades of it."]


def test_ids_that_a_spreadsheet_wrote_as_numbers_are_mended_and_counted(tmp_path: Path) -> None:
    found = release(
        tmp_path, ("10000001", "50000001", ONE), regex="10000001.0,50000001.0,2\n", expert=""
    )
    tally = Tally()
    assert list(studies_in(found, tally)) == ["50000001"]
    assert tally.counts["values of subject_id that were written as decimal numbers"] == 1


@pytest.mark.parametrize(
    ("regex", "message"),
    [
        ("1.0000001e7,50000001,2\n", r"row 2, subject_id: found '1\.0000001e7', expected an id"),
        ("10000001,50000001,4\n", "row 2, edema_severity: found '4', expected one of 0, 1, 2, 3"),
        ("10000001,50000001,\n", "row 2, edema_severity: found None, expected one of 0, 1, 2, 3"),
        (
            "10000001,50000001,2\n10000001,50000001,3\n",
            "row 3: the study 50000001 has grade 3, 2 in an earlier row",
        ),
        (
            "10000001,50000001,2\n10000002,50000001,2\n",
            "row 3: the study 50000001 is of patient 10000002, of 10000001 before",
        ),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(tmp_path: Path, regex: str, message: str) -> None:
    found = release(tmp_path, ("10000001", "50000001", ONE), regex=regex)
    with pytest.raises(DatasetError, match=message):
        studies_in(found)


def test_folders_in_the_wrong_order_and_images_of_others_are_told(tmp_path: Path) -> None:
    found = release(tmp_path, ("10000003", "50000003", ONE), regex="10000001,50000001,2\n")
    with pytest.raises(DatasetError, match="none of the 1 images that are listed is there"):
        studies_in(found)
    with pytest.raises(DatasetError, match=r"consensus_image_edema_severity\.csv expected but not"):
        studies_in(Release(root=found.root, second_root=found.root))


def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    cohort, root = stand_in([("pulmonary edema",), ()] * 8), tmp_path / "out"
    studies = tuple(replace(each, study_id=f"{each.study_id}-1") for each in cohort.studies)
    assert EDEMA_SEVERITY.write is not None
    EDEMA_SEVERITY.write(replace(cohort, studies=studies), root)
    folders = Release(root=root / "mimic-cxr-jpg", second_root=root / "mimic-cxr-pe-severity")
    manifest = index_release(EDEMA_SEVERITY, folders, tmp_path / "m.parquet")
    assert len(manifest.studies) == len(cohort.studies)
    for study in manifest.studies:
        value = study.severity[0].value
        assert (study.findings[0].value is Assertion.ABSENT) == (value == 0)
        assert (study.severity[0].reader == "consensus") == (study.split == "test")
        assert len(study.radiographs) == 1 or study.split != "test"
    assert sum(study.severity[0].value > 0 for study in manifest.studies) == 8
    assert {study.split for study in manifest.studies} >= {"train", "test"}
