"""Outlines that a release keeps as text or in other levels, drawn as pictures for the manifest."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from carina.datasets.declaration import Release
from carina.datasets.tally import Tally
from carina.errors import RadiographError
from carina.files import atomic_path
from carina.imaging.reader import probe

DRAWN_FROM = "DrawnFrom"
"""The note in each picture: SHA-256 of what it was drawn from."""


class MaskFolder:
    """The folder of drawn masks: one picture of two levels a mask, whole or not there at all.

    A mask that is there and was drawn from the same text is left as it is, so indexing that was
    stopped goes on where it was. One that was drawn from something else is drawn anew.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        """Takes the folder, made with its first mask, and the root that paths start at."""
        self.folder = folder
        self.start = start_of(folder, root)

    def draw(
        self, name: str, text: bytes, outline: Callable[[], Bool[np.ndarray, "height width"]]
    ) -> str:
        """Draws a mask unless it is there, and gives its path for the manifest.

        Args:
            name: of the picture, without ending.
            text: all that the mask depends on, size included.
            outline: gives the pixels; called only where they are needed.

        Raises:
            OutputError: the disk is full, or the place may not be written.
        """
        path = self.folder / f"{name}.png"
        digest = hashlib.sha256(text).hexdigest()
        if drawn_from(path) != digest:
            note = PngInfo()
            note.add_text(DRAWN_FROM, digest)
            picture = Image.fromarray(outline())
            with atomic_path(path) as temporary:
                picture.save(temporary, "PNG", pnginfo=note)
        return f"{self.start}/{path.name}"


def mask_folder_of(release: Release) -> MaskFolder | None:
    """The folder of a release's masks; None where nobody wants them."""
    return None if release.masks is None else MaskFolder(release.masks, release.root)


def start_of(folder: Path, root: Path) -> str:
    """What paths of masks begin with: relative to the root where both can be moved together.

    That is as the manifest remembers its root: relative where one of the two places lies in the
    other, else absolute.
    """
    root, beside = root.resolve(), folder.resolve().parent
    if root.is_relative_to(beside) or beside.is_relative_to(root):
        return Path(os.path.relpath(folder.resolve(), root)).as_posix()
    return folder.resolve().as_posix()


def drawn_from(path: Path) -> str | None:
    """The digest that a picture notes; None where there is no picture of ours."""
    try:
        with Image.open(path) as picture:
            noted = picture.info.get(DRAWN_FROM)
    except (OSError, UnidentifiedImageError, SyntaxError):
        return None
    return noted if isinstance(noted, str) else None


def resized(mask: Bool[np.ndarray, "rows cols"], side: int) -> Bool[np.ndarray, "side side"]:
    """A square mask at another size: a pixel is inside where more than half of it was."""
    if mask.shape == (side, side):
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    smaller: Bool[np.ndarray, "side side"] = (
        np.asarray(picture.resize((side, side), Image.Resampling.BOX)) > 127
    )
    return smaller


def inside_of_file(
    source: Path, image: Path, tally: Tally
) -> Bool[np.ndarray, "height width"] | None:
    """The pixels of a released mask that are not 0; None, counted, where it does not fit."""
    try:
        with Image.open(source) as picture:
            # A palette's indices are the levels; colours would be three numbers a pixel.
            plain = picture.mode in ("1", "L", "P")
            levels = np.asarray(picture if plain else picture.convert("L"))
        header = probe(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, RadiographError):
        tally.add("masks left out: they or their image cannot be read", source.name)
        return None
    if levels.shape != (header.height, header.width):
        tally.add("masks of another size than their image, left out", source.name)
        return None
    inside: Bool[np.ndarray, "height width"] = levels != 0
    return inside
