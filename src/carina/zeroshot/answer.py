"""What a model answered: scores, maps, and how both are written to a folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from carina.imaging.preprocessing import Placement
from carina.zeroshot.images import read_pixels
from carina.zeroshot.protocol import Query


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
    `unreadable` holds one message for each image that was left out.
    """

    images: tuple[AskedImage, ...]
    queries: tuple[Query, ...]
    scores: Float[np.ndarray, "images queries"]
    grids: Float[np.ndarray, "images queries rows cols"] | None
    unreadable: tuple[str, ...] = ()

    def heatmap(self, image: int, query: int) -> NDArray[np.float32] | None:
        """The map of one query on the pixels of one image as read: float32 [height, width].

        What the model did not see (cut off by its preprocessing) is 0. None where the model
        makes no maps.
        """
        if self.grids is None:
            return None
        return self.images[image].placement.to_original(self.grids[image, query])
