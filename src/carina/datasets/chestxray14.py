"""ChestX-ray14: radiographs of the NIH Clinical Center, labels mined from reports, 984 boxes.

Source: Wang et al., CVPR 2017, arXiv:1705.02315. An image is a study: the release numbers the
visits of a patient and has one image of each. It has no reports.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from carina.datasets.cells import age_of, sex_of
from carina.datasets.chestxray14_layout import (
    BOX_LABELS,
    BOX_SIDE,
    BOXES,
    LABELS,
    NO_FINDING,
    TABLES,
    TEST_LIST,
    TRAIN_LIST,
    write_chestxray14,
    write_chexnet,
)
from carina.datasets.chestxray14_lists import IMAGE, chexnet_splits, official_splits
from carina.datasets.declaration import Dataset, Release
from carina.datasets.presence import is_there
from carina.datasets.table import Row, Table, read_table
from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.imaging.reader import probe
from carina.study import Assertion, Box, Finding, Radiograph, Study

SOURCE = "chestxray14"
"""Of both declarations: they are the same images, so that leaks between them are seen."""

LICENCE = "NIH Clinical Center: no restrictions on use; name the provider and cite the paper"
COLUMNS = (
    *("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender"),
    "View Position",
)
RENAMED = {"Patient Gender": "Patient Sex"}
"""Columns that some copies of the table call otherwise."""

BOX_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
"""The header of the boxes as it comes out of its commas."""

FINDINGS: Mapping[str, Finding] = {
    label: Finding(name=label.replace("_", " "), value=Assertion.PRESENT)
    for label in (NO_FINDING, *LABELS)
}
"""Labels -> findings. Nothing is ever said to be absent."""

Splits = Callable[[Release, Tally], dict[str, str]]


def read_official(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the table in its order, split by NIH's own lists.

    Images that are listed but not on disk are left out and counted.

    Raises:
        DatasetError: a file is not ChestX-ray14's, no image is there, or a row contradicts itself.
    """
    return _read(release, tally, official_splits)


def read_chexnet(release: Release, tally: Tally) -> Iterator[Study]:
    """As `read_official`, split by the lists in the second folder."""
    return _read(release, tally, chexnet_splits)


def _read(release: Release, tally: Tally, splits_of: Splits) -> Iterator[Study]:
    table = opened(table_of(release), COLUMNS)
    splits, boxes = splits_of(release, tally), boxes_in(release.root, tally)
    places = places_of(release.root)
    listed: set[str] = set()
    found = 0
    for row in table.rows:
        name = name_of(row)
        if name in listed:
            raise row.error("Image Index", "is listed a second time", "Remove one of the rows.")
        listed.add(name)
        if name not in splits:
            tally.add("images in no list: they have no split", f"row {row.number}")
        study = study_of(row, places.get(name, name), splits.get(name), tally)
        if is_there(release.root, study.radiographs[0].path, tally):
            found += 1
            yield with_boxes(study, boxes.get(name, ()), release.root, tally)
    if not listed:
        raise DatasetError(
            f"{table_of(release)}: lists no image, expected a row each. It may be cut short: "
            "download it again."
        )
    if not found:
        raise DatasetError(
            f"{release.root}: none of the {len(listed):,} images of the table is there, but "
            f"{len(places):,} others are. Give the folder of the images that belong to the table."
        )
    _count_unlisted("images that are there but not in the table, left out", places, listed, tally)
    _count_unlisted("images of the lists that are not in the table", splits, listed, tally)
    _count_unlisted("images with boxes that are not in the table", boxes, listed, tally)


def _count_unlisted(what: str, names: Iterable[str], listed: set[str], tally: Tally) -> None:
    """Counts the names that the table lacks."""
    alone = set(names) - listed
    if alone:
        tally.add(what, min(alone), len(alone))


def table_of(release: Release) -> Path:
    """The table that the caller names, else the corrected one, else the older one."""
    if release.table is not None:
        return release.root / release.table
    return next(path for path in (release.root / name for name in TABLES) if path.exists())


def opened(path: Path, columns: tuple[str, ...]) -> Table:
    """A table with all of some columns.

    Raises:
        DatasetError: it is a table of something else.
    """
    table = read_table(path)
    missing = [name for name in columns if name not in (*table.columns, *_also(table))]
    if missing:
        raise DatasetError(
            f"{path}: found the columns {', '.join(table.columns[:7])}, expected "
            f"{', '.join(missing)} too. Take the file that came with ChestX-ray14."
        )
    return table


def _also(table: Table) -> tuple[str, ...]:
    """Our names for columns that a table calls otherwise."""
    return tuple(ours for ours, theirs in RENAMED.items() if theirs in table.columns)


def places_of(root: Path) -> dict[str, str]:
    """Name -> path below the root of every image in the root or up to two folders below it.

    Raises:
        DatasetError: there is none, or one is in two folders.
    """
    places: dict[str, str] = {}
    for parent, found in _images_below(root, ".", depth=2):
        name = found.lower()  # endings in large letters are of some copies
        if name in places:
            raise DatasetError(
                f"{root}: {name} is both in {Path(places[name]).parent} and in {parent}; expected "
                "one copy of the images. Give the folder of one, or remove the other."
            )
        places[name] = f"{parent}/{found}".removeprefix("./")
    if not places:
        raise DatasetError(
            f"{root}: found no image such as images_001/images/00000001_000.png here or up to "
            "two folders below. Unpack the images beside the table."
        )
    return places


def _images_below(root: Path, parent: str, depth: int) -> Iterator[tuple[str, str]]:
    """The folder, relative to the root, and the name of every image."""
    with os.scandir(root / parent) as entries:
        folders = [entry.name for entry in entries if entry.is_dir()]
    with os.scandir(root / parent) as entries:
        names = [entry.name for entry in entries if IMAGE.fullmatch(entry.name.lower())]
    yield from ((parent, name) for name in names)
    for folder in sorted(folders) if depth else ():
        yield from _images_below(root, f"{parent}/{folder}".removeprefix("./"), depth - 1)


def name_of(row: Row) -> str:
    """The name of a row's image, which begins with the patient's number.

    Raises:
        DatasetError: it is no name of an image, or the patient is another one.
    """
    name, patient = row.get("Image Index"), row.get("Patient ID")
    match = IMAGE.fullmatch(name)
    if match is None:
        raise row.error(
            "Image Index",
            f"found {name!r}, expected such as 00000001_000.png",
            "Take the table that came with ChestX-ray14.",
        )
    number = patient.removesuffix(".0")  # some table software turns numbers into decimals
    if not number.isdecimal() or int(number) != int(match["patient"]):
        raise row.error(
            "Patient ID",
            f"is {patient!r}, but the image {name} is of patient {int(match['patient'])}",
            "Take the table that came with ChestX-ray14.",
        )
    return name


def findings_of(row: Row) -> tuple[Finding, ...]:
    """The labels of a row as findings that are present; "No Finding" stands alone.

    Raises:
        DatasetError: a label is not of ChestX-ray14, or "No Finding" is beside others.
    """
    labels = [label.strip() for label in row.get("Finding Labels").split("|")]
    unknown = [label for label in labels if label not in FINDINGS]
    if unknown:
        raise row.error(
            "Finding Labels",
            f"found {unknown[0]!r}, expected {NO_FINDING} or some of {', '.join(LABELS)}",
            "Take the table that came with ChestX-ray14.",
        )
    if NO_FINDING in labels and len(labels) > 1:
        raise row.error("Finding Labels", f"has {NO_FINDING} beside others", "Correct the row.")
    return tuple(FINDINGS[label] for label in dict.fromkeys(labels))


def study_of(row: Row, path: str, split: str | None, tally: Tally) -> Study:
    """The study of a row of the table, with its mined labels."""
    name = row.get("Image Index")
    told = row.get("Patient Gender") or row.get(RENAMED["Patient Gender"])
    age, sex = age_of(row.get("Patient Age")), sex_of(told)
    if age is None:
        tally.add("ages that no human has, taken as not known", f"row {row.number}")
    if sex is None:
        tally.add("sexes that are not known", f"row {row.number}")
    return Study(
        study_id=name.removesuffix(".png"),
        patient_id=name[:8],
        source=SOURCE,
        radiographs=(Radiograph(path=path, view=row.get("View Position").upper() or None),),
        findings=findings_of(row),
        split=split,
        sex=sex,
        age_years=age,
        licence=LICENCE,
    )


def boxes_in(root: Path, tally: Tally) -> dict[str, list[Box]]:
    """Image -> its boxes, in pixels of a square of `BOX_SIDE`; none where there is no list.

    Raises:
        DatasetError: the file is no list of boxes, or a row cannot be understood.
    """
    path = root / BOXES
    boxes: dict[str, list[Box]] = {}
    if not path.exists():
        tally.note(f"{BOXES} is not there: no boxes.")
        return boxes
    for row in opened(path, BOX_COLUMNS).rows:
        boxes.setdefault(row.get("Image Index"), []).append(_box(row))
    return boxes


def _box(row: Row) -> Box:
    labels = {BOX_LABELS.get(label, label): FINDINGS[label].name for label in LABELS}
    label = row.get("Finding Label")
    if label not in labels:
        raise row.error(
            "Finding Label",
            f"found {label!r}, expected one of {', '.join(labels)}",
            "Take the file that came with ChestX-ray14.",
        )
    x, y, width, height = (_pixels(row, column) for column in BOX_COLUMNS[2:])
    if not (width > 0 and height > 0):
        raise row.error("w and h", f"the box is {width:g} x {height:g}", "Remove the row.")
    return Box(
        radiograph=0, label=labels[label], x1=x, y1=y, x2=x + width, y2=y + height, reader="nih"
    )


def _pixels(row: Row, column: str) -> float:
    try:
        value = float(row.get(column))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise row.error(column, f"found {row.get(column)!r}, expected pixels", "Correct the row.")
    return value


def with_boxes(study: Study, boxes: Sequence[Box], root: Path, tally: Tally) -> Study:
    """The study with its boxes, in pixels of the stored image: mirrors have smaller ones.

    The boxes of an image that cannot be read are left out and counted.

    Raises:
        DatasetError: the image is not square, so it cannot be the one that was marked.
    """
    if not boxes:
        return study
    (radiograph,) = study.radiographs
    try:
        header = probe(root / radiograph.path)
    except RadiographError:
        tally.add("boxes left out: their image cannot be read", radiograph.path, len(boxes))
        return study
    if header.width != header.height:
        raise DatasetError(
            f"{root / radiograph.path}: is {header.width} x {header.height} pixels, but boxes are "
            f"of a square. Take the images of the release, or move {BOXES} away."
        )
    scale = header.width / BOX_SIDE
    return replace(study, boxes=tuple(_scaled(box, scale) for box in boxes))


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (scale * side for side in (box.x1, box.y1, box.x2, box.y2))
    return replace(box, x1=x1, y1=y1, x2=x2, y2=y2)


CHESTXRAY14 = Dataset(
    name="chestxray14",
    source="Wang et al., CVPR 2017, arXiv:1705.02315; split by NIH's own lists",
    licence=LICENCE,
    layout=(" or ".join(TABLES), TRAIN_LIST, TEST_LIST),
    read=read_official,
    write=write_chestxray14,
    counts={"studies": 112_120, "radiographs": 112_120, "patients": 30_805},
    takes_table=True,
)

CHESTXRAY14_CHEXNET = Dataset(
    name="chestxray14-chexnet",
    source="Wang et al., CVPR 2017, arXiv:1705.02315; split 70 / 10 / 20 by CheXNet-style lists",
    licence=LICENCE,
    layout=(" or ".join(TABLES),),
    read=read_chexnet,
    write=write_chexnet,
    counts=CHESTXRAY14.counts,
    second_root="the folder with train_list.txt, val_list.txt and test_list.txt",
    takes_table=True,
)
