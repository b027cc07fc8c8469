"""Masks as run lengths: pairs of a gap and a run, down the columns of the picture."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from carina.datasets.table import Row
from carina.errors import DatasetError

_NUMBERS = re.compile(r"\d+(\s+\d+)*")


def relative_runs(text: str, pixels: int) -> tuple[tuple[int, int], ...]:
    """The runs that a text of gaps and lengths tells, as (start, end) on the flattened picture.

    Each gap counts from the end of the run before it, so the runs follow one another.

    Args:
        text: "gap length gap length ...".
        pixels: how many the picture has.

    Raises:
        DatasetError: it is no list of pairs, a run is empty, or the runs are longer than the
            picture; the message is a clause without a place.
    """
    if not _NUMBERS.fullmatch(text.strip()):
        raise DatasetError(f"found {text[:30]!r}, expected pairs of a gap and a length, or -1")
    numbers = [int(word) for word in text.split()]
    if len(numbers) % 2:
        raise DatasetError(f"has {len(numbers)} numbers, expected pairs of a gap and a length")
    gaps, lengths = numbers[::2], numbers[1::2]
    if 0 in lengths:
        raise DatasetError("has a run of no pixels, expected each to have one at least")
    ends = np.cumsum(numbers)[1::2].tolist()
    if ends[-1] > pixels:
        counted = (
            "; they look counted from the start of the picture, as some copies have them"
            if _fits_as_absolute(gaps, lengths, pixels)
            else ""
        )
        raise DatasetError(
            f"the runs end at pixel {ends[-1]:,}, but the picture has {pixels:,}{counted}"
        )
    return tuple((end - length, end) for end, length in zip(ends, lengths, strict=True))


def _fits_as_absolute(starts: Sequence[int], lengths: Sequence[int], pixels: int) -> bool:
    """Whether the numbers make sense as starts instead of gaps."""
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    ordered = all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    return len(starts) > 1 and ordered and ends[-1] <= pixels + 1


def mask_of_runs(runs: Sequence[tuple[int, int]], side: int) -> Bool[np.ndarray, "side side"]:
    """The square mask of runs that go down the columns, from left to right."""
    flat = np.zeros(side * side, dtype=np.bool_)
    for start, end in runs:
        flat[start:end] = True
    mask: Bool[np.ndarray, "side side"] = np.ascontiguousarray(flat.reshape(side, side).T)
    return mask


def relative_text(mask: Bool[np.ndarray, "side side"]) -> str:
    """A mask as the text of its gaps and lengths; "" for an empty one."""
    if not mask.any():
        return ""
    flat = np.pad(mask.T.ravel(), 1)
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    return " ".join(map(str, np.diff(turns, prepend=0).tolist()))


def runs_in(row: Row, column: str, pixels: int) -> tuple[tuple[int, int], ...]:
    """The runs in a cell.

    Raises:
        DatasetError: they cannot be; says the file, the row and the column.
    """
    try:
        return relative_runs(row.get(column), pixels)
    except DatasetError as error:
        raise row.error(column, str(error), "Take the table that came with the images.") from error
