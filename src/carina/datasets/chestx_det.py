"""ChestX-Det10 and ChestX-Det: images of NIH ChestX-ray14 outlined by three radiologists.

Source: Liu et al., arXiv:2006.10550 (ten classes, boxes); Lian et al., IEEE TMI 2021,
arXiv:2104.10326 (thirteen classes, boxes and polygons). Every image was looked at for every
class, so a class without an outline is absent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from carina.datasets.chestx_det_layout import (
    CLASSES,
    CLASSES_10,
    FILES,
    FILES_10,
    SIDE,
    write_chestx_det,
    write_chestx_det10,
)
from carina.datasets.chestxray14_lists import IMAGE as NIH_IMAGE
from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.found_images import check_found, images_below, measured_square
from carina.datasets.mask_folder import MaskFolder, mask_folder_of
from carina.datasets.pixel_boxes import Corners, box_on, checked_corners
from carina.datasets.released_json import read_json
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Mask, Radiograph, Study

LICENCE_10 = "NIH Clinical Center: no restrictions on use; name the provider and cite both papers"
LICENCE = f"Apache 2.0 (annotations); {LICENCE_10}"

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One of the two: its lists by part, its classes, and whether they have polygons."""

    source: str
    files: Mapping[str, str]
    classes: tuple[str, ...]
    licence: str
    outlined: bool


@dataclass(frozen=True, kw_only=True)
class Outlined:
    """One outline: its class, its box, and its polygon, () where only boxes are told."""

    label: str
    corners: Corners
    polygon: Polygon = ()


TEN = Edition(
    source="chestx-det10", files=FILES_10, classes=CLASSES_10, licence=LICENCE_10, outlined=False
)
THIRTEEN = Edition(
    source="chestx-det", files=FILES, classes=CLASSES, licence=LICENCE, outlined=True
)


def read_edition(edition: Edition, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of both lists; draws masks from polygons where that is wanted.

    Raises:
        DatasetError: a list is another file, no image is there, or an entry cannot be understood.
        OutputError: a mask cannot be written.
    """
    entries: dict[str, tuple[str, tuple[Outlined, ...]]] = {}
    for part, file in edition.files.items():
        for name, outlines in entries_in(release.root / file, edition):
            if name in entries:
                raise DatasetError(
                    f"{release.root / file}: {name} is listed a second time; expected each image "
                    "once in one of the two lists. Take both from one download."
                )
            entries[name] = (part, outlines)
    places = images_below(release.root, (".",), depth=3)
    folder = mask_folder_of(release) if edition.outlined else None
    found = 0
    for name, (part, outlines) in entries.items():
        stem = name.rsplit(".", 1)[0]
        if stem not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        study = _study(edition, stem, places[stem], part, outlines)
        yield with_outlines(study, outlines, folder, release.root, tally) if outlines else study
    check_found(release.root, found, len(entries), next(iter(entries), ""))


def entries_in(path: Path, edition: Edition) -> Iterator[tuple[str, tuple[Outlined, ...]]]:
    """The name of each image of a list, and its outlines.

    Raises:
        DatasetError: the file is no such list, or an entry cannot be understood.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: is no list of images. Take the file of {edition.source}.")
    for number, entry in enumerate(entries, start=1):
        try:
            yield _name_in(entry), _outlines_in(entry, edition)
        except DatasetError as error:
            raise DatasetError(
                f"{path}, entry {number}: {error}. Take the file of {edition.source}."
            ) from error


def _name_in(entry: Any) -> str:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.endswith(".png"):
        raise DatasetError(f"found the file_name {name!r}, expected text such as '36199.png'")
    return name


def _outlines_in(entry: Mapping[str, Any], edition: Edition) -> tuple[Outlined, ...]:
    keys = ("syms", "boxes", "polygons") if edition.outlined else ("syms", "boxes")
    columns = [entry.get(key) for key in keys]
    if not all(isinstance(column, list) for column in columns):
        raise DatasetError(
            f"found the keys {', '.join(entry)}, expected lists in {', '.join(keys)}"
        )
    lengths = [len(column or ()) for column in columns]
    if len(set(lengths)) > 1:
        counted = ", ".join(f"{n} {key}" for n, key in zip(lengths, keys, strict=True))
        raise DatasetError(f"has {counted}, expected as many of each")
    return tuple(
        _outlined(cells, edition) for cells in zip(*(c or () for c in columns), strict=True)
    )


def _outlined(cells: Sequence[Any], edition: Edition) -> Outlined:
    label, corners, *polygon = cells
    if label not in edition.classes:
        raise DatasetError(
            f"found the class {label!r}, expected one of {', '.join(edition.classes)}"
        )
    if not isinstance(corners, list) or len(corners) != 4 or not all(map(_is_number, corners)):
        raise DatasetError(f"found the box {corners!r}, expected [x1, y1, x2, y2]")
    x1, y1, x2, y2 = map(float, corners)
    return Outlined(
        label=label,
        corners=checked_corners((x1, y1, x2, y2), SIDE),
        polygon=_polygon(polygon[0]) if polygon else (),
    )


def _polygon(points: Any) -> Polygon:
    try:
        corners = np.array(points)
    except ValueError:  # points of different lengths
        corners = np.zeros(0)
    if (
        corners.ndim != 2
        or corners.dtype.kind not in "if"
        or corners.shape[0] < 3
        or corners.shape[1] != 2
        or not (corners.min() >= 0 and corners.max() <= SIDE)  # refuses nan too
    ):
        raise DatasetError(
            f"found a polygon of {len(points) if isinstance(points, list) else repr(points)} "
            f"points, expected at least three [x, y] inside of {SIDE} x {SIDE} pixels"
        )
    return tuple((float(x), float(y)) for x, y in corners.tolist())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _study(
    edition: Edition, name: str, path: str, part: str, outlines: Sequence[Outlined]
) -> Study:
    """The study of an image; an eighth of the training part validates."""
    patient = name[:8] if NIH_IMAGE.fullmatch(f"{name}.png") else name
    there = {outline.label for outline in outlines}
    return Study(
        study_id=name,
        patient_id=patient,
        source=edition.source,
        radiographs=(Radiograph(path=path),),
        findings=tuple(
            Finding(name=label, value=Assertion.PRESENT if label in there else Assertion.ABSENT)
            for label in edition.classes
        ),
        split="test" if part == "test" else train_or_validate(patient),
        licence=edition.licence,
    )


def with_outlines(
    study: Study, outlines: Sequence[Outlined], folder: MaskFolder | None, root: Path, tally: Tally
) -> Study:
    """The study with its boxes, and one mask a class, on a picture of any size."""
    radiograph = measured_square(root, study.radiographs[0], tally)
    if radiograph is None:
        return study
    side = radiograph.width or SIDE
    masks = () if folder is None else tuple(_masks(study.study_id, outlines, side, folder))
    return replace(
        study,
        radiographs=(radiograph,),
        boxes=tuple(box_on(each.corners, each.label, side / SIDE) for each in outlines),
        masks=masks,
    )


def _masks(
    name: str, outlines: Sequence[Outlined], side: int, folder: MaskFolder
) -> Iterator[Mask]:
    for label in dict.fromkeys(each.label for each in outlines):
        polygons = tuple(each.polygon for each in outlines if each.label == label)
        path = folder.draw(
            f"{name}_{label.replace(' ', '_')}",
            f"{side}: {polygons}".encode(),
            partial(mask_of_polygons, polygons, side),
        )
        yield Mask(radiograph=0, label=label, path=path)


def mask_of_polygons(polygons: Sequence[Polygon], side: int) -> Bool[np.ndarray, "side side"]:
    """What several polygons on a square of `SIDE` cover together, edges included."""
    scale = side / SIDE
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    for polygon in polygons:
        draw.polygon([(scale * x, scale * y) for x, y in polygon], fill=255, outline=255)
    mask: Bool[np.ndarray, "side side"] = np.asarray(picture) > 127
    return mask


CHESTX_DET10 = Dataset(
    name="chestx-det10",
    source="Liu et al., arXiv:2006.10550",
    licence=LICENCE_10,
    layout=tuple(FILES_10.values()),
    read=partial(read_edition, TEN),
    write=write_chestx_det10,
    counts={"studies": 3_543, "radiographs": 3_543},
    labels={
        "boxes of Atelectasis in test": 51,
        "boxes of Calcification in test": 67,
        "boxes of Consolidation in test": 446,
        "boxes of Effusion in test": 372,
        "boxes of Emphysema in test": 66,
        "boxes of Fibrosis in test": 120,
        "boxes of Fracture in test": 115,
        "boxes of Mass in test": 31,
        "boxes of Nodule in test": 166,
        "boxes of Pneumothorax in test": 42,
    },
)
"""Its labels add up to the 1,476 boxes of the test part."""

CHESTX_DET = Dataset(
    name="chestx-det",
    source="Lian et al., IEEE TMI 2021, arXiv:2104.10326",
    licence=LICENCE,
    layout=tuple(FILES.values()),
    read=partial(read_edition, THIRTEEN),
    write=write_chestx_det,
    counts={"studies": 3_578, "radiographs": 3_578},
    labels={
        "boxes of Atelectasis": 340,
        "boxes of Calcification": 348,
        "boxes of Cardiomegaly": 293,
        "boxes of Consolidation": 2_563,
        "boxes of Diffuse Nodule": 290,
        "boxes of Effusion": 2_112,
        "boxes of Emphysema": 298,
        "boxes of Fibrosis": 739,
        "boxes of Fracture": 661,
        "boxes of Mass": 167,
        "boxes of Nodule": 986,
        "boxes of Pleural Thickening": 631,
        "boxes of Pneumothorax": 211,
    },
)
