"""PadChest: radiographs of San Juan Hospital in Alicante, labelled with 193 terms.

Source: Bustos et al., Med Image Anal 2020, doi:10.1016/j.media.2020.101797. Physicians labelled a
quarter of the reports, a network the others. Pictures are PNGs of 16 bits that keep the levels of
their detector; the table says how many bits these have and which pictures have bone low, so that
goes into the paths of the manifest. See `imaging.told_levels`.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from carina.datasets.cells import sex_of
from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.found_images import check_found, images_below
from carina.datasets.padchest_layout import (
    BIRTH,
    BITS,
    DATE,
    IMAGE,
    LABELS,
    METHOD,
    NETWORK,
    PATIENT,
    PHOTOMETRIC,
    PHYSICIAN,
    SEX,
    STUDY,
    TABLE,
    VIEW,
    write_padchest,
)
from carina.datasets.presence import is_there
from carina.datasets.released_table import ROW, checked_ids, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.imaging.told_levels import ToldLevels
from carina.study import Assertion, Finding, Radiograph, Study

LICENCE = "PadChest Dataset Research Use Agreement (BIMCV)"
READ = (IMAGE, DATE, STUDY, PATIENT, BIRTH, SEX, VIEW, BITS, PHOTOMETRIC, METHOD, LABELS)
VIEWS = {"PA": "PA", "AP": "AP", "AP_horizontal": "AP Supine", "L": "LATERAL", "COSTAL": "COSTAL"}
EXCLUDED = "EXCLUDE"
INVERTED = {"MONOCHROME1": True, "MONOCHROME2": False}
MOST_BITS = 16
OLDEST_YEARS = 130
ADVICE = "Use the table as downloaded."


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rows of a study say alike."""

    patient: str
    labels: tuple[str, ...]
    physician: bool


def read_padchest(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the table in the order of their first rows.

    What physicians labelled is the test part, as papers use it; of the patients outside of it an
    eighth validates. Labels that are not listed are not there, or not mentioned: nothing is said
    to be absent. Reports are left out: they are Spanish, and reduced to the stems of words.

    Raises:
        DatasetError: it is another table, a row cannot be understood, or no image is there.
    """
    rows = rows_of(release.root / TABLE, tally)
    places = images_below(release.root, (".",), depth=2)
    visits: dict[tuple[str, Facts], list[Mapping[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        facts = facts_of(row, release.root / TABLE)
        visits.setdefault((row[STUDY], facts), []).append(row)
    tested = {facts.patient for _, facts in visits if facts.physician}
    ids = study_ids(visits, release.root / TABLE, tally)
    found = 0
    for study_id, (key, listed) in zip(ids, visits.items(), strict=True):
        radiographs = radiographs_of(release.root, listed, places, tally)
        found += len(radiographs)
        if radiographs:
            split = split_of(key[1], tested, study_id, tally)
            yield _study(study_id, key[1], listed[0], radiographs, split, tally)
    check_found(release.root, found, len(rows), str(rows[IMAGE][0]) if len(rows) else "")
    tally.note("Reports were left out: they are Spanish, in stems of words.")


def rows_of(path: Path, tally: Tally) -> pl.DataFrame:
    """The rows that can be used, ids checked.

    Raises:
        DatasetError: it is another table, an id is none, or an image is listed twice.
    """
    table = read_columns(path, READ, tally)
    for column in (STUDY, PATIENT):
        pattern, example = r"[0-9A-Za-z_-]+", "20536686640136348236148679891455886468"
        table = checked_ids(table, column, pattern, example, path, tally)
    for what, wanted in (
        ("images without labels, left out", pl.col(LABELS).is_not_null()),
        ("images that the release itself excludes, left out", pl.col(VIEW).ne_missing(EXCLUDED)),
    ):
        left = table.filter(~wanted)
        if len(left):
            tally.add(what, f"row {left[ROW][0]}", len(left))
        table = table.filter(wanted)
    twice = table.filter(pl.col(IMAGE).is_duplicated())
    if len(twice):
        raise DatasetError(
            f"{path}, row {twice[ROW][1]}, {IMAGE}: {twice[IMAGE][1]} is listed twice, expected "
            f"one row an image. {ADVICE}"
        )
    return table


def facts_of(row: Mapping[str, Any], path: Path) -> Facts:
    """Patient, labels and who gave them.

    Raises:
        DatasetError: the labels are no list, or somebody else gave them.
    """
    if row[METHOD] not in (PHYSICIAN, NETWORK):
        raise _error(path, row, METHOD, f"{PHYSICIAN} or {NETWORK}")
    return Facts(
        patient=row[PATIENT], labels=labels_of(row, path), physician=row[METHOD] == PHYSICIAN
    )


def labels_of(row: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The terms of a cell, each once, whole and in lower case.

    A term is never looked for inside of another: "nodule" is not in "pseudonodule".

    Raises:
        DatasetError: the cell is no list of words.
    """
    try:
        listed = ast.literal_eval(row[LABELS])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise _error(path, row, LABELS, "a list such as ['cardiomegaly', 'pleural effusion']")
    names = (" ".join(name.lower().split()) for name in listed)
    return tuple(dict.fromkeys(name for name in names if name))


def study_ids(visits: Iterable[tuple[str, Facts]], path: Path, tally: Tally) -> list[str]:
    """An id for each study; images of one visit that are labelled apart are studies apart.

    Raises:
        DatasetError: one visit is of two patients.
    """
    patients: dict[str, str] = {}
    seen: dict[str, int] = {}
    ids = []
    for study, facts in visits:
        if patients.setdefault(study, facts.patient) != facts.patient:
            raise DatasetError(
                f"{path}: the study {study} is of the patients {patients[study]} and "
                f"{facts.patient}, expected one. {ADVICE}"
            )
        seen[study] = seen.get(study, 0) + 1
        if seen[study] > 1:
            tally.add("images labelled otherwise than their visit: studies of their own", study)
        ids.append(study if seen[study] == 1 else f"{study}-{seen[study]}")
    return ids


def split_of(facts: Facts, tested: set[str], study_id: str, tally: Tally) -> str | None:
    """The split of a study; None where its patient is in the test part by another one."""
    if facts.physician:
        return "test"
    if facts.patient in tested:
        tally.add("studies of patients in the test part: they have no split", study_id)
        return None
    return train_or_validate(facts.patient)


def radiographs_of(
    root: Path, rows: Sequence[Mapping[str, Any]], places: Mapping[str, str], tally: Tally
) -> tuple[Radiograph, ...]:
    """The images of a study that are there and can be read, their levels told behind the path.

    Raises:
        DatasetError: a cell cannot be understood.
    """
    radiographs = []
    for row in rows:
        told = levels_of(row, root / TABLE, tally)
        path = places.get(Path(row[IMAGE] or "").stem)
        if path is None:
            tally.add("images that are listed but not there, left out", str(row[IMAGE]))
        elif is_there(root, path, tally):
            view = VIEWS.get(row[VIEW] or "")
            if view is None:
                tally.add("images whose projection is not told", f"row {row[ROW]}")
            radiographs.append(Radiograph(path=told.after(path), view=view))
    return tuple(radiographs)


def levels_of(row: Mapping[str, Any], path: Path, tally: Tally) -> ToldLevels:
    """How many bits are used, and whether bone is low.

    Raises:
        DatasetError: a cell says something else.
    """
    if row[PHOTOMETRIC] is None or row[BITS] is None:
        tally.add("images whose levels are not told: read as they are", f"row {row[ROW]}")
    if row[PHOTOMETRIC] is not None and row[PHOTOMETRIC] not in INVERTED:
        raise _error(path, row, PHOTOMETRIC, "MONOCHROME1 or MONOCHROME2")
    inverted = INVERTED.get(row[PHOTOMETRIC] or "", False)
    if inverted:
        tally.add("images with bone low, read inverted", f"row {row[ROW]}")
    bits = (row[BITS] or str(MOST_BITS)).removesuffix(".0")
    if not bits.isdecimal() or not 8 <= int(bits) <= MOST_BITS:
        raise _error(path, row, BITS, f"8 to {MOST_BITS}")
    return ToldLevels(bits=int(bits) if int(bits) < MOST_BITS else None, inverted=inverted)


def age_of(row: Mapping[str, Any], tally: Tally) -> float | None:
    """The years between birth and study; None, counted, where these cannot be told."""
    birth, date = (row[BIRTH] or "").removesuffix(".0"), (row[DATE] or "")[:4]
    if birth.isdecimal() and date.isdecimal() and 0 <= int(date) - int(birth) <= OLDEST_YEARS:
        return float(int(date) - int(birth))
    tally.add("studies whose age is not known", f"row {row[ROW]}")
    return None


def _study(
    study_id: str,
    facts: Facts,
    row: Mapping[str, Any],
    radiographs: tuple[Radiograph, ...],
    split: str | None,
    tally: Tally,
) -> Study:
    return Study(
        study_id=study_id,
        patient_id=facts.patient,
        source=PADCHEST.name,
        radiographs=radiographs,
        findings=tuple(Finding(name=name, value=Assertion.PRESENT) for name in facts.labels),
        split=split,
        sex=sex_of(row[SEX] or ""),
        age_years=age_of(row, tally),
        licence=LICENCE,
    )


def _error(path: Path, row: Mapping[str, Any], column: str, expected: str) -> DatasetError:
    return DatasetError(
        f"{path}, row {row[ROW]}, {column}: found {row[column]!r}, expected {expected}. {ADVICE}"
    )


PADCHEST = Dataset(
    name="padchest",
    source="Bustos et al., Med Image Anal 2020, doi:10.1016/j.media.2020.101797",
    licence=LICENCE,
    layout=(TABLE,),
    read=read_padchest,
    write=write_padchest,
    counts={"studies": 109_931, "radiographs": 160_868, "patients": 67_625},
)
