"""PNG and JPEG files as grey levels."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from carina.errors import RadiographError

FORMATS = ("PNG", "JPEG", "MPO")
EXIF_ORIENTATION = 0x0112
CHROMA_SAMPLES = 256
"""Chroma is judged on at most this many pixels per side."""
COLOUR_SPREAD = 20.0
"""A pixel further than this from the picture's own tint, in levels of Cb and Cr, is coloured."""
COLOUR_SHARE = 0.05
"""A picture with a larger share of coloured pixels is a photograph; letters stay below."""
STRONGEST_TINT = 40.0
"""Median distance from grey beyond which a picture is no tinted scan any more."""


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from the head of the file.

    Raises:
        RadiographError: the head is damaged.
    """
    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def read_levels(
    path: Path, short_side: int | None
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float32]]:
    """Decodes a picture to grey levels [height, width] and the table of their grey values.

    Raises:
        RadiographError: the data are damaged or the picture is in colour.
    """
    with _opened(path) as image:
        if short_side is not None:
            _draft(image, short_side)
        image.load()
        upright = ImageOps.exif_transpose(image)
        levels = _grey_levels(path, upright)
    top = np.iinfo(levels.dtype).max
    return levels, np.arange(top + 1, dtype=np.float32) / np.float32(top)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture and turns whatever goes wrong while it is in use into one message."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,  # Pillow's word for a broken PNG chunk
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
    ) as error:
        raise RadiographError(
            f"{path}: the picture is damaged or cut off ({_first_line(error, path)}), expected a "
            "complete PNG or JPEG file. Copy or export it again."
        ) from error


def _first_line(error: BaseException, path: Path) -> str:
    """What the decoder said, without the path that it repeats."""
    return str(error).replace(repr(str(path)), "it").split("\n")[0].rstrip(".") or "no reason given"


def _draft(image: Image.Image, short_side: int) -> None:
    """Asks the JPEG decoder for 1/2, 1/4 or 1/8 of the size; other formats ignore it."""
    width, height = image.size
    scale = short_side / min(width, height)
    if scale < 1:
        # YCbCr as stored: luma is the grey we want, chroma is judged without a conversion.
        mode = "YCbCr" if image.mode == "RGB" else None
        image.draft(mode, (int(np.ceil(width * scale)), int(np.ceil(height * scale))))


def _grey_levels(path: Path, image: Image.Image) -> NDArray[np.unsignedinteger]:
    """Grey levels of any Pillow mode that PNG and JPEG give."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode == "YCbCr":
        return _luma(path, image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = _on_black(image)
    return _luma(path, image.convert("RGB").convert("YCbCr"))


def _on_black(image: Image.Image) -> Image.Image:
    """Lays a picture with transparency on black, the colour of air on a radiograph."""
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)


def _luma(path: Path, image: Image.Image) -> NDArray[np.unsignedinteger]:
    """Luma of a YCbCr picture, unless its chroma says that it is a colour photograph."""
    planes = np.asarray(image)
    refuse_colour(path, planes[..., 1:])
    return np.ascontiguousarray(planes[..., 0])


def refuse_colour(path: Path, chroma: NDArray[np.uint8]) -> None:
    """Refuses a picture whose colours vary, or whose single tint is strong.

    A scanned or photographed film has one weak tint; coloured letters and arrows cover little.

    Args:
        path: named in the message.
        chroma: Cb and Cr, [height, width, 2], 128 = grey.

    Raises:
        RadiographError: the picture is a colour photograph or drawing.
    """
    tint, coloured = colour_of(chroma)
    if tint > STRONGEST_TINT or coloured > COLOUR_SHARE:
        raise RadiographError(
            f"{path}: this is a colour picture ({coloured:.0%} of it coloured, median tint "
            f"{tint:.0f} levels), expected a grey radiograph (at most {COLOUR_SHARE:.0%} and "
            f"{STRONGEST_TINT:.0f}). Leave it out, or convert it to grey if it is a radiograph."
        )


def colour_of(chroma: NDArray[np.uint8]) -> tuple[float, float]:
    """Median distance from grey, and the share of pixels far from that median tint."""
    step = max(1, max(chroma.shape[:2]) // CHROMA_SAMPLES)
    sample = chroma[::step, ::step].reshape(-1, 2).astype(np.float32) - 128
    median = np.median(sample, axis=0)
    distance = np.linalg.norm(sample - median, axis=1)
    return float(np.linalg.norm(median)), float((distance > COLOUR_SPREAD).mean())
