"""PNG and JPEG files as grey levels."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from carina.errors import RadiographError

FORMATS = ("PNG", "JPEG")
EXIF_ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation; 1 is upright."""
CHROMA_SAMPLES = 256
"""Chroma is judged on about this many pixels a side."""
STRONGEST_TINT = 40.0
"""Distance from grey, in levels of Cb and Cr, that the one tint of a scanned film may reach."""
COLOUR_SPREAD = 16.0
"""A pixel further than this from all shades of the picture's own tint is coloured."""
COLOUR_SHARE = 0.05
"""Coloured letters and arrows cover less of a radiograph (0.1 % at most among 1,032 public files),
colours cover more of a photograph (20 % and up)."""


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from the head of the file.

    Raises:
        RadiographError: the head is damaged.
    """
    with _opened(path) as image:
        width, height = image.size
        lying = _orientation(image) >= 5
    return (height, width) if lying else (width, height)


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
        turn = UPRIGHT.get(_orientation(image))
        image.load()
        levels = _grey_levels(path, image if turn is None else image.transpose(turn))
    top = np.iinfo(levels.dtype).max
    return levels, np.arange(top + 1, dtype=np.float32) / np.float32(top)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture and turns whatever goes wrong while it is in use into one message."""
    try:
        # Pillow warns of large pictures; the reader refuses those that are too large.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
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


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; only looks at what stands before the pixels."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole picture to look for one behind the pixels
    value = image.getexif().get(EXIF_ORIENTATION, 1)
    return value if value in UPRIGHT else 1


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
        planes = np.asarray(image)
        refuse_colour(path, planes[..., 1:])
        return np.ascontiguousarray(planes[..., 0])
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = _on_black(image)
    colour = image.convert("RGB")
    sample = colour.reduce(max(1, min(colour.size) // CHROMA_SAMPLES)).convert("YCbCr")
    refuse_colour(path, np.asarray(sample)[..., 1:])
    return np.asarray(colour.convert("L"))


def _on_black(image: Image.Image) -> Image.Image:
    """Lays a picture with transparency on black, the colour of air on a radiograph."""
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)


def refuse_colour(path: Path, chroma: NDArray[np.uint8]) -> None:
    """Refuses a picture in colours; a tinted scan and small coloured letters pass.

    Args:
        path: named in the message.
        chroma: Cb and Cr, [height, width, 2], 128 = grey.

    Raises:
        RadiographError: the picture is a colour photograph or drawing.
    """
    share = coloured_share(chroma)
    if share > COLOUR_SHARE:
        raise RadiographError(
            f"{path}: this is a colour picture ({share:.0%} of its pixels are coloured), expected "
            f"a grey radiograph (at most {COLOUR_SHARE:.0%}). Leave it out, or convert it to grey "
            "if it is a radiograph."
        )


def coloured_share(chroma: NDArray[np.uint8]) -> float:
    """The share of pixels that are no shade of the picture's own tint.

    A tinted film runs from grey to its tint: a line in the plane of Cb and Cr, from the middle
    in the direction of the mean. What lies off this line, or too far out on it, is coloured.
    """
    step = max(1, min(chroma.shape[:2]) // CHROMA_SAMPLES)
    sample = chroma[::step, ::step].reshape(-1, 2).astype(np.float32) - 128
    mean = sample.mean(axis=0)
    direction = mean / max(float(np.linalg.norm(mean)), 1e-6)
    along = np.clip(sample @ direction, 0, STRONGEST_TINT)
    distance = np.linalg.norm(sample - along[:, None] * direction, axis=1)
    return float((distance > COLOUR_SPREAD).mean())
