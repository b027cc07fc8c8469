"""CheXlocalize's human benchmark: what three more radiologists outlined and pointed at.

Source: Saporta et al., Nat Mach Intell 2022, doi:10.1038/s42256-022-00536-x. They were told which
findings an image of the test part has, and drew where. Theirs are not the truth, so they are a
dataset of their own: in `chexlocalize` they would widen it. How they compare with the truth, where
that lies beside, is noted: whether a point lies in the outline, and how the outlines overlap.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from carina.datasets.chexlocalize import (
    ADVICE,
    Outlines,
    inside_of,
    outlines_in,
    table_of,
    with_masks,
)
from carina.datasets.chexlocalize_layout import FILES, NAMES
from carina.datasets.chexlocalize_readers_layout import (
    POINTS,
    POLYGONS,
    SEGMENTATIONS,
    SIZE,
    write_chexlocalize_readers,
)
from carina.datasets.chexpert import LICENCE, studies_there, visits_in
from carina.datasets.chexpert_test import DEPTHS, places_of
from carina.datasets.coco_masks import text_of_mask
from carina.datasets.declaration import Dataset, Release
from carina.datasets.mask_folder import mask_folder_of
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Box, Study

READER = "benchmark"
TRUTH = FILES["test"]

Point = tuple[float, float]
Points = Mapping[str, Mapping[str, Sequence[Point]]]


@dataclass(kw_only=True)
class Score:
    """How the readers did on one finding, image by image."""

    hits: list[bool] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)


def read_chexlocalize_readers(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the test studies with the readers' masks, and their points as boxes of one pixel.

    Raises:
        DatasetError: a file is of something else, or no image is there.
        OutputError: a mask cannot be written.
    """
    path, outlines = readers_outlines(release.root)
    points = points_in(release.root, tally)
    folder = mask_folder_of(release)
    visits = visits_in(release.root, (table_of(release.root, "test"),), tally)
    for study in studies_there(release.root, visits, tally):
        whole = replace(study, split="test")
        masked = with_masks(whole, outlines, folder, release.root, path, tally)
        masks = tuple(replace(mask, reader=READER) for mask in masked.masks)
        yield with_points(replace(masked, masks=masks), points, outlines)
    truth = places_of(release.root, TRUTH)
    if not truth:
        tally.note(f"{TRUTH} is not there: the readers are not compared with the truth.")
    elif points:
        note_scores(scores_of(outlines_in(truth[0]), outlines, points, truth[0], path), tally)


def readers_outlines(root: Path) -> tuple[Path, Outlines]:
    """The readers' outlines as run lengths, made from their polygons where these alone are there.

    Raises:
        DatasetError: the file is of something else.
    """
    made = places_of(root, SEGMENTATIONS)
    if made:
        return made[0], outlines_in(made[0])
    path = places_of(root, POLYGONS)[0]
    return path, {
        key: outlines_of(told, f"{path}, {key}") for key, told in outlines_in(path).items()
    }


def outlines_of(told: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The masks of an image's polygons.

    Raises:
        DatasetError: its size is not told, or a polygon is none.
    """
    try:
        height, width = map(int, told[SIZE])
        masks = {
            name: mask_of_polygons(polygons, height, width)
            for name, polygons in told.items()
            if name != SIZE
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DatasetError(
            f"{where}: lacks {error}, or has it in another form; expected {SIZE} and polygons of "
            f"[x, y] by finding. {ADVICE}"
        ) from error
    return {
        name: {"size": [height, width], "counts": text_of_mask(mask)}
        for name, mask in masks.items()
    }


def mask_of_polygons(
    polygons: Any, height: int, width: int
) -> Bool[np.ndarray, "{height} {width}"]:
    """What polygons cover together, edges included.

    Raises:
        TypeError, ValueError, IndexError: one is no list of points.
    """
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for polygon in polygons:
        corners = [(float(point[0]), float(point[1])) for point in polygon]
        draw.polygon(corners, fill=1, outline=1)
    mask: Bool[np.ndarray, "height width"] = np.asarray(picture)
    return mask


def points_in(root: Path, tally: Tally) -> Points:
    """Image -> finding -> points (x, y) in pixels of the original; nothing where there is no file.

    Raises:
        DatasetError: the file is of something else.
    """
    found = places_of(root, POINTS)
    if not found:
        tally.note(f"{POINTS} is not there: no points.")
        return {}
    path = found[0]
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return {
            str(key): {
                str(name): tuple((float(point[0]), float(point[1])) for point in points)
                for name, points in told.items()
                if name in NAMES
            }
            for key, told in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(
            f"{path}: cannot be read as points ({type(error).__name__}: {error}); expected [x, y] "
            f"by image and finding. {ADVICE}"
        ) from error


def with_points(study: Study, points: Points, outlines: Outlines) -> Study:
    """The study with a box of one pixel around each point, in pixels of its pictures."""
    boxes = []
    for place, radiograph in enumerate(study.radiographs):
        key = f"{study.study_id}_{PurePosixPath(radiograph.path).stem}"
        if key not in outlines or radiograph.width is None or radiograph.height is None:
            continue
        for name, at in points.get(key, {}).items():
            height, width = outlines[key][name]["size"] if name in outlines[key] else (0, 0)
            for x, y in at if width else ():
                across = x * radiograph.width / width, radiograph.width
                down = y * radiograph.height / height, radiograph.height
                left, top = pixel_of(*across), pixel_of(*down)
                boxes.append(
                    Box(
                        radiograph=place,
                        label=NAMES[name],
                        x1=left,
                        y1=top,
                        x2=left + 1,
                        y2=top + 1,
                        reader=f"{READER} point",
                    )
                )
    return replace(study, boxes=tuple(boxes))


def pixel_of(place: float, count: int) -> float:
    """The pixel that a place lies in, of `count` in a row: the nearest where it lies beyond."""
    return float(min(max(int(place), 0), count - 1))


def scores_of(
    truth: Outlines, read: Outlines, points: Points, path: Path, readers: Path
) -> dict[str, Score]:
    """How the readers did wherever the truth has an outline, as the paper counts it.

    A finding without a point is missed; overlaps are of images that both outlined.

    Raises:
        DatasetError: an outline cannot be read.
    """
    scores = {name: Score() for name in NAMES}
    for key, told in truth.items():
        for name, outline in told.items():
            if name not in scores:
                continue
            inside = inside_of(outline, f"{path}, {key}, {name}")
            if not inside.any():
                continue
            at = points.get(key, {}).get(name, ())
            scores[name].hits.append(any(is_inside(inside, point) for point in at))
            if name in read.get(key, {}):
                other = inside_of(read[key][name], f"{readers}, {key}, {name}")
                if other.any() and other.shape == inside.shape:
                    both = float((inside & other).sum() / (inside | other).sum())
                    scores[name].overlaps.append(both)
    return {name: score for name, score in scores.items() if score.hits}


def is_inside(mask: Bool[np.ndarray, "height width"], point: Point) -> bool:
    """Whether a point lies in a mask; one outside of the picture does not."""
    x, y = int(point[0]), int(point[1])
    height, width = mask.shape
    return 0 <= x < width and 0 <= y < height and bool(mask[y, x])


def note_scores(scores: Mapping[str, Score], tally: Tally) -> None:
    """Notes a line for each finding."""
    for name, score in scores.items():
        overlap = (
            f", mean IoU {np.mean(score.overlaps):.3f} of {len(score.overlaps)}"
            if score.overlaps
            else ""
        )
        tally.note(
            f"readers on {NAMES[name]}: the point lies in the outline on {sum(score.hits)} of "
            f"{len(score.hits)} images{overlap}"
        )


CHEXLOCALIZE_READERS = Dataset(
    name="chexlocalize-readers",
    source="Saporta et al., Nat Mach Intell 2022, doi:10.1038/s42256-022-00536-x (human benchmark)",
    licence=LICENCE,
    layout=(
        " or ".join(f"{depth}{file}" for file in (SEGMENTATIONS, POLYGONS) for depth in DEPTHS),
    ),
    read=read_chexlocalize_readers,
    write=write_chexlocalize_readers,
    counts={"studies": 500, "radiographs": 668, "patients": 500},
)
