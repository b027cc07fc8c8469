"""Phrases that a model grounded: their maps, and how they are written to a folder."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from carina.files import atomic_folder, check_replaceable_by, progress
from carina.imaging.preprocessing import Placement
from carina.pages.overlay import fitted, jpeg_data_uri, overlay, png_bytes, with_colour_bar
from carina.pages.phrase_page import PhraseImage, PhraseMap, render_phrase_page
from carina.zeroshot.answer import (
    EMBEDDED_MAPS,
    OVERLAY_SIDE,
    THUMBNAIL_SIDE,
    AskedImage,
    unique_slugs,
)
from carina.zeroshot.phrases import Phrase

FILES = frozenset({"phrases.json", "index.html", "overlays"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Grounded:
    """Maps of every phrase on every image that could be read.

    `grids`, float32 [images, phrases, rows, cols], are coarse maps over the model's input, of any
    range: only differences within one map count. `unreadable` holds one message for each image
    that was left out; `model` tells whose maps they are, empty where the model came from no folder.
    """

    images: tuple[AskedImage, ...]
    phrases: tuple[Phrase, ...]
    grids: Float[np.ndarray, "images phrases rows cols"]
    unreadable: tuple[str, ...] = ()
    model: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not read of which phrases."""
        return tuple(f"“{one.short}”: {one.note}" for one in self.phrases if one.note)

    def heatmap(self, image: int, phrase: int) -> NDArray[np.float32]:
        """The map of one phrase on the pixels of one image as read: float32 [height, width].

        Its least value is 0, also where the model did not see the radiograph.
        """
        placement = self.images[image].placement
        return on_pixels(self.grids[image, phrase], placement, placement.height, placement.width)

    def peak(self, image: int, phrase: int) -> tuple[float, float]:
        """Where the map is greatest: (x, y) in pixels; of equal places, their middle."""
        rows, columns = np.nonzero((heat := self.heatmap(image, phrase)) == heat.max())
        return float(columns.mean() + 0.5), float(rows.mean() + 0.5)

    def save(self, out: str | Path) -> None:
        """Writes phrases.json, index.html and overlays/, all of them or nothing.

        What was saved there before is replaced.

        Raises:
            OutputError: the folder holds something else, or cannot be written.
        """
        folder = Path(out).resolve()
        check_replaceable(folder)
        with atomic_folder(folder) as temporary:
            (temporary / "overlays").mkdir()
            images = write_maps(self, temporary)
            (temporary / "phrases.json").write_text(phrases_json(self, images), encoding="utf-8")
            page = render_phrase_page(images, self.notes, self.unreadable, self.model)
            (temporary / "index.html").write_text(page, encoding="utf-8")


def on_pixels(
    grid: Float[np.ndarray, "rows cols"], placement: Placement, height: int, width: int
) -> Float[np.ndarray, "height width"]:
    """A coarse map on the radiograph resized to [height, width]: bilinear, its least value 0.

    What the model did not see (cut off by its preprocessing) has the least value, too: nothing
    speaks for the phrase there.
    """
    raised = (grid - grid.min()).astype(np.float32)
    return replace(placement, height=height, width=width).to_original(raised)


def check_replaceable(folder: Path) -> None:
    """Refuses to write where anything but earlier maps of phrases is.

    Raises:
        OutputError: the path is a file, or a folder that holds other files.
    """
    check_replaceable_by(folder, FILES, "no map of a phrase", "earlier maps")


def write_maps(grounded: Grounded, folder: Path) -> list[PhraseImage]:
    """Writes the overlays of all images, one radiograph in memory at a time."""
    stems = unique_slugs([Path(image.name).stem for image in grounded.images])
    slugs = unique_slugs([phrase.read for phrase in grounded.phrases])
    embedded = max(1, EMBEDDED_MAPS // len(slugs))
    images = []
    for i in progress(range(len(stems)), "Drawing maps", len(stems)):
        files = [f"overlays/{stems[i]}__{slug}.png" for slug in slugs]
        maps = tuple(maps_of(grounded, i, folder, files, embedded=i < embedded))
        images.append(PhraseImage(name=grounded.images[i].name, maps=maps))
    return images


def maps_of(
    grounded: Grounded, image: int, folder: Path, files: Sequence[str], *, embedded: bool
) -> Iterator[PhraseMap]:
    """Writes the overlays of one radiograph and tells the page about each."""
    shown = grounded.images[image]
    pixels = fitted(shown.pixels(), OVERLAY_SIDE)
    for j, phrase in enumerate(grounded.phrases):
        heat = on_pixels(grounded.grids[image, j], shown.placement, *pixels.shape)
        drawn = overlay(pixels, heat)
        (folder / files[j]).write_bytes(png_bytes(with_colour_bar(drawn)))
        yield PhraseMap(
            phrase=phrase.short,
            picture=jpeg_data_uri(drawn, THUMBNAIL_SIDE) if embedded else None,
            file=files[j],
            peak=grounded.peak(image, j),
        )


def phrases_json(grounded: Grounded, images: Sequence[PhraseImage]) -> str:
    """Everything but the maps, as JSON."""
    document = {
        "model": grounded.model,
        "phrases": [
            {"given": one.given, "read": one.read, "note": one.note} for one in grounded.phrases
        ],
        "images": [
            {
                "image": image.name,
                "maps": [{"picture": one.file, "peak": list(one.peak)} for one in image.maps],
            }
            for image in images
        ],
        "unreadable": list(grounded.unreadable),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
