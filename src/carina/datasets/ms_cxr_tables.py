"""The annotations of MS-CXR: one record a box, from its JSON or its CSV form."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carina.datasets.released_json import read_coco
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.errors import DatasetError

CATEGORIES = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema"),
    *("Lung Opacity", "Pleural Effusion", "Pneumonia", "Pneumothorax"),
)
STEM = "MS_CXR_Local_Alignment_v"
COLUMNS = (
    *("dicom_id", "category_name", "label_text", "path"),
    *("x", "y", "w", "h", "image_width", "image_height"),
)
BEYOND = 1.0
"""By how many pixels a box may reach over the edge of its image."""

_PATH = re.compile(r"files/p1\d/p(1\d{7})/s(5\d{7})/([0-9a-f-]{44})\.(?:jpg|dcm)")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One box: its image, category and phrase, and corners in pixels of `width` x `height`.

    `split` is the release's own word, or "" where its form has none.
    """

    where: str
    path: str
    patient: str
    study: str
    category: str
    phrase: str
    corners: tuple[float, float, float, float]
    width: int
    height: int
    split: str


def read_annotations(folder: Path, tally: Tally) -> list[Annotation]:
    """The annotations in a folder, of its newest version; of one version CSV goes before JSON.

    A record that repeats another word for word is left out and counted.

    Raises:
        DatasetError: there is no such file, or one cannot be used.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob(f"{STEM}*"), key=newest_last)
    files = [path for path in files if path.suffix in (".csv", ".json")]
    if not files:
        raise DatasetError(
            f"{folder}: found no {STEM}1.1.0.csv or .json (1.0.0 will do). Give the folder of "
            "MS-CXR second, that of the images of MIMIC-CXR-JPG first."
        )
    chosen = files[-1]
    if len(files) > 1:
        tally.note(f"{chosen.name} was read; {len(files) - 1} other forms or versions were not.")
    records = of_csv(chosen) if chosen.suffix == ".csv" else of_json(chosen)
    first: dict[tuple[Any, ...], Annotation] = {}
    for record in records:
        key = (record.path, record.category, record.phrase, record.corners)
        if key in first:
            tally.add("boxes that repeat another, left out", record.where)
        first.setdefault(key, record)
    return list(first.values())


def newest_last(path: Path) -> tuple[list[int], bool]:
    """The order of the files: by version, then JSON before CSV."""
    numbers = re.findall(r"\d+", path.stem.removeprefix(STEM))
    return [int(number) for number in numbers], path.suffix == ".csv"


def of_csv(path: Path) -> Iterator[Annotation]:
    """The rows of the CSV form; version 1.0.0 has no column `split`.

    Raises:
        DatasetError: it is another table, or a cell cannot be understood.
    """
    for row in read_table_of(path, COLUMNS, "MS-CXR").rows:
        x, y, across, down = (number(row, name) for name in "xywh")
        yield annotation(
            f"{path.name}, row {row.number}",
            path=row.get("path"),
            category=row.get("category_name"),
            phrase=row.get("label_text"),
            box=(x, y, across, down),
            size=(number(row, "image_width"), number(row, "image_height")),
            split=row.get("split"),
        )


def number(row: Row, column: str) -> float:
    """The number in a cell.

    Raises:
        DatasetError: it is none.
    """
    try:
        return float(row.get(column))
    except ValueError as error:
        raise row.error(
            column, f"found {row.get(column)!r}, expected pixels", "Use the file as downloaded."
        ) from error


def of_json(path: Path) -> Iterator[Annotation]:
    """The annotations of the JSON form, laid out as COCO's; it tells no split.

    Raises:
        DatasetError: it is no such file, or an annotation is of no image or category.
    """
    coco = read_coco(path)
    for place, record in enumerate(coco.records):
        where = f"{path.name}, annotation {record.get('id', place)}"
        try:
            image = coco.images[record["image_id"]]
            x, y, across, down = map(float, record["bbox"])
            yield annotation(
                where,
                path=str(image["path"]),
                category=coco.categories[record["category_id"]],
                phrase=str(record.get("label_text") or ""),
                box=(x, y, across, down),
                size=(float(image["width"]), float(image["height"])),
                split="",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{where}: lacks {error}, or has it in another form; expected an image, a "
                "category and a bbox of four numbers. Download the file again."
            ) from error


def annotation(
    where: str,
    *,
    path: str,
    category: str,
    phrase: str,
    box: tuple[float, float, float, float],
    size: tuple[float, float],
    split: str,
) -> Annotation:
    """One record, checked; x, y, width and height become corners.

    Raises:
        DatasetError: the path is none of MIMIC-CXR, the category is unknown, or the box has no
            area or lies outside of its image.
    """
    found = _PATH.search(path)
    if found is None:
        raise DatasetError(
            f"{where}: the path is {path!r}, expected one of MIMIC-CXR such as "
            "files/p10/p10000032/s50414267/<dicom_id>.jpg. Use the file as downloaded."
        )
    if category not in CATEGORIES:
        raise DatasetError(
            f"{where}: the category is {category!r}, expected one of {', '.join(CATEGORIES)}."
        )
    return Annotation(
        where=where,
        path=found[0],
        patient=found[1],
        study=found[2],
        category=category,
        phrase=" ".join(phrase.split()),
        corners=corners_of(where, box, size),
        width=round(size[0]),
        height=round(size[1]),
        split=split,
    )


def corners_of(
    where: str, box: tuple[float, float, float, float], size: tuple[float, float]
) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of x, y, width and height on an image of this width and height.

    Raises:
        DatasetError: the box has no area, or lies outside of the image.
    """
    x, y, across, down = box
    width, height = size
    inside = min(x, y) >= -BEYOND and x + across <= width + BEYOND and y + down <= height + BEYOND
    if not (all(map(math.isfinite, (*box, *size))) and across > 0 and down > 0 and inside):
        told = ", ".join(f"{value:g}" for value in box)
        raise DatasetError(
            f"{where}: the box (x, y, width, height) is {told} on {width:g} x {height:g} pixels; "
            "expected an area inside of the image. Use the file as downloaded."
        )
    return x, y, x + across, y + down


def by_study(annotations: list[Annotation]) -> Mapping[str, list[Annotation]]:
    """Study -> its annotations, in the order of the file."""
    studies: dict[str, list[Annotation]] = {}
    for each in annotations:
        studies.setdefault(each.study, []).append(each)
    return studies
