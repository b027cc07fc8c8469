"""Studies in a table of one's own: `manifest.csv`, one row an image."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from carina.datasets.cells import (
    UNKNOWN,
    age_of,
    boxes_of,
    findings_of,
    masks_of,
    severity_of,
    sex_of,
    slashes,
    split_of,
    whole_number,
)
from carina.datasets.declaration import Dataset, Release
from carina.datasets.plain_csv_layout import TABLE, write_csv
from carina.datasets.table import Row, Table, read_table
from carina.datasets.tally import Tally
from carina.errors import ConfigError, DatasetError
from carina.study import Finding, Radiograph, Report, Study

_log = logging.getLogger(__name__)
COLUMNS = (
    *("image", "patient_id", "study_id", "view", "report", "findings", "absent", "split"),
    *("mask", "masks", "boxes", "severity", "width", "height", "sex", "age", "source", "licence"),
)
"""The columns that are read; a table needs `image` and may lack any other."""

_SAME_IN_A_STUDY = ("patient_id", "report", "split", "sex", "age", "source", "licence")


def read_csv(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of a table in the order of their first rows.

    Rows with the same `study_id` are the radiographs of one study. Without `study_id` each
    image is a study of its own; without `patient_id` each study is a patient of its own.

    Raises:
        ConfigError: a column is renamed that carina has not.
        DatasetError: a column is missing, or a row cannot be understood.
    """
    own = read_table(release.root / (release.table or TABLE))
    table = _renamed(own, release)
    _note_unread(own.columns, release, tally)
    if "patient_id" not in table.columns:
        _log.warning("There is no patient_id: every study is taken as a patient of its own.")
    studies: dict[str, list[Row]] = {}
    for row in table.rows:
        studies.setdefault(_study_id(row, table.columns), []).append(row)
    _count_odd_values([row for rows in studies.values() for row in rows], tally)
    _check_images(release.root, studies)
    for study_id, rows in studies.items():
        yield _study(release.root, study_id, rows, table.columns)


def _renamed(table: Table, release: Release) -> Table:
    """The table in our names."""
    unknown = [ours for ours in release.columns if ours not in COLUMNS]
    if unknown:
        raise ConfigError(
            f"There is no column {', '.join(unknown)} to rename; columns: {', '.join(COLUMNS)}."
        )
    theirs = {ours: release.columns.get(ours, ours) for ours in COLUMNS}
    missing = [name for ours, name in theirs.items() if ours in {*release.columns, "image"}]
    missing = [name for name in missing if name not in table.columns]
    if missing:
        raise DatasetError(
            f"{release.root / (release.table or TABLE)}: found the columns "
            f"{', '.join(table.columns)}, expected {', '.join(missing)} too. "
            "Name a column of the table with --column, such as --column image=file_name."
        )
    found = {ours: name for ours, name in theirs.items() if name in table.columns}
    rows = (Row(row.path, row.number, _select(row.cells, found)) for row in table.rows)
    return Table(tuple(found), rows)


def _note_unread(columns: tuple[str, ...], release: Release, tally: Tally) -> None:
    """Notes the columns of the table that are not taken: one may be the report by another name."""
    taken = {release.columns.get(ours, ours) for ours in COLUMNS}
    unread = [name for name in columns if name not in taken]
    if unread:
        tally.note(
            f"Columns that are not read: {', '.join(unread)}. If one is wanted, say what it is, "
            'such as --column "report=radiology text".'
        )


def _select(cells: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    return {ours: cells[name] for ours, name in found.items()}


def _study_id(row: Row, columns: tuple[str, ...]) -> str:
    if not row.get("image"):
        raise row.error("image", "is empty", "Name the image, or remove the row.")
    if "study_id" not in columns:
        return slashes(row.get("image"))
    if not row.get("study_id"):
        raise row.error("study_id", "is empty", "Give every row one, or leave the column out.")
    return row.get("study_id")


def _study(root: Path, study_id: str, rows: list[Row], columns: tuple[str, ...]) -> Study:
    same = {column: _same(column, study_id, rows) for column in _SAME_IN_A_STUDY}
    first = same["patient_id"]
    if "patient_id" in columns and not first.get("patient_id"):
        raise first.error("patient_id", "is empty", "Give every row one, or leave the column out.")
    return Study(
        study_id=study_id,
        patient_id=first.get("patient_id") or study_id,
        source=same["source"].get("source") or root.resolve().name,
        radiographs=tuple(_radiograph(root, row) for row in rows),
        report=Report(text=same["report"].cells.get("report", "")),
        findings=_union(findings_of(row) for row in rows),
        boxes=tuple(box for place, row in enumerate(rows) for box in boxes_of(row, place)),
        masks=tuple(mask for place, row in enumerate(rows) for mask in masks_of(row, place)),
        severity=tuple(dict.fromkeys(score for row in rows for score in severity_of(row))),
        split=split_of(same["split"]),
        sex=sex_of(same["sex"].get("sex")),
        age_years=age_of(same["age"].get("age")),
        licence=same["licence"].get("licence") or None,
    )


def _union(parts: Iterator[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(finding for part in parts for finding in part))


def _same(column: str, study_id: str, rows: list[Row]) -> Row:
    """The row that holds a value of the whole study: the first where it is not empty."""
    filled = [row for row in rows if row.get(column)]
    for row in filled[1:]:
        if row.get(column) != filled[0].get(column):
            raise row.error(
                column,
                f"differs from row {filled[0].number} of the same study {study_id!r}",
                "A study has one: correct it, or give the rows study_ids of their own.",
            )
    return filled[0] if filled else rows[0]


def _radiograph(root: Path, row: Row) -> Radiograph:
    return Radiograph(
        path=_inside(root, row),
        view=row.get("view") or None,
        width=whole_number(row, "width"),
        height=whole_number(row, "height"),
    )


def _inside(root: Path, row: Row) -> str:
    """The path of an image below the root."""
    path = PurePosixPath(slashes(row.get("image")))
    if path.is_absolute():
        if not Path(path).is_relative_to(root.resolve()):
            raise row.error(
                "image", "lies outside of the root", "Index with a root that holds all images."
            )
        path = PurePosixPath(Path(path).relative_to(root.resolve()).as_posix())
    return str(path)


def _check_images(root: Path, studies: Mapping[str, list[Row]]) -> None:
    """Refuses an image named twice in a study, and a table none of whose images are there."""
    if not studies:
        raise DatasetError(
            f"{root}: its table has no rows below the header; expected one an image."
        )
    for rows in studies.values():
        images = [slashes(row.get("image")) for row in rows]
        for place, row in enumerate(rows):
            if images[place] in images[:place]:
                raise row.error(
                    "image", "is named twice in one study", "Remove one of the two rows."
                )
    first = [root / slashes(rows[0].get("image")) for rows in list(studies.values())[:100]]
    if not any(path.exists() for path in first):
        raise DatasetError(
            f"{root}: none of the first {len(first)} images is there, such as {first[0]}. "
            "Paths in the table start at the root: give the folder that they start at."
        )


def _count_odd_values(rows: list[Row], tally: Tally) -> None:
    """Counts ages and sexes that cannot be read; they are taken as not known."""
    for column, read in {"age": age_of, "sex": sex_of}.items():
        for row in rows:
            if row.get(column).lower() not in UNKNOWN and read(row.get(column)) is None:
                tally.add(f"values of {column} that are taken as not known", f"row {row.number}")


CSV = Dataset(
    name="csv",
    source="a table of your own",
    licence="in the table's column `licence`",
    layout=(TABLE,),
    read=read_csv,
    write=write_csv,
    takes_table=True,
    takes_columns=True,
)
