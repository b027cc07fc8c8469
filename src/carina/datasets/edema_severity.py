"""Grades of pulmonary edema on images and reports of MIMIC-CXR.

Source: Liao et al., PhysioNet 2021, doi:10.13026/rz5p-rc64; Horng et al., Radiol Artif Intell
2021, doi:10.1148/ryai.2021190228. The images come from MIMIC-CXR-JPG. Radiologists agreed on the
grades of 141 images, which are kept for testing; the others were found in reports.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.edema_severity_layout import (
    CONSENSUS,
    EXPERT,
    GRADE,
    GRADES,
    REGEX,
    write_edema_severity,
)
from carina.datasets.found_images import check_found
from carina.datasets.mimic_cxr_tables import IDS, IMAGE, STUDY, SUBJECT, image_table
from carina.datasets.presence import is_there
from carina.datasets.released_table import ROW, checked_ids, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Severity, Study

SOURCE = "mimic-cxr"
"""The images are those of MIMIC-CXR, so that leaks between the two are seen."""

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
READERS = {CONSENSUS: "consensus", EXPERT: "expert", REGEX: "regex"}
_EDEMA = {
    "0": Assertion.ABSENT,
    "1": Assertion.UNCERTAIN,
    "2": Assertion.PRESENT,
    "3": Assertion.PRESENT,
}
"""Grade 1 is vascular congestion: neither free of edema nor edema."""


@dataclass
class Graded:
    """The grades of a study by reader, the best reader first, and the images that were graded."""

    subject: str
    grades: dict[str, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)


def read_edema_severity(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the graded studies, those of the consensus as the test part.

    A study has the radiographs that were graded by consensus, or all of a study whose report was
    graded. An eighth of the patients outside the test part validates.

    Raises:
        DatasetError: a table is another one, two tables disagree about a patient, or no image is
            there.
    """
    assert release.second_root is not None
    graded = graded_in(release.second_root, tally)
    tested = {each.subject for each in graded.values() if each.images}
    found = 0
    images = images_of(release.root, graded, tally)
    for study_id, each in graded.items():
        if each.subject in tested and not each.images:
            tally.add("studies graded by report of patients in the test part, left out", study_id)
            continue
        radiographs = _radiographs(release.root, each, images.get(study_id, ()), tally)
        if not radiographs:
            tally.add("graded studies left out: none of their images is there", study_id)
            continue
        found += 1
        yield _study(study_id, each, radiographs)
    check_found(release.root, found, len(graded), "files/p10/...")


def graded_in(folder: Path, tally: Tally) -> dict[str, Graded]:
    """Study -> its grades, of the three tables.

    Raises:
        DatasetError: a table is another one, a grade is none, or a study has two of one table.
    """
    graded: dict[str, Graded] = {}
    for file, reader in READERS.items():
        path = folder / file
        if not path.exists():
            if file == CONSENSUS:
                raise DatasetError(
                    f"{folder}: {CONSENSUS} expected but not there. Give the folder of the three "
                    "tables of grades second, that of the images first."
                )
            tally.note(f"{file} is not there: no grades of it.")
            continue
        for row in rows_of(path, tally).iter_rows(named=True):
            add_grade(graded, row, reader, path)
    return graded


def rows_of(path: Path, tally: Tally) -> pl.DataFrame:
    """The rows of one table, its ids and grades checked.

    Raises:
        DatasetError: it is another table, an id is none, or a grade is not 0 to 3.
    """
    columns = (SUBJECT, STUDY, IMAGE) if path.name == CONSENSUS else (SUBJECT, STUDY)
    table = read_columns(path, (*columns, GRADE), tally)
    for column in columns:
        pattern, example = IDS[column]
        table = checked_ids(table, column, pattern, example, path, tally)
    table = table.with_columns(pl.col(GRADE).str.replace(r"\.0+$", ""))
    wrong = table.filter(~pl.col(GRADE).is_in(list(GRADES)).fill_null(value=False))
    if len(wrong):
        raise DatasetError(
            f"{path}, row {wrong[ROW][0]}, {GRADE}: found {wrong[GRADE][0]!r}, expected one of "
            f"{', '.join(GRADES)}. Use the file as downloaded."
        )
    return table


def add_grade(graded: dict[str, Graded], row: Mapping[str, Any], reader: str, path: Path) -> None:
    """Adds a row to what is known of its study.

    Raises:
        DatasetError: the study is of another patient, or has another grade in the same table.
    """
    study = graded.setdefault(row[STUDY], Graded(subject=row[SUBJECT]))
    place = f"{path}, row {row[ROW]}"
    if study.subject != row[SUBJECT]:
        raise DatasetError(
            f"{place}: the study {row[STUDY]} is of patient {row[SUBJECT]}, of {study.subject} "
            "before. Download the tables again."
        )
    if study.grades.setdefault(reader, row[GRADE]) != row[GRADE]:
        raise DatasetError(
            f"{place}: the study {row[STUDY]} has grade {row[GRADE]}, {study.grades[reader]} in "
            "an earlier row. Download the table again."
        )
    if IMAGE in row:
        study.images.add(row[IMAGE])


def images_of(
    root: Path, graded: Mapping[str, Graded], tally: Tally
) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Study -> the rows of its images in the list of MIMIC-CXR."""
    images = image_table((root,), tally).filter(pl.col(STUDY).is_in(list(graded)))
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for row in images.iter_rows(named=True):
        found[row[STUDY]] = (*found.get(row[STUDY], ()), row)
    return found


def _radiographs(
    root: Path, graded: Graded, rows: tuple[Mapping[str, Any], ...], tally: Tally
) -> tuple[Radiograph, ...]:
    """The images of a study that were graded and are there; sizes are read from the files."""
    return tuple(
        Radiograph(path=row["path"], view=row["view"])
        for row in rows
        if (not graded.images or row[IMAGE] in graded.images) and is_there(root, row["path"], tally)
    )


def _study(study_id: str, graded: Graded, radiographs: tuple[Radiograph, ...]) -> Study:
    """A study; its finding follows the best of its readers."""
    best = next(iter(graded.grades.values()))
    return Study(
        study_id=study_id,
        patient_id=graded.subject,
        source=SOURCE,
        radiographs=radiographs,
        findings=(Finding(name="Edema", value=_EDEMA[best]),),
        severity=tuple(
            Severity(name="edema", value=float(grade), reader=reader)
            for reader, grade in graded.grades.items()
        ),
        split="test" if graded.images else train_or_validate(graded.subject),
        licence=LICENCE,
    )


EDEMA_SEVERITY = Dataset(
    name="edema-severity",
    source="Liao et al., PhysioNet 2021, doi:10.13026/rz5p-rc64 (images: MIMIC-CXR-JPG)",
    licence=LICENCE,
    layout=("files/",),
    read=read_edema_severity,
    write=write_edema_severity,
    second_root="the folder with the three tables of edema grades",
)
