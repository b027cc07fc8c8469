"""Object-CXR: radiographs with foreign objects outlined, from township hospitals in China.

Source: JF Healthcare, challenge at MIDL 2020; its page is gone, copies of the data are not. An
outline is a rectangle, an ellipse or a polygon; papers detect the boxes around them.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found, images_below
from carina.datasets.object_cxr_layout import (
    ELLIPSE,
    FOLDERS,
    IMAGE,
    OUTLINES,
    POLYGON,
    RECTANGLE,
    TABLES,
    write_object_cxr,
)
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.errors import RadiographError
from carina.imaging.reader import probe
from carina.study import Assertion, Box, Finding, Radiograph, Study

LICENCE = "CC BY-NC 4.0"
LABEL = "Foreign Object"
BEYOND = 1.0
"""By how many pixels an outline may reach over the edge of its picture."""

ADVICE = "Take the table that came with the images."


def read_object_cxr(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the three tables, as far as they are there, an image each.

    Raises:
        DatasetError: a table is another one, an outline cannot be understood, or no image is
            there.
    """
    for split, table in TABLES.items():
        path = release.root / table
        if not path.exists():
            tally.note(f"{table} is not there: no study of {split}.")
            continue
        places = images_below(release.root, (FOLDERS[split],), depth=1)
        rows = once_each(read_table_of(path, (IMAGE, OUTLINES), OBJECT_CXR.name).rows, tally)
        found = 0
        for row in rows:
            place = places.get(PurePosixPath(row.get(IMAGE)).stem)
            if place is None:
                tally.add("images that are listed but not there, left out", row.get(IMAGE))
                continue
            found += 1
            yield with_boxes(_study(row, place, split), boxes_of(row), release, tally)
        check_found(release.root, found, len(rows), rows[0].get(IMAGE) if rows else "")


def once_each(rows: Iterable[Row], tally: Tally) -> list[Row]:
    """The rows without those that repeat another word for word, which are counted.

    Raises:
        DatasetError: an image is listed twice, outlined otherwise.
    """
    kept: dict[str, Row] = {}
    for row in rows:
        name = row.get(IMAGE)
        first = kept.setdefault(name, row)
        if first is row:
            continue
        if row.get(OUTLINES) != first.get(OUTLINES):
            problem = f"{name} is outlined otherwise than in row {first.number}"
            raise row.error(IMAGE, problem, "Keep one of the two rows.")
        tally.add("rows that repeat an image, left out", f"row {row.number}")
    return list(kept.values())


def boxes_of(row: Row) -> tuple[Box, ...]:
    """The boxes around the outlines of a row; none where its cell is empty.

    Raises:
        DatasetError: an outline is of another kind, has too few numbers, or encloses nothing.
    """
    return tuple(_box(row, shape.split()) for shape in row.get(OUTLINES).split(";") if shape)


def _box(row: Row, words: list[str]) -> Box:
    told = " ".join(words)
    kind, *corners = words or ("",)
    least = {RECTANGLE: (4, 4), ELLIPSE: (4, 4), POLYGON: (6, math.inf)}.get(kind)
    if least is None or len(corners) % 2 or not least[0] <= len(corners) <= least[1]:
        raise row.error(
            OUTLINES,
            f"found {told[:40]!r}, expected 0 or 1 and two corners, or 2 and three or more",
            ADVICE,
        )
    try:
        values = [float(value) for value in corners]
    except ValueError as error:
        raise row.error(OUTLINES, f"found {told[:40]!r}, expected numbers", ADVICE) from error
    across, down = values[::2], values[1::2]
    if not (
        all(map(math.isfinite, values)) and min(across) < max(across) and min(down) < max(down)
    ):
        raise row.error(OUTLINES, f"the outline {told[:40]} has no area", ADVICE)
    return Box(
        radiograph=0,
        label=LABEL,
        x1=min(across),
        y1=min(down),
        x2=max(across),
        y2=max(down),
    )


def _study(row: Row, path: str, split: str) -> Study:
    """The study of a row: an object is there where one is outlined, else it is absent."""
    value = Assertion.PRESENT if row.get(OUTLINES) else Assertion.ABSENT
    name = f"{FOLDERS[split]}_{PurePosixPath(row.get(IMAGE)).stem}"
    return Study(
        study_id=name,
        patient_id=name,
        source=OBJECT_CXR.name,
        radiographs=(Radiograph(path=path),),
        findings=(Finding(name=LABEL, value=value),),
        split=split,
        licence=LICENCE,
    )


def with_boxes(study: Study, boxes: tuple[Box, ...], release: Release, tally: Tally) -> Study:
    """The study with the size of its picture and the boxes that lie on it."""
    path = study.radiographs[0].path
    try:
        header = probe(release.root / path)
    except RadiographError:
        tally.add("images whose outlines are left out: they cannot be read", path)
        return study
    inside = tuple(
        box
        for box in boxes
        if min(box.x1, box.y1) >= -BEYOND
        and box.x2 <= header.width + BEYOND
        and box.y2 <= header.height + BEYOND
    )
    tally.add("outlines outside of their picture, left out", path, len(boxes) - len(inside))
    sized = replace(study.radiographs[0], width=header.width, height=header.height)
    return replace(study, radiographs=(sized,), boxes=inside)


OBJECT_CXR = Dataset(
    name="object-cxr",
    source="JF Healthcare, Object-CXR challenge, MIDL 2020",
    licence=LICENCE,
    layout=(" or ".join(TABLES.values()),),
    read=read_object_cxr,
    write=write_object_cxr,
    counts={"studies": 10_000, "radiographs": 10_000},
)
