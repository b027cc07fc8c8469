"""What a user may ask about: files, folders of files, or arrays."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carina.errors import RadiographError
from carina.imaging.reader import probe, read_radiograph, require_frontal

Pixels = np.ndarray
"""A radiograph as an array [height, width], bone bright: float in [0, 1], or uint8."""

SUFFIXES = frozenset({".dcm", ".dicom", ".png", ".jpg", ".jpeg"})


def gather_images(images: Iterable[str | Path | Pixels]) -> tuple[Path | Pixels, ...]:
    """Puts the image files of a folder in its place; files and arrays stay as they are.

    A folder's files are those that end like an image or have no ending, and start like a
    DICOM file; subfolders are searched too, hidden files are not.

    Raises:
        RadiographError: no image was given, or a folder holds none.
    """
    gathered: list[Path | Pixels] = []
    for image in images:
        if isinstance(image, np.ndarray):
            gathered.append(image)
            continue
        path = Path(image)
        gathered.extend(image_files(path) if path.is_dir() else (path,))
    if not gathered:
        raise RadiographError("No image was given; expected files, folders or arrays.")
    return tuple(gathered)


def image_files(folder: Path) -> Sequence[Path]:
    """The image files below a folder, in the order of their names.

    Raises:
        RadiographError: there is none.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and looks_like_image(path)
    ]
    if not files:
        raise RadiographError(
            f"{folder}: holds no image; expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}, or DICOM files without ending."
        )
    return files


def looks_like_image(path: Path) -> bool:
    """Whether a file's ending, or for want of one its first bytes, say that it is an image."""
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix and not path.suffix[1:].isdigit():  # PACS exports end in numbers of a UID
        return False
    with path.open("rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def read_pixels(image: Path | Pixels) -> NDArray[np.float32]:
    """Reads a frontal radiograph as float32 [height, width] in [0, 1].

    Raises:
        RadiographError: it cannot be read, or its header says that it is a lateral view.
    """
    if isinstance(image, np.ndarray):
        return checked_pixels(image)
    require_frontal(probe(image), image)
    return read_radiograph(image)


def checked_pixels(image: Pixels) -> NDArray[np.float32]:
    """Makes an array that the caller gave float32 in [0, 1].

    Raises:
        RadiographError: its shape, type or values are not those of a grey picture.
    """
    if image.ndim != 2 or 0 in image.shape:
        raise RadiographError(
            f"An array has the shape {image.shape}, expected (height, width): one grey picture. "
            "Give the slices or channels of a larger array one by one."
        )
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if not np.issubdtype(image.dtype, np.floating):
        raise RadiographError(
            f"An array holds {image.dtype}, expected uint8 or floats in [0, 1]. "
            "Divide by the largest value that its bits can hold."
        )
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # refuses nan too
        raise RadiographError(
            f"An array has values from {low:g} to {high:g}, expected [0, 1] with bone bright."
        )
    return image.astype(np.float32)
