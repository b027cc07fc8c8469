"""CXR-LT: many labels, most of them rare, for the images of MIMIC-CXR.

Source: Holste et al., Med Image Anal 2024, arXiv:2310.16112 (2023: 26 labels); Lin et al., Med
Image Anal 2025, doi:10.1016/j.media.2025.103739 (2024: 45 labels in three tasks). Programs found
the labels in reports; of task 2 the test part was labelled by hand. A label goes with an image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from carina.datasets.cxr_lt_layout import (
    TASK_1,
    TASK_2,
    TASK_3,
    YEAR_2023,
    Edition,
    writer_of,
)
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found
from carina.datasets.mimic_cxr import LICENCE
from carina.datasets.mimic_cxr_tables import IDS, IMAGE, STUDY, SUBJECT, image_table
from carina.datasets.presence import is_there
from carina.datasets.released_table import ROW, checked_ids, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Study

SOURCE = "mimic-cxr"
"""The images are those of MIMIC-CXR, so that leaks between the two are seen."""

FOLDERS = ("", "*/", "*/*/")
ADVICE = "Use the file as downloaded."
_VALUES = {"1": Assertion.PRESENT, "0": Assertion.ABSENT}


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Images of one study that have the same labels and split."""

    subject: str
    study: str
    split: str
    values: tuple[str, ...]


def read_edition(edition: Edition, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the labelled studies, in the order of the tables; each label is present or absent.

    Images of a study that are labelled otherwise than its first are a study of their own.
    Reports are left out: they are those of `mimic-cxr`.

    Raises:
        DatasetError: a table is another one, an image is in two parts, or no image is there.
    """
    assert release.second_root is not None
    folder = folder_of(edition, release.second_root)
    tables = [
        table_of(folder / file, split, edition.labels, tally)
        for split, file in edition.files.items()
    ]
    labelled = once_each(pl.concat(tables), folder)
    images = image_table((release.root,), tally).select(IMAGE, "path", "view")
    labelled = labelled.join(images, on=IMAGE, how="left", maintain_order="left")
    unknown = labelled.filter(pl.col("path").is_null())
    if len(unknown):
        what = "labelled images that the metadata of MIMIC-CXR lack, left out"
        tally.add(what, str(unknown[IMAGE][0]), len(unknown))
    studies: dict[Labelled, list[Radiograph]] = {}
    for row in labelled.filter(pl.col("path").is_not_null()).iter_rows(named=True):
        key = Labelled(
            subject=row[SUBJECT],
            study=row[STUDY],
            split=row["split"],
            values=tuple(row[label] for label in edition.labels),
        )
        radiograph = Radiograph(path=row["path"], view=row["view"])
        studies.setdefault(key, []).append(radiograph)
    yield from studies_of(edition, release.root, studies, tally)


def folder_of(edition: Edition, root: Path) -> Path:
    """The folder of the tables: the root, or up to two folders below it.

    Raises:
        DatasetError: a table is in none, or in several.
    """
    files = list(edition.files.values())
    found = [
        path
        for depth in FOLDERS
        for path in sorted(root.glob(f"{depth}{edition.folder}"))
        if all((path / file).is_file() for file in files)
    ]
    if not found and root.name == edition.folder and all((root / f).is_file() for f in files):
        found = [root]
    if len(found) != 1:
        told = ", ".join(str(path) for path in found) or "none"
        raise DatasetError(
            f"{root}: found {told}, expected one folder {edition.folder} with {', '.join(files)}. "
            "Give the folder of CXR-LT second, that of the images of MIMIC-CXR-JPG first."
        )
    return found[0]


def table_of(path: Path, split: str, labels: Sequence[str], tally: Tally) -> pl.DataFrame:
    """The ids and labels of a table, labels as "1" or "0", and `split`.

    Raises:
        DatasetError: it is another table, an id is none, or a label is neither.
    """
    table = read_columns(path, (IMAGE, SUBJECT, STUDY, *labels), tally)
    # Some of the tables write the letters of the folders before the numbers: p10000032.
    bare = (pl.col(name).str.replace(r"^[ps](\d)", "${1}") for name in (SUBJECT, STUDY))
    table = table.with_columns(bare)
    for column in (IMAGE, SUBJECT, STUDY):
        pattern, example = IDS[column]
        table = checked_ids(table, column, pattern, example, path, tally)
    table = table.with_columns(pl.col(name).str.replace(r"\.0+$", "") for name in labels)
    for name in labels:
        wrong = table.filter(~pl.col(name).is_in(list(_VALUES)).fill_null(value=False))
        if len(wrong):
            raise DatasetError(
                f"{path}, row {wrong[ROW][0]}, {name}: found {wrong[name][0]!r}, expected 1 or 0. "
                f"{ADVICE}"
            )
    return table.drop(ROW).with_columns(pl.lit(split).alias("split"))


def once_each(table: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The table as it is.

    Raises:
        DatasetError: an image is listed twice.
    """
    twice = table.filter(pl.col(IMAGE).is_duplicated())
    if len(twice):
        raise DatasetError(
            f"{folder}: {twice[IMAGE][0]} is listed twice, expected each image once in one of the "
            "tables. Download them again."
        )
    return table


def studies_of(
    edition: Edition,
    root: Path,
    studies: Mapping[Labelled, Sequence[Radiograph]],
    tally: Tally,
) -> Iterator[Study]:
    """The studies whose images are there.

    Raises:
        DatasetError: not one is.
    """
    seen: dict[str, int] = {}
    found = 0
    for key, listed in studies.items():
        seen[key.study] = number = seen.get(key.study, 0) + 1
        if number > 1:
            tally.add("images labelled otherwise than their study: studies of their own", key.study)
        radiographs = tuple(each for each in listed if is_there(root, each.path, tally))
        found += len(radiographs)
        if radiographs:
            yield Study(
                study_id=key.study if number == 1 else f"{key.study}-{number}",
                patient_id=key.subject,
                source=SOURCE,
                radiographs=radiographs,
                findings=tuple(
                    Finding(name=label, value=_VALUES[value])
                    for label, value in zip(edition.labels, key.values, strict=True)
                ),
                split=key.split,
                licence=LICENCE,
            )
    check_found(root, found, sum(map(len, studies.values())), "files/p10/...")


def _dataset(name: str, edition: Edition, source: str, counts: Mapping[str, int]) -> Dataset:
    return Dataset(
        name=name,
        source=source,
        licence=LICENCE,
        layout=("files/",),
        read=partial(read_edition, edition),
        write=writer_of(edition),
        counts=counts,
        second_root=f"the folder of CXR-LT, which holds {edition.folder}",
    )


_OF_2024 = (
    "Lin et al., Med Image Anal 2025, doi:10.1016/j.media.2025.103739 (images: MIMIC-CXR-JPG)"
)
CXR_LT_2023 = _dataset(
    "cxr-lt-2023",
    YEAR_2023,
    "Holste et al., Med Image Anal 2024, arXiv:2310.16112 (images: MIMIC-CXR-JPG)",
    {"radiographs": 377_110},
)
CXR_LT_2024 = _dataset(
    "cxr-lt-2024", TASK_1, f"{_OF_2024}, task 1: 40 labels", {"radiographs": 377_110}
)
CXR_LT_2024_GOLD = _dataset(
    "cxr-lt-2024-gold",
    TASK_2,
    f"{_OF_2024}, task 2: 26 labels, 406 test images labelled by hand",
    {"radiographs": 298_570},
)
CXR_LT_2024_UNSEEN = _dataset(
    "cxr-lt-2024-unseen", TASK_3, f"{_OF_2024}, task 3: 5 labels that no part trains on", {}
)
CXR_LT_ALL = (CXR_LT_2023, CXR_LT_2024, CXR_LT_2024_GOLD, CXR_LT_2024_UNSEEN)
