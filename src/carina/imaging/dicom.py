"""DICOM files as stored levels and the table that turns a level into grey."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array

from carina.errors import RadiographError
from carina.imaging.dicom_grey import LARGEST_BITS, StoredRange, grey_table
from carina.imaging.views import LATERAL, LATERAL_VIEWS

CROSS_SECTIONAL = frozenset({"CT", "MR", "PT", "NM", "US", "MG", "SEG", "RTDOSE", "OPT", "SM"})
HEADER_TAGS = [
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Modality",
    "ViewPosition",
    "PatientOrientation",
    "SeriesDescription",
    "ProtocolName",
]


def read_header(path: Path) -> tuple[int, int, str | None]:
    """Width, height and view, pixels unread.

    Raises:
        RadiographError: the header is damaged, or says that the file holds no radiograph.
    """
    with _guarded(path):
        dataset = _read(path, tags=HEADER_TAGS)
        _check_picture(path, dataset)
        return int(dataset.Columns), int(dataset.Rows), view_of(dataset)


def read_levels(path: Path) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float32]]:
    """Decodes the pixels to levels counted from the lowest storable value, and their grey table.

    Raises:
        RadiographError: pixels are missing or damaged, or the file holds no radiograph.
    """
    with _guarded(path):
        dataset = _read(path, tags=None)
        _check_picture(path, dataset)
        stored = _stored_range(path, dataset)
        levels = stored.levels(_decode_pixels(path, dataset))
        return levels, grey_table(path, dataset, stored)


def view_of(dataset: Dataset) -> str | None:
    """The view: ViewPosition if filled in, else what orientation or description give away."""
    position = str(dataset.get("ViewPosition") or "").strip().upper()
    if position in LATERAL_VIEWS:
        return LATERAL
    if position:
        return position
    orientation = [str(axis).upper()[:1] for axis in dataset.get("PatientOrientation") or ()]
    # Rows that run from front to back (A/P) are seen from the side.
    if orientation and orientation[0] in ("A", "P"):
        return LATERAL
    words = f"{dataset.get('SeriesDescription', '')} {dataset.get('ProtocolName', '')}".upper()
    tokens = {word.strip(".,:;()") for word in words.replace("_", " ").split()}
    if tokens & {"LAT", "LATERAL", "LLAT", "RLAT"}:
        return LATERAL
    return next((view for view in ("PA", "AP") if view in tokens), None)


def _read(path: Path, tags: list[str] | None) -> Dataset:
    """The dataset; without pixels where only some tags are asked for."""
    # force: files without the 128 byte preamble; their first bytes have been looked at.
    return pydicom.dcmread(
        path, force=True, stop_before_pixels=tags is not None, specific_tags=tags
    )


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file does to pydicom and its decoders into one message.

    Values are converted when they are asked for, and five decoders have errors of their own: no
    narrower class than Exception covers them. Warnings are silenced because they quote values,
    which may be names.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except RadiographError:
        raise
    except Exception as error:
        reason = str(error).split("\n")[0].rstrip(".:") or type(error).__name__
        raise RadiographError(
            f"{path}: the DICOM file is damaged or cut off ({reason}), expected a complete file. "
            "Export it again from the archive."
        ) from error


def _check_picture(path: Path, dataset: Dataset) -> None:
    """Refuses what is no single grey two-dimensional picture."""
    modality = str(dataset.get("Modality") or "")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise RadiographError(
            f"{path}: this DICOM file holds no picture (Modality {modality or 'unknown'}, no Rows "
            "and Columns), expected a radiograph. Leave it out; reports and structured documents "
            "of a study lie beside its pictures."
        )
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise RadiographError(
            f"{path}: the file holds {frames} frames, expected one two-dimensional radiograph. "
            "Export the frame that you mean as a file of its own."
        )
    if modality in CROSS_SECTIONAL:
        raise RadiographError(
            f"{path}: Modality is {modality}, expected a projection radiograph (CR, DX, RG, ...). "
            "Leave this file out."
        )
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        raise RadiographError(
            f"{path}: PhotometricInterpretation is {photometric!r}, expected MONOCHROME1 or "
            "MONOCHROME2. Colour pictures are not radiographs; remove this one from the study."
        )


def _stored_range(path: Path, dataset: Dataset) -> StoredRange:
    """How many bits a value has, by what the file says."""
    if "PixelData" not in dataset:
        raise RadiographError(
            f"{path}: the DICOM file has a header but no pixel data. It was cut off or stripped; "
            "export it again from the archive."
        )
    allocated = int(dataset.get("BitsAllocated") or 0)
    bits = int(dataset.get("BitsStored") or allocated)
    if not 1 < bits <= min(allocated, LARGEST_BITS):
        raise RadiographError(
            f"{path}: BitsStored is {bits} of {allocated} allocated, expected 2 to "
            f"{LARGEST_BITS} bits. The header is damaged or this is no radiograph; leave it out."
        )
    return StoredRange(bits, bool(dataset.get("PixelRepresentation", 0)))


def _decode_pixels(path: Path, dataset: Dataset) -> NDArray[np.integer]:
    """The stored values [height, width]."""
    pixels: NDArray[np.integer] = pixel_array(dataset, raw=True)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"{path}: the pixel data have the shape {pixels.shape}, expected "
            f"{(dataset.Rows, dataset.Columns)} as the header says. Export the file again."
        )
    return pixels
