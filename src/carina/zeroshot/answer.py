"""What a model answered: scores, maps, and how both are written to a folder."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from carina.files import atomic_folder, check_replaceable_by, progress
from carina.imaging.preprocessing import Placement
from carina.pages.answer_page import AnsweredImage, AnsweredQuery, render_answer_page
from carina.pages.overlay import fitted, jpeg_data_uri, overlay, png_bytes, with_colour_bar
from carina.zeroshot.images import read_pixels
from carina.zeroshot.protocol import Query

OVERLAY_SIDE = 1024  # pixels of the longer side; heat-maps are far coarser than radiographs
THUMBNAIL_SIDE = 360
EMBEDDED_MAPS = 120  # overlays that the page itself holds, about 3 MB; the others are linked
FILES = frozenset({"scores.csv", "scores.json", "index.html", "overlays"})


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedImage:
    """One radiograph of an `Answer`.

    `source` is the path or the array that was given, the `number`-th from 0; `placement` says
    where the picture lies in the model's input.
    """

    source: Path | np.ndarray
    number: int
    placement: Placement

    @property
    def name(self) -> str:
        """The path as it was given, or "image 3" for an array."""
        return str(self.source) if isinstance(self.source, Path) else f"image {self.number + 1}"

    def pixels(self) -> NDArray[np.float32]:
        """Reads the radiograph: float32 [height, width] in [0, 1]."""
        return read_pixels(self.source)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Scores and maps of every query on every image that could be read.

    `scores` is float32 [images, queries] in [0, 1]; `grids`, float32 [images, queries, rows,
    cols], are coarse maps over the model's input, or None where the model makes none.
    `unreadable` holds one message for each image that was left out; `model` tells whose answer it
    is, empty where the model came from no folder.
    """

    images: tuple[AskedImage, ...]
    queries: tuple[Query, ...]
    scores: Float[np.ndarray, "images queries"]
    grids: Float[np.ndarray, "images queries rows cols"] | None
    unreadable: tuple[str, ...] = ()
    model: str = ""

    def heatmap(self, image: int, query: int) -> NDArray[np.float32] | None:
        """The map of one query on the pixels of one image as read: float32 [height, width].

        What the model did not see (cut off by its preprocessing) is 0. None where the model
        makes no maps. Maps are made when asked for, so that none but this one is in memory.
        """
        if self.grids is None:
            return None
        return self.images[image].placement.to_original(self.grids[image, query])

    def small_heatmap(
        self, image: int, query: int, height: int, width: int
    ) -> NDArray[np.float32] | None:
        """The same map on the radiograph resized to [height, width], for showing it."""
        if self.grids is None:
            return None
        placement = replace(self.images[image].placement, height=height, width=width)
        return placement.to_original(self.grids[image, query])

    def save(self, out: str | Path) -> None:
        """Writes scores.csv, scores.json, index.html and overlays/, all of them or nothing.

        An answer saved there before is replaced.

        Raises:
            OutputError: the folder holds something else, or cannot be written.
        """
        folder = Path(out).resolve()
        check_replaceable(folder)
        with atomic_folder(folder) as temporary:
            write_scores_csv(self, temporary / "scores.csv")
            (temporary / "scores.json").write_text(scores_json(self), encoding="utf-8")
            images = write_overlays(self, temporary)
            words = [(q.name, q.description) for q in self.queries if q.description]
            page = render_answer_page(images, self.unreadable, words, self.model)
            (temporary / "index.html").write_text(page, encoding="utf-8")


def check_replaceable(folder: Path) -> None:
    """Refuses to put an answer where anything but an earlier answer is.

    Raises:
        OutputError: the path is a file, or a folder that holds other files.
    """
    check_replaceable_by(folder, FILES, "no part of an answer", "an earlier answer")


def write_scores_csv(answer: Answer, path: Path) -> None:
    """Writes one row for each image and query: image, query, score."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("image", "query", "score"))
        for image, scores in zip(answer.images, answer.scores, strict=True):
            for query, score in zip(answer.queries, scores, strict=True):
                writer.writerow((inert(image.name), inert(query.name), str(score)))


def inert(cell: str) -> str:
    """The cell with an apostrophe before anything that a spreadsheet would run as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def scores_json(answer: Answer) -> str:
    """Everything but the maps, as JSON; scores keep all their digits."""
    document = {
        "model": answer.model,
        "images": [image.name for image in answer.images],
        "queries": [{"name": q.name, "description": q.description} for q in answer.queries],
        "scores": [[float(str(score)) for score in scores] for scores in answer.scores],
        "unreadable": list(answer.unreadable),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_overlays(answer: Answer, folder: Path) -> list[AnsweredImage]:
    """Writes the overlays of all images, one radiograph in memory at a time."""
    if answer.grids is not None:
        (folder / "overlays").mkdir()
    stems = unique_slugs([Path(image.name).stem for image in answer.images])
    slugs = unique_slugs([query.name for query in answer.queries])
    embedded = max(1, EMBEDDED_MAPS // len(slugs))
    answered = []
    for i in progress(range(len(stems)), "Drawing overlays", len(stems)):
        files = [f"overlays/{stems[i]}__{slug}.png" for slug in slugs]
        queries = overlays_of(answer, i, folder, files, embedded=i < embedded)
        answered.append(AnsweredImage(name=answer.images[i].name, queries=tuple(queries)))
    return answered


def overlays_of(
    answer: Answer, image: int, folder: Path, files: Sequence[str], *, embedded: bool
) -> Iterator[AnsweredQuery]:
    """Writes the overlays of one radiograph and tells the page about each."""
    pixels = None if answer.grids is None else fitted(answer.images[image].pixels(), OVERLAY_SIDE)
    for j, query in enumerate(answer.queries):
        score = float(answer.scores[image, j])
        if pixels is None:
            yield AnsweredQuery(query=query.name, score=score, picture=None, file=None)
            continue
        drawn = overlay(pixels, answer.small_heatmap(image, j, *pixels.shape))
        (folder / files[j]).write_bytes(png_bytes(with_colour_bar(drawn)))
        small = jpeg_data_uri(drawn, THUMBNAIL_SIDE) if embedded else None
        yield AnsweredQuery(query=query.name, score=score, picture=small, file=files[j])


def unique_slugs(names: Sequence[str]) -> list[str]:
    """File names that any system takes, no two alike even where case makes no difference.

    No slug holds two underscores in a row, so two slugs joined by "__" are unique as well.
    """
    slugs: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._-")[:60].rstrip("._-") or "image"
        slug, again = plain, 1
        while slug.lower() in taken:
            again += 1
            slug = f"{plain}-{again}"
        taken.add(slug.lower())
        slugs.append(slug)
    return slugs
