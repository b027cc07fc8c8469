"""Fingerprints of radiographs, and which of many are close to one another.

A fingerprint holds the low frequencies of a thumbnail whose histogram was made even, relative to
those of an average frontal film. So brightness, contrast, bit depth, size and compression leave it
as it is; a crop by a few per cent moves it a little; and films of two people, alike as they all
look, are as far apart as any two vectors.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy.typing import NDArray

from carina.imaging.films import average_film
from carina.imaging.glance import GLANCE_SIDE

FREQUENCIES = 12
CLOSE = 0.6
"""The least cosine of two fingerprints that may be one picture; above that of 9,998 in 10,000
pairs of films, below that of nearly all films and their crops (benchmarks/check.csv)."""
MOST_CLOSE = 8
_COMPARED_WITH_ALL = 4096
_PROBES = 8
_ROWS_AT_ONCE = 1024


class EvenedThumbnails:
    """Many thumbnails as `evened` gives them, made where they are asked for: 5 kB each, not 16."""

    def __init__(self, thumbnails: UInt8[np.ndarray, "n side side"]) -> None:
        """Ranks the grey levels of each thumbnail."""
        self._thumbnails = thumbnails
        self._levels = _even_levels(thumbnails)

    def __len__(self) -> int:
        return len(self._thumbnails)

    def __getitem__(
        self, rows: slice | Int64[np.ndarray, " rows"]
    ) -> Float32[np.ndarray, "rows side side"]:
        """Some of them, of mean 0 and standard deviation 1."""
        chosen = self._thumbnails[rows]
        flat = chosen.reshape(len(chosen), chosen.shape[1] * chosen.shape[2])
        return np.take_along_axis(self._levels[rows], flat, axis=1).reshape(chosen.shape)

    def fingerprints(self, sign: int = 1) -> Float32[np.ndarray, "n dim"]:
        """The fingerprints of all of them; -1 gives those of the inverted pictures."""
        starts = range(0, max(len(self), 1), _ROWS_AT_ONCE)
        parts = (self[start : start + _ROWS_AT_ONCE] * np.float32(sign) for start in starts)
        return np.concatenate([fingerprints(part) for part in parts])


def evened(
    thumbnails: UInt8[np.ndarray, "n side side"],
) -> Float32[np.ndarray, "n side side"]:
    """Thumbnails with the same histogram: ranks, of mean 0 and standard deviation 1."""
    return EvenedThumbnails(thumbnails)[:]


def _even_levels(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What each of the 256 grey levels of each thumbnail becomes."""
    levels = np.empty((len(thumbnails), 256), np.float32)
    for place, thumbnail in enumerate(thumbnails):
        counts = np.bincount(thumbnail.reshape(-1), minlength=256)
        rank = (np.cumsum(counts) - counts / 2) / thumbnail.size - 0.5
        deviation = np.sqrt((counts * rank**2).sum() / thumbnail.size)
        levels[place] = rank / max(float(deviation), 1e-6)
    return levels


def fingerprints(
    even: Float32[np.ndarray, "n side side"],
) -> Float32[np.ndarray, "n dim"]:
    """Unit vectors; the cosine of two says how alike two pictures are at large.

    Args:
        even: thumbnails from `evened`; negated, they are those of the inverted pictures.
    """
    film = average_film()
    relative = (low_frequencies(even) - film.spectrum) / film.spectrum_deviation
    length = np.linalg.norm(relative, axis=1, keepdims=True)
    return np.asarray(relative / np.maximum(length, 1e-6), np.float32)


def low_frequencies(
    even: Float32[np.ndarray, "n side side"],
) -> Float32[np.ndarray, "n dim"]:
    """The first 12 x 12 terms of the discrete cosine transform, without the mean."""
    waves = _waves()
    terms = (waves @ even @ waves.T).reshape(len(even), FREQUENCIES**2)
    return np.asarray(terms[:, 1:], np.float32)


def close_pairs(
    vectors: Float32[np.ndarray, "n dim"], others: Float32[np.ndarray, "n dim"]
) -> Int64[np.ndarray, "pairs 2"]:
    """Pairs of rows (i, j) with others[i] close to vectors[j] and i not j, each in one order only.

    Above 4,096 rows not all are compared: each joins the nearest of sqrt(n) pivots, and is
    compared with those who joined one of its own 8 nearest pivots, n ** 1.5 products in all. Of
    each row the 8 closest are kept.
    """
    if not len(vectors):
        return np.empty((0, 2), np.int64)
    found = zip(*_close(vectors, others), strict=True)
    asker, member, cosine = (np.concatenate(parts) for parts in found)
    order = np.lexsort((-cosine, asker))
    asker, member = asker[order], member[order]
    rank = np.arange(len(asker)) - np.searchsorted(asker, asker)
    pairs = np.stack([asker, member], axis=1)[rank < MOST_CLOSE]
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _close(
    vectors: NDArray[np.float32], others: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Rows of `others`, rows of `vectors` close to them, and how close they are."""
    everything = np.arange(len(vectors))
    if len(vectors) <= _COMPARED_WITH_ALL:
        yield from _closest(others, everything, vectors, everything)
        return
    pivots = vectors[np.linspace(0, len(vectors) - 1, int(np.sqrt(len(vectors)))).astype(int)]
    home = _nearest(vectors, pivots, 1)[:, 0]
    asked = _nearest(others, pivots, _PROBES)
    order = np.argsort(asked, axis=None, kind="stable")
    bounds = np.searchsorted(asked.reshape(-1)[order], np.arange(len(pivots) + 1))
    for pivot in range(len(pivots)):
        askers = order[bounds[pivot] : bounds[pivot + 1]] // _PROBES
        yield from _closest(others, askers, vectors, np.flatnonzero(home == pivot))


def _closest(
    others: NDArray[np.float32],
    askers: NDArray[np.int64],
    vectors: NDArray[np.float32],
    members: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Compares some rows with others; the closest few of each are given, block by block."""
    held = vectors[members]
    kept = min(MOST_CLOSE, len(members))
    for start in range(0, len(askers) if kept else 0, _ROWS_AT_ONCE):
        rows = askers[start : start + _ROWS_AT_ONCE]
        cosine = others[rows] @ held.T
        cosine[rows[:, None] == members] = -1
        best = np.argpartition(-cosine, kept - 1, axis=1)[:, :kept]
        nearest = np.take_along_axis(cosine, best, axis=1)
        row, place = np.nonzero(nearest >= CLOSE)
        yield rows[row], members[best[row, place]], nearest[row, place]


def _nearest(
    vectors: NDArray[np.float32], pivots: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """The `count` pivots nearest to each vector."""
    found = np.empty((len(vectors), count), np.int64)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        distance = -(vectors[rows] @ pivots.T)
        found[rows] = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return found


@lru_cache(maxsize=1)
def _waves() -> NDArray[np.float32]:
    """The first cosines of the discrete cosine transform II, orthonormal, as rows."""
    places = (np.arange(GLANCE_SIDE) + 0.5) * np.pi / GLANCE_SIDE
    waves = np.cos(np.arange(FREQUENCIES)[:, None] * places) * np.sqrt(2 / GLANCE_SIDE)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, np.float32)
