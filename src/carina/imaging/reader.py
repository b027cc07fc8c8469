"""One reader for every file a radiograph comes in: DICOM, PNG and JPEG.

What a file is follows from its first bytes, not from the ending of its name: public sets hold
PNG data named .jpg and DICOM files without any ending. The DICOM library is imported when a DICOM
file comes: it takes longer than a picture.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carina.errors import RadiographError
from carina.imaging import raster
from carina.imaging.told_levels import ToldLevels, told_apart
from carina.imaging.views import LATERAL

LARGEST_PIXELS = 90_000_000
"""Six times the largest detector sold. A small file that claims more is a decompression bomb."""
SMALLEST_SIDE = 16
LARGEST_ASPECT = 6.0
FRONTAL_HINT = (
    "Give the frontal view (PA or AP) of the same study; the models have learnt frontal views only."
)


class FileKind(StrEnum):
    """What the first bytes of a file say that it is."""

    DICOM = "dicom"
    PNG = "png"
    JPEG = "jpeg"


@dataclass(frozen=True, kw_only=True)
class RadiographHeader:
    """What can be known of a radiograph without decoding its pixels.

    `width` and `height` are those of the picture that `read_radiograph` returns, EXIF rotation
    included. `view` is PA, AP, LATERAL or another word of the file, None where it is silent.
    """

    width: int
    height: int
    view: str | None
    kind: FileKind


def read_radiograph(path: Path, *, short_side: int | None = None) -> NDArray[np.float32]:
    """Reads a radiograph as one grey picture in which bone is bright.

    DICOM values go through the Modality LUT, the VOI LUT or first window, and the inversion of
    MONOCHROME1. The range [0, 1] follows from what the file says (window, BitsStored, bit depth),
    never from the brightest pixel found, so that exposures stay comparable.

    Args:
        path: a DICOM, PNG or JPEG file, whatever its ending; of a PNG or JPEG file with what
            `imaging.told_levels` puts behind it.
        short_side: where given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as
            its shorter side keeps at least this many pixels.

    Returns:
        float32 [height, width] in [0, 1].

    Raises:
        RadiographError: the file is missing, damaged, or no radiograph.
    """
    levels, table = _decode(path, short_side)
    grey: NDArray[np.float32] = table[levels]
    return grey


def read_grey8(path: Path, *, short_side: int | None = None) -> NDArray[np.uint8]:
    """Reads a radiograph like `read_radiograph`, rounded to 256 grey levels.

    Faster than rounding afterwards: only the table of grey values is rounded.
    """
    levels, table = _decode(path, short_side)
    table8 = np.rint(table * 255).astype(np.uint8)
    if levels.dtype == np.uint8 and np.array_equal(table8, np.arange(256)):
        return levels.astype(np.uint8, copy=False)
    grey: NDArray[np.uint8] = table8[levels]
    return grey


def probe(path: Path) -> RadiographHeader:
    """Reads size and view from the head of a file; pixels stay compressed.

    Raises:
        RadiographError: the file is missing, cut off within its head, or no radiograph.
    """
    path, _ = told_apart(path)
    kind = file_kind(path)
    if kind is FileKind.DICOM:
        from carina.imaging import dicom

        width, height, view = dicom.read_header(path)
    else:
        width, height, view = *raster.read_size(path), None
    _check_size(path, width, height)
    return RadiographHeader(width=width, height=height, view=view, kind=kind)


def require_frontal(header: RadiographHeader, path: Path) -> None:
    """Refuses a view that the file itself calls lateral; an unknown view passes.

    Raises:
        RadiographError: the header says that the view is lateral.
    """
    if header.view == LATERAL:
        raise RadiographError(
            f"{path}: this is a lateral view, a frontal one is expected. {FRONTAL_HINT}"
        )


def file_kind(path: Path) -> FileKind:
    """Tells DICOM, PNG and JPEG by their first bytes.

    Raises:
        RadiographError: there is no such file, it is empty, or it is something else.
    """
    head = _read_head(path)
    if head[128:132] == b"DICM" or _starts_without_preamble(head):
        return FileKind.DICOM
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FileKind.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return FileKind.JPEG
    raise RadiographError(
        f"{path}: the content is {_name_content(head)}, expected DICOM, PNG or JPEG "
        "(the ending of the name does not matter). Export the radiograph in one of these formats."
    )


def _decode(
    path: Path, short_side: int | None
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float32]]:
    """Stored levels [height, width] and the table that turns a level into grey in [0, 1]."""
    path, told = told_apart(path)
    header = probe(path)  # refuses bombs before a pixel is decoded
    if header.kind is not FileKind.DICOM:
        levels, table = raster.read_levels(path, short_side)
        return levels, told.applied(table, levels.dtype != np.uint8)
    if told != ToldLevels():
        raise RadiographError(
            f"{path}: is DICOM, which says itself what its levels are, but the path tells it too. "
            "Take off what stands behind the #."
        )
    from carina.imaging import dicom

    return dicom.read_levels(path)


def _read_head(path: Path) -> bytes:
    """The first bytes of a file, or the reason why there are none."""
    try:
        with path.open("rb") as handle:
            head = handle.read(512)
    except IsADirectoryError:
        raise RadiographError(
            f"{path}: this is a folder, expected one file. Name the files in it instead."
        ) from None
    except FileNotFoundError:
        raise RadiographError(f"{path}: there is no such file. Check the path.") from None
    except OSError as error:
        raise RadiographError(
            f"{path}: the file cannot be opened ({error.strerror}). Check its path and permissions."
        ) from error
    except ValueError as error:
        raise RadiographError(
            f"{path}: this is no path of a file ({error}). Correct it."
        ) from error
    if not head:
        raise RadiographError(f"{path}: the file is empty (0 bytes). Copy it again.")
    return head


def _starts_without_preamble(head: bytes) -> bool:
    """Whether a file starts with a DICOM element at once, as old archives write it."""
    if len(head) < 8:
        return False
    little, big = struct.unpack("<HH", head[:4]), struct.unpack(">HH", head[:4])
    known_groups = (0x0002, 0x0008)
    return (little[0] in known_groups and little[1] <= 0x0100) or (
        big[0] in known_groups and big[1] <= 0x0100 and head[4:6].isalpha()
    )


def _name_content(head: bytes) -> str:
    """The everyday name of what a file holds, for messages."""
    head = head.lstrip(b"\xef\xbb\xbf \r\n\t")  # as web pages begin
    known = {
        b"%PDF": "a PDF document",
        b"II*\x00": "a TIFF picture",
        b"MM\x00*": "a TIFF picture",
        b"GIF8": "a GIF picture",
        b"RIFF": "a WebP picture",
        b"BM": "a BMP picture",
        b"PK\x03\x04": "a ZIP archive",
        b"\x1f\x8b": "a gzip archive",
        b"\x93NUMPY": "a NumPy array",
        b"\x5c\x01\x00\x00": "a NIfTI volume",
        b"<": "a web or XML page",
        b"\x00\x00\x00\x0cjP": "a bare JPEG 2000 picture",
        b"\xff\x4f\xff\x51": "a bare JPEG 2000 stream",
    }
    return next((name for start, name in known.items() if head.startswith(start)), "unknown")


def _check_size(path: Path, width: int, height: int) -> None:
    """Refuses sizes that no radiograph has, before memory is asked for."""
    if width * height > LARGEST_PIXELS:
        raise RadiographError(
            f"{path}: the header claims {width} x {height} pixels, expected at most "
            f"{LARGEST_PIXELS:,}. The file is damaged or made to fill the memory; leave it out."
        )
    short, long = sorted((width, height))
    if short < SMALLEST_SIDE or long > LARGEST_ASPECT * short:
        raise RadiographError(
            f"{path}: the picture has {width} x {height} pixels, expected at least "
            f"{SMALLEST_SIDE} on each side and no side {LARGEST_ASPECT:g} times the other. "
            "It is no radiograph; leave it out."
        )
