"""ChestX-ray14's images under other labels: those of radiologists, and those of a longer list.

Source: Majkowska et al., Radiology 2020, doi:10.1148/radiol.2019191293 (four findings, adjudicated
by three radiologists); Nabulsi et al., Sci Rep 2021, doi:10.1038/s41598-021-93967-2 (fourteen, by
the majority of three, five readers apart); Holste et al., DALI 2022, arXiv:2208.13365 (twenty, one
an image) and MICCAI 2023, arXiv:2308.09180 (twenty, several an image), both found by programs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from carina.datasets.chestxray14 import (
    COLUMNS,
    LICENCE,
    name_of,
    opened,
    places_of,
    study_of,
    table_of,
)
from carina.datasets.chestxray14_labels_layout import (
    ALL,
    BALANCED,
    FOUR,
    PRUNE,
    READER,
    TAIL,
    LabelSet,
    write_all,
    write_balanced,
    write_four,
    write_prune,
    write_tail,
)
from carina.datasets.chestxray14_layout import TABLES
from carina.datasets.chestxray14_lists import IMAGE
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found
from carina.datasets.presence import is_there
from carina.datasets.split_lists import digest_of
from carina.datasets.table import Row, Table, read_table
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Severity, Study

ADVICE = "Take the table as it was published."
_VALUES = {
    **dict.fromkeys(("YES", "1", "1.0"), Assertion.PRESENT),
    **dict.fromkeys(("NO", "0", "0.0"), Assertion.ABSENT),
    "HEDGE": Assertion.UNCERTAIN,
}


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What one table says of an image."""

    split: str
    findings: tuple[Finding, ...]


def read_labels(labels: LabelSet, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the labelled images, in the order of the tables, with these labels alone.

    Age, sex and view are those of NIH's table. Every label is present or absent; what single
    readers said stands in `severity` under the same name, 1 or 0, with the reader's name.

    Raises:
        DatasetError: a table is missing or another one, an image is labelled twice, or no image
            is there.
    """
    assert release.second_root is not None
    labelled = labelled_in(labels, release.second_root, tally)
    opinions = opinions_in(labels, release.second_root, tally)
    known = {name_of(row): row for row in opened(table_of(release), COLUMNS).rows}
    places = places_of(release.root)
    found = 0
    for name, said in labelled.items():
        if name not in known:
            tally.add("labelled images that NIH's table lacks, left out", name)
            continue
        study = study_of(known[name], places.get(name, name), said.split, tally)
        if is_there(release.root, study.radiographs[0].path, tally):
            found += 1
            severity = tuple(opinions.get(name, ()))
            yield replace(study, findings=said.findings, severity=severity)
    check_found(release.root, found, len(labelled), next(iter(labelled), ""))


def labelled_in(labels: LabelSet, folder: Path, tally: Tally) -> dict[str, Labelled]:
    """Image -> what the tables say, with the length and digest of each noted.

    Raises:
        DatasetError: a table is missing or another one, or labels an image twice.
    """
    labelled: dict[str, Labelled] = {}
    for split, files in labels.files.items():
        path = path_of(folder, files)
        table = read_table(path)
        columns = columns_of(path, table, labels)
        names = []
        for row in table.rows:
            name = image_of(row, labels.image)
            if name in labelled:
                raise row.error(labels.image, f"{name} is labelled a second time", ADVICE)
            labelled[name] = Labelled(split=split, findings=findings_of(row, labels, columns))
            names.append(name)
        tally.note(f"{path.name}: {len(names):,} images, sha256 {digest_of(names)[:16]}")
    return labelled


def path_of(folder: Path, files: Sequence[str]) -> Path:
    """The first of several names that is there.

    Raises:
        DatasetError: none is.
    """
    for file in files:
        if (folder / file).is_file():
            return folder / file
    raise DatasetError(
        f"{folder}: {' or '.join(files)} expected but not there. Give the folder of the labels "
        "second, that of NIH's images and table first."
    )


def columns_of(path: Path, table: Table, labels: LabelSet) -> Mapping[str, str]:
    """Finding -> its column.

    Raises:
        DatasetError: the table lacks one, or the column of images.
    """
    found = {
        name: next((column for column in columns if column in table.columns), "")
        for name, columns in labels.columns.items()
    }
    missing = [labels.columns[name][0] for name, column in found.items() if not column]
    if labels.image not in table.columns:
        missing.insert(0, labels.image)
    if missing:
        raise DatasetError(
            f"{path}: found the columns {', '.join(table.columns[:7])}, expected "
            f"{', '.join(missing)} too. {ADVICE}"
        )
    return found


def image_of(row: Row, column: str) -> str:
    """The name of a row's image.

    Raises:
        DatasetError: it is none of ChestX-ray14.
    """
    name = row.get(column)
    if not IMAGE.fullmatch(name):
        raise row.error(column, f"found {name!r}, expected such as 00000001_000.png", ADVICE)
    return name


def findings_of(row: Row, labels: LabelSet, columns: Mapping[str, str]) -> tuple[Finding, ...]:
    """What the labels of a row say; a blank one was not judged.

    Raises:
        DatasetError: a label is none, or an image of an exclusive set has not just one.
    """
    findings = []
    for name, column in columns.items():
        cell = row.get(column)
        if cell and cell.upper() not in _VALUES:
            raise row.error(column, f"found {cell!r}, expected YES or NO, or 1 or 0", ADVICE)
        if cell:
            findings.append(Finding(name=name, value=_VALUES[cell.upper()]))
    there = [each.name for each in findings if each.value is Assertion.PRESENT]
    if labels.exclusive and len(there) != 1:
        told = ", ".join(there) or "none"
        raise row.error("the labels", f"found {told}, expected one an image", ADVICE)
    return tuple(findings)


def opinions_in(labels: LabelSet, folder: Path, tally: Tally) -> dict[str, list[Severity]]:
    """Image -> what each single reader said.

    Raises:
        DatasetError: the table is another one, or a reader judged an image twice.
    """
    if not labels.readers:
        return {}
    if not any((folder / file).is_file() for file in labels.readers):
        tally.note(f"{labels.readers[0]} is not there: no single reader to compare with.")
        return {}
    path = path_of(folder, labels.readers)
    table = read_table(path)
    columns = columns_of(path, table, labels)
    opinions: dict[str, list[Severity]] = {}
    seen: set[tuple[str, str]] = set()
    for row in table.rows:
        name, reader = image_of(row, labels.image), row.get(READER)
        if not reader or (name, reader) in seen:
            problem = f"found {reader!r} for {name}, expected each reader once"
            raise row.error(READER, problem, ADVICE)
        seen.add((name, reader))
        opinions.setdefault(name, []).extend(
            Severity(name=each.name, value=float(each.value is Assertion.PRESENT), reader=reader)
            for each in findings_of(row, labels, columns)
            if each.value is not Assertion.UNCERTAIN
        )
    return opinions


def _dataset(
    name: str, labels: LabelSet, source: str, images: int, write: partial[None]
) -> Dataset:
    files = [" or ".join(names) for names in labels.files.values()]
    return Dataset(
        name=name,
        source=f"{source} (images: ChestX-ray14)",
        licence=LICENCE,
        layout=(" or ".join(TABLES),),
        read=partial(read_labels, labels),
        write=write,
        counts={"studies": images, "radiographs": images},
        second_root=f"the folder with {', '.join(files)}",
        takes_table=True,
    )


CHESTXRAY14_FOUR = _dataset(
    "chestxray14-four",
    FOUR,
    "Majkowska et al., Radiology 2020, doi:10.1148/radiol.2019191293: four findings, adjudicated",
    4_374,
    write_four,
)
CHESTXRAY14_ALL = _dataset(
    "chestxray14-all",
    ALL,
    "Nabulsi et al., Sci Rep 2021, doi:10.1038/s41598-021-93967-2: fourteen findings, five readers",
    810,
    write_all,
)
CHESTXRAY14_PRUNE = _dataset(
    "chestxray14-prune",
    PRUNE,
    "Holste et al., MICCAI 2023, arXiv:2308.09180 (PruneCXR): twenty labels",
    112_120,
    write_prune,
)
CHESTXRAY14_LT = _dataset(
    "chestxray14-lt",
    TAIL,
    "Holste et al., DALI 2022, arXiv:2208.13365 (NIH-CXR-LT): one of twenty labels",
    88_637,
    write_tail,
)
CHESTXRAY14_LT_BALANCED = _dataset(
    "chestxray14-lt-balanced",
    BALANCED,
    "Holste et al., DALI 2022, arXiv:2208.13365 (NIH-CXR-LT, balanced test): one of twenty labels",
    68_958,
    write_balanced,
)
CHESTXRAY14_LABELS = (
    CHESTXRAY14_FOUR,
    CHESTXRAY14_ALL,
    CHESTXRAY14_PRUNE,
    CHESTXRAY14_LT,
    CHESTXRAY14_LT_BALANCED,
)
