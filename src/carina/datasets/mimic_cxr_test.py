"""MIMIC-CXR's test studies, labelled by a radiologist who read their reports.

Source: MIMIC-CXR-JPG 2.1.0 (Johnson et al., PhysioNet 2024, doi:10.13026/jsn5-t979). One
radiologist labelled the reports, not the pictures, to measure the programs that label the others.
The table names studies without patients, and calls Lung Opacity by another name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from carina.datasets.declaration import Dataset, Release
from carina.datasets.mimic_cxr import LICENCE, studies_there
from carina.datasets.mimic_cxr_tables import IDS, LABELS, STUDY, SUBJECT, image_table, split_table
from carina.datasets.mimic_cxr_test_layout import TABLE, THEIRS, write_mimic_cxr_test
from carina.datasets.released_json import one_version
from carina.datasets.table import Row, Table, read_table
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Study

ADVICE = "Use the file as downloaded."
_VALUES = ("1", "0", "-1")


def read_mimic_cxr_test(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the labelled studies with all their images and their reports, as the test part.

    A label that is blank was not mentioned; -1 was mentioned and is not certain.

    Raises:
        DatasetError: a table is another one or a label is none, no image is there, or the reports
            are of other studies.
    """
    assert release.second_root is not None
    path = one_version(release.root, TABLE)
    told = labels_in(path)
    roots = (release.root, release.second_root)
    images = split_table(roots, image_table(roots, tally), tally)
    images = images.filter(pl.col(STUDY).is_in(list(told)))
    owners = dict(images.select(STUDY, SUBJECT).iter_rows())
    strangers = told.keys() - owners.keys()
    if strangers:
        tally.add("labelled studies that the metadata lack", min(strangers), len(strangers))
    if not owners:
        raise DatasetError(
            f"{path}: none of its {len(told):,} studies is in the metadata of {release.root}. Take "
            "both from one release."
        )
    labels = pl.DataFrame(
        [{SUBJECT: owners[study], STUDY: study, **told[study]} for study in owners],
        schema=dict.fromkeys((SUBJECT, STUDY, *LABELS), pl.String),
    )
    for study in studies_there(release, images, labels, tally):
        if study.split not in ("test", None):
            tally.add(f"labelled studies that the split table has in {study.split}", study.study_id)
        yield replace(study, split="test")


def labels_in(path: Path) -> dict[str, dict[str, str | None]]:
    """Study -> its fourteen labels as "1", "0", "-1" or None.

    Raises:
        DatasetError: it is another table, a label is none, or a study is listed twice.
    """
    table = read_table(path)
    columns = _columns_of(path, table)
    told: dict[str, dict[str, str | None]] = {}
    for row in table.rows:
        study = _study_of(row)
        if study in told:
            raise row.error(STUDY, f"{study} is listed a second time", "Remove one of the rows.")
        told[study] = {label: _value(row, column) for label, column in columns.items()}
    return told


def _columns_of(path: Path, table: Table) -> Mapping[str, str]:
    """Label -> the table's name for it."""
    found: dict[str, str] = {}
    for label in LABELS:
        names = [name for name in THEIRS.get(label, (label,)) if name in table.columns]
        if names:
            found[label] = names[0]
    missing = [label for label in LABELS if label not in found]
    if STUDY not in table.columns or missing:
        lacking = [*([] if STUDY in table.columns else [STUDY]), *map(_told, missing)]
        raise DatasetError(
            f"{path}: found the columns {', '.join(table.columns[:7])}, expected "
            f"{', '.join(lacking)} too. Take the file that came with MIMIC-CXR-JPG 2.1.0."
        )
    return found


def _told(label: str) -> str:
    return " or ".join(THEIRS.get(label, (label,)))


def _study_of(row: Row) -> str:
    pattern, example = IDS[STUDY]
    found = re.fullmatch(rf"s?({pattern})(?:\.0+)?", row.get(STUDY))
    if found is None:
        raise row.error(STUDY, f"found {row.get(STUDY)!r}, expected such as {example}", ADVICE)
    return found[1]


def _value(row: Row, column: str) -> str | None:
    text = row.get(column).removesuffix(".0")
    if text and text not in _VALUES:
        raise row.error(column, f"found {text!r}, expected 1, 0, -1 or nothing", ADVICE)
    return text or None


MIMIC_CXR_TEST = Dataset(
    name="mimic-cxr-test",
    source="Johnson et al., PhysioNet 2024, doi:10.13026/jsn5-t979 (one radiologist's labels of "
    "the test reports)",
    licence=LICENCE,
    layout=("files/", TABLE),
    read=read_mimic_cxr_test,
    write=write_mimic_cxr_test,
    counts={"studies": 687},
    second_root="the reports (a folder, or mimic-cxr-reports.zip)",
)
