"""A radiograph at a glance: a small picture of it, and a few numbers that tell it apart.

All that comparing and judging many radiographs needs, in about 4 kB each.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

GLANCE_SIDE = 64
"""Ribs, and which ribs, can still be told; the letters of a marker cannot."""
CLOSER_SIDE = 128
"""Vessels can be told: they differ between two people whose ribs happen to fall alike."""
_SAMPLES = 256
_FLAT = 3.0
_DARKEST, _BRIGHTEST = 24, 232


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What is kept of one radiograph.

    Attributes:
        thumbnail: the picture without its uniform border, squeezed into a square of `GLANCE_SIDE`
            pixels; row by row, one byte a pixel.
        spread: between the 1st and 99th percentile, in grey levels of 255.
        dead_rows: the share of rows, all of one even grey that is neither black nor white. A
            decoder leaves such a band where data ran out.
        black_or_white: the share of pixels that are pure black or pure white.
    """

    thumbnail: bytes
    spread: float
    dead_rows: float
    black_or_white: float


def glance_at(levels: UInt8[np.ndarray, "height width"]) -> Glance:
    """Keeps the little that is needed of a radiograph, grey levels of 255, bone bright."""
    low, high = np.percentile(levels, (1, 99))
    return Glance(
        thumbnail=squeezed(levels, GLANCE_SIDE).tobytes(),
        spread=float(high - low),
        dead_rows=_dead_rows(levels),
        black_or_white=float(((levels == 0) | (levels == 255)).mean()),
    )


def thumbnails_of(glances: list[Glance]) -> UInt8[np.ndarray, "n side side"]:
    """The thumbnails of many glances."""
    joined = np.frombuffer(b"".join(glance.thumbnail for glance in glances), np.uint8)
    return joined.reshape(len(glances), GLANCE_SIDE, GLANCE_SIDE)


def without_border(
    levels: UInt8[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "rows cols"]:
    """The part of a picture inside its uniform border, such as black bars of a letterbox.

    A picture that is uniform over half of its height or width is left as it is.
    """
    step = max(1, min(levels.shape) // _SAMPLES)
    sample = levels[::step, ::step].astype(np.float32)
    rows, cols = (np.flatnonzero(sample.std(axis=axis) > _FLAT) for axis in (1, 0))
    if 2 * len(rows) < sample.shape[0] or 2 * len(cols) < sample.shape[1]:
        return levels
    return levels[
        rows[0] * step : (rows[-1] + 1) * step,
        cols[0] * step : (cols[-1] + 1) * step,
    ]


def squeezed(
    levels: UInt8[np.ndarray, "height width"], side: int
) -> UInt8[np.ndarray, "side side"]:
    """The picture without its uniform border, as a small square, antialiased."""
    inner = np.ascontiguousarray(without_border(levels))
    small = Image.fromarray(inner).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small)


def _dead_rows(levels: NDArray[np.uint8]) -> float:
    lowest, highest = levels.min(axis=1), levels.max(axis=1)
    even = (highest - lowest <= 2) & (lowest > _DARKEST) & (highest < _BRIGHTEST)
    like_next = np.abs(np.diff(lowest.astype(int))) <= 2
    inside = np.append(like_next, False) | np.append(False, like_next)  # of a band
    return float((even & inside).mean())
