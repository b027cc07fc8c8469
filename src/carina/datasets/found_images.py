"""Finding the images of a release whose folders vary from copy to copy."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.imaging.reader import probe
from carina.study import Radiograph

PICTURES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")
"""Endings of images, in lower case."""


def images_below(root: Path, folders: Sequence[str], depth: int) -> dict[str, str]:
    """Name without ending -> path below the root, of every image.

    Args:
        root: the folder of the release.
        folders: globs of the folders that images lie in, from the root; "." is the root.
        depth: how many folders deep below each of those to look.

    Raises:
        DatasetError: there is no image, or two are of one name.
    """
    places: dict[str, str] = {}
    starts = dict.fromkeys(
        path for glob in folders for path in ([root] if glob == "." else sorted(root.glob(glob)))
    )
    for start in starts:
        for path in _pictures(start.relative_to(root).as_posix(), root, depth):
            stem = PurePosixPath(path).stem
            if stem in places:
                raise DatasetError(
                    f"{root}: {stem} is both {places[stem]} and {path}; expected one image of a "
                    "name. Move one of the two copies away."
                )
            places[stem] = path
    if not places:
        raise DatasetError(
            f"{root}: found no image in {' or '.join(folders)}. Unpack the images there."
        )
    return places


def _pictures(parent: str, root: Path, depth: int) -> Iterator[str]:
    """The paths of the images in a folder and below, relative to the root."""
    if not (root / parent).is_dir():
        return
    with os.scandir(root / parent) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries)
    for name, is_folder in found:
        path = f"{parent}/{name}".removeprefix("./")
        if is_folder and depth and not name.startswith("."):
            yield from _pictures(path, root, depth - 1)
        elif not is_folder and name.lower().endswith(PICTURES) and not name.startswith("."):
            yield path


def check_found(root: Path, found: int, listed: int, example: str) -> None:
    """Refuses a release none of whose images is there.

    Raises:
        DatasetError: nothing was found.
    """
    if not listed:
        raise DatasetError(
            f"{root}: the table lists no image, expected a row each. It may be cut short: download "
            "it again."
        )
    if not found:
        raise DatasetError(
            f"{root}: none of the {listed:,} images that are listed is there, such as {example}. "
            "Give the folder of the images that belong to the table."
        )


def measured_square(root: Path, radiograph: Radiograph, tally: Tally) -> Radiograph | None:
    """The radiograph with the size that its file has; None, counted, where it cannot be read.

    Outlines of several releases are in pixels of a square, so they fit a square picture of any
    size, and no other.

    Raises:
        DatasetError: the picture is not square, so it cannot be the one that was outlined.
    """
    try:
        header = probe(root / radiograph.path)
    except RadiographError:
        tally.add("images whose outlines are left out: they cannot be read", radiograph.path)
        return None
    if header.width != header.height:
        raise DatasetError(
            f"{root / radiograph.path}: is {header.width} x {header.height} pixels, but its "
            "outlines are of a square. Take the images of the release."
        )
    return Radiograph(
        path=radiograph.path,
        view=radiograph.view or header.view,
        width=header.width,
        height=header.height,
    )
