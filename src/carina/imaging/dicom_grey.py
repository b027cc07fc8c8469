"""The table that turns a stored level of a DICOM file into grey.

The grey chain is the standard's (PS3.3 C.11.1 Modality LUT, C.11.2 VOI LUT, C.7.6.3.1.2
photometric interpretation). All of it acts on single values, so it is worked out once for each of
the at most 65,536 levels that a file can store, and looked up for the pixels: a SIGMOID window on a
large detector costs milliseconds.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from carina.errors import RadiographError

logger = logging.getLogger(__name__)

LARGEST_BITS = 16


@dataclass(frozen=True)
class StoredRange:
    """The values that BitsStored and PixelRepresentation allow."""

    bits: int
    signed: bool

    @property
    def lowest(self) -> int:
        """The lowest value that can be stored."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def values(self) -> NDArray[np.float64]:
        """Every value that can be stored, ascending."""
        return np.arange(self.lowest, self.lowest + (1 << self.bits), dtype=np.float64)

    def levels(self, pixels: NDArray[np.integer], shift: int = 0) -> NDArray[np.unsignedinteger]:
        """Counts pixels from the lowest storable value.

        Bits above BitsStored (old files keep overlays there) are cut off. Adding half the range
        to two's complement modulo 2^bits turns signed values into ascending levels.

        Args:
            pixels: as decoded, [height, width].
            shift: how many bits below the lowest one are unused.
        """
        mask = (1 << self.bits) - 1
        kind = np.uint8 if self.bits <= 8 else np.uint16
        unsigned = pixels.astype(np.uint16) if pixels.dtype.itemsize <= 2 else pixels
        if shift:
            unsigned = unsigned >> shift
        if self.signed:
            unsigned = unsigned + unsigned.dtype.type(1 << (self.bits - 1))
        levels: NDArray[np.unsignedinteger] = (unsigned & unsigned.dtype.type(mask)).astype(kind)
        return levels


def grey_table(path: Path, dataset: Dataset, stored: StoredRange) -> NDArray[np.float32]:
    """Grey in [0, 1], bone bright, of every value that can be stored.

    Raises:
        RadiographError: a lookup table or rescale of the file cannot be used.
    """
    values, ends = _modality(path, dataset, stored.values)
    grey = _value_of_interest(path, dataset, values, ends)
    if _is_inverted(dataset):
        grey = 1 - grey
    grey = np.clip(grey, 0, 1)
    padding = dataset.get("PixelPaddingValue")
    if isinstance(padding, int):
        # Pixels that the detector never exposed are air, whatever the inversion makes of them.
        limit = dataset.get("PixelPaddingRangeLimit")
        ends_of_padding = (padding, limit if isinstance(limit, int) else padding)
        low, high = sorted(_as_stored(value, stored) for value in ends_of_padding)
        grey[(stored.values >= low) & (stored.values <= high)] = 0
    return grey.astype(np.float32)


def photometric_of(dataset: Dataset) -> str:
    """PhotometricInterpretation in capitals, "" where it is missing or empty."""
    return str(dataset.get("PhotometricInterpretation") or "").strip().upper()


def _is_inverted(dataset: Dataset) -> bool:
    """Whether low values are bright tissue: by MONOCHROME1, or by an inverting presentation.

    The two say the same (PS3.3 C.8.11.3.1.2); files in which only the second says it exist, and
    are shown inverted too.
    """
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    return photometric_of(dataset) == "MONOCHROME1" or shape == "INVERSE"


def _as_stored(value: int, stored: StoredRange) -> int:
    """A 16 bit value of the header as pixels count: some writers forget its sign."""
    return value - 65536 if stored.signed and value > 32767 else value


def _modality(
    path: Path, dataset: Dataset, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Applies the Modality LUT or the rescale; also gives the ends of what can come out."""
    if dataset.get("ModalityLUTSequence"):
        table = _LookupTable.read(path, dataset, dataset.ModalityLUTSequence[0])
        return table.apply(values), table.ends
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    rescaled = values * float(1 if slope is None else slope) + float(intercept or 0)
    ends = float(rescaled.min()), float(rescaled.max())
    if not (np.isfinite(ends).all() and ends[1] > ends[0]):
        raise RadiographError(
            f"{path}: RescaleSlope is {slope} and RescaleIntercept {intercept}, expected finite "
            "numbers and a slope other than 0. The header is damaged; export the file again."
        )
    return rescaled, ends


def _value_of_interest(
    path: Path, dataset: Dataset, values: NDArray[np.float64], ends: tuple[float, float]
) -> NDArray[np.float64]:
    """Applies the VOI LUT, else the first window, else the whole range that the file allows."""
    if dataset.get("VOILUTSequence"):
        table = _LookupTable.read(path, dataset, dataset.VOILUTSequence[0])
        return (table.apply(values) - table.ends[0]) / (table.ends[1] - table.ends[0])
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is None or width is None:
        return (values - ends[0]) / (ends[1] - ends[0])
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in WINDOWS:
        _tell_once("some windows have a function that DICOM does not know; they count as LINEAR")
    window = WINDOWS.get(function, linear_window)
    least = 1 if window is linear_window else 1e-9
    if not (np.isfinite([centre, width]).all() and width >= least):
        _tell_once("some windows are of no width, or no numbers; the whole range is shown there")
        return (values - ends[0]) / (ends[1] - ends[0])
    return window(values, centre, width)


@lru_cache(maxsize=8)
def _tell_once(message: str) -> None:
    """Warns, once a process: thousands of files of one detector have the same fault."""
    logger.warning(message)


def linear_window(values: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    """The LINEAR window of PS3.3 C.11.2.1.2.1, which counts whole levels, to [0, 1]."""
    if width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def exact_window(values: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    """The LINEAR_EXACT window of PS3.3 C.11.2.1.3.2, to [0, 1]."""
    return np.clip((values - centre) / width + 0.5, 0, 1)


def sigmoid_window(values: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    """The SIGMOID window of PS3.3 C.11.2.1.3.1, to [0, 1]."""
    return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))


WINDOWS = {"LINEAR": linear_window, "LINEAR_EXACT": exact_window, "SIGMOID": sigmoid_window}


def _first(value: object) -> float | None:
    """The first of one or several numbers of an element; None where it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return float(value)  # type: ignore[arg-type]
    return float(value[0]) if len(value) else None  # type: ignore[index]


@dataclass(frozen=True)
class _LookupTable:
    """A table of a Modality or VOI LUT sequence."""

    first: int
    outputs: NDArray[np.float64]
    bits: int

    @property
    def ends(self) -> tuple[float, float]:
        """The range that the table's bits allow."""
        return 0.0, float((1 << self.bits) - 1)

    @staticmethod
    def read(path: Path, dataset: Dataset, item: Dataset) -> "_LookupTable":
        """Reads LUTDescriptor and LUTData."""
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        if descriptor is None or len(descriptor) != 3 or data is None:
            raise RadiographError(
                f"{path}: a lookup table lacks its descriptor or data. Export the file again."
            )
        count, first, bits = (int(value) for value in descriptor)
        count &= 0xFFFF  # the same element is read as signed where pixels are
        if isinstance(data, bytes):
            order = ">" if dataset.original_encoding[1] is False else "<"
            # Tables of 8 bit entries are sometimes packed two to a word.
            kind = "u1" if len(data) == count and bits <= 8 else f"{order}u2"
            data = np.frombuffer(data, dtype=kind)
        outputs = np.asarray(data, dtype=np.float64)
        if len(outputs) != (count or 65536) or not 1 < bits <= LARGEST_BITS:
            raise RadiographError(
                f"{path}: a lookup table has {len(outputs)} entries of {bits} bits, its "
                f"descriptor says {count or 65536}. The header is damaged; export the file again."
            )
        signed = bool(dataset.get("PixelRepresentation", 0))
        first = first - 65536 if signed and first > 32767 else first
        return _LookupTable(first, outputs, bits)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Looks values up; those beyond the table take its first or last entry."""
        places = np.clip(np.rint(values) - self.first, 0, len(self.outputs) - 1)
        grey: NDArray[np.float64] = self.outputs[places.astype(np.int64)]
        return grey
