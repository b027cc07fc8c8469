"""DICOM files as stored levels and the table that turns a level into grey."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from carina.errors import RadiographError
from carina.imaging.dicom_grey import LARGEST_BITS, StoredRange, grey_table, photometric_of
from carina.imaging.views import LATERAL, LATERAL_VIEWS

CROSS_SECTIONAL = frozenset({"CT", "MR", "PT", "NM", "US", "MG", "SEG", "RTDOSE", "OPT", "SM"})
_PLAIN_SYNTAXES = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
"""By whether value representations are implicit, and whether bytes are in little endian."""
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
        pixels = _decode_pixels(path, dataset)
        levels = stored.levels(pixels, _unused_below(path, dataset, stored, pixels))
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
    dataset = pydicom.dcmread(
        path, force=True, stop_before_pixels=tags is not None, specific_tags=tags
    )
    if "TransferSyntaxUID" not in dataset.file_meta:
        # Old archives leave the whole file meta group away, which only plain pixels may do
        # (PS3.10 C.7); how the elements were written was seen while they were read.
        dataset.file_meta.TransferSyntaxUID = _PLAIN_SYNTAXES[dataset.original_encoding]
    return dataset


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file does to pydicom and its decoders into one message.

    Values are converted when they are asked for, and five decoders have errors of their own: no
    narrower class than Exception covers them. What pydicom warns of and logs is silenced because
    it quotes values, which may be names.
    """
    try:
        with warnings.catch_warnings(action="ignore"), _unheard("pydicom"):
            yield
    except RadiographError:
        raise
    except Exception as error:
        reason = str(error).split("\n")[0].rstrip(".:") or type(error).__name__
        raise RadiographError(
            f"{path}: the DICOM file is damaged or cut off ({reason}), expected a complete file. "
            "Export it again from the archive."
        ) from error


@contextmanager
def _unheard(name: str) -> Iterator[None]:
    """Keeps a logger silent for a while."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


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
    photometric = photometric_of(dataset)
    if not photometric:
        raise RadiographError(
            f"{path}: PhotometricInterpretation is missing, expected MONOCHROME1 or MONOCHROME2: "
            "without it nobody knows whether bone is bright. Export the file again from the "
            "archive, or write the element into it."
        )
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        raise RadiographError(
            f"{path}: PhotometricInterpretation is {photometric!r}, expected MONOCHROME1 or "
            "MONOCHROME2. Colour pictures are not radiographs; remove this one from the study."
        )


def _stored_range(path: Path, dataset: Dataset) -> StoredRange:
    """How many bits a value has, by what the file says."""
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise RadiographError(
            f"{path}: the pixels are floating point numbers, expected whole ones. This is the "
            "result of a computation and no radiograph; leave it out."
        )
    if not dataset.get("PixelData"):
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
    _check_decoder(path, dataset.file_meta.TransferSyntaxUID)
    # Uncorrected: pydicom would clear the bits above BitsStored, which in old files hold the value.
    pixels: NDArray[np.integer] = pixel_array(dataset, raw=True, correct_unused_bits=False)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"{path}: the pixel data have the shape {pixels.shape}, expected "
            f"{(dataset.Rows, dataset.Columns)} as the header says. Export the file again."
        )
    return pixels


def _check_decoder(path: Path, syntax: UID) -> None:
    """Refuses a compression for which there is no decoder, here or anywhere."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise RadiographError(
            f"{path}: the pixels are compressed as {syntax.name}, expected a transfer syntax of "
            "still pictures (plain, RLE, JPEG, JPEG-LS, JPEG 2000). Export the file uncompressed."
        ) from None
    if not decoder.is_available:
        needed = "; ".join(decoder.missing_dependencies)
        raise RadiographError(
            f"{path}: the pixels are compressed as {syntax.name}, for which no decoder is "
            f"installed ({needed}). Install one of these, or export the file uncompressed."
        )


def _unused_below(
    path: Path, dataset: Dataset, stored: StoredRange, pixels: NDArray[np.integer]
) -> int:
    """How many bits below the stored ones are unused: old files keep 12 of 16 bits at the top.

    HighBit tells it, and is wrong in files that were converted carelessly; so the pixels must
    bear it out.
    """
    shift = int(dataset.get("HighBit") or 0) - (stored.bits - 1)
    if shift <= 0:
        return 0
    used = int(np.bitwise_or.reduce(pixels, axis=None))
    if not used & ((1 << shift) - 1):
        return shift
    if not used >> stored.bits:
        return 0
    raise RadiographError(
        f"{path}: HighBit is {dataset.HighBit} and BitsStored {stored.bits}, but the pixels use "
        "bits above and below these. The header is wrong; export the file again."
    )
