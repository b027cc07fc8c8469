"""Whether two radiographs are one picture: a finer comparison than that of fingerprints.

Films of two people, and films of one person on two days, look alike at large; laid exactly over
each other, their fine structure differs everywhere. So one thumbnail is shifted and stretched onto
the other, and small blocks of the two are correlated without their slow shades.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from carina.imaging.fingerprint import EvenedThumbnails

ALIKE = 0.7
"""The least likeness of thumbnails that deserve a closer look."""
SAME = 0.6
"""The least likeness, at `CLOSER_SIDE`, of one picture and an altered copy. Two films of one person
reach 0.46, synthetic films of two people, whose ribs fall alike, as a rule 0.50."""
SURE = 0.68
"""From here on a pair counts as one picture without being looked at; below, it is suspected. Of the
8.4 million pairs of the demo's cohort one of two people reached 0.64."""
_BLOCKS = 8
_PAIRS_AT_ONCE = 128
_STEPS = (6, 4)
_FARTHEST = 0.25
_LONGEST_STEP = 0.1
_FADING = 6
_FAINT = 0.02
_SEEN = 0.6
_ROUGHLY_SAME = 0.6


class _Overlap(NamedTuple):
    """Thumbnails after moving, 0 outside, and which of their pixels are inside."""

    moved: NDArray[np.float32]
    inside: NDArray[np.float32]


def likenesses(
    even: EvenedThumbnails,
    pairs: Int64[np.ndarray, "pairs 2"],
    sign: int = 1,
    threads: int = 1,
) -> Iterator[float]:
    """How alike the pictures of each pair are, in their order: 1 for one picture, about 0 for two.

    The median, over 8 x 8 blocks, of the correlation within a block; so a marker or an arrow drawn
    into one of them changes little. nan where all is even.

    Args:
        even: thumbnails of `fingerprint.evened`.
        pairs: rows of `even`.
        sign: -1 compares the first with the inverted second.
        threads: how many work at once.
    """
    rows, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)

    def shrink(start: int) -> NDArray[np.float16]:
        return _half_size(even[rows[start : start + _PAIRS_AT_ONCE]]).astype(np.float16)

    def compare(start: int) -> NDArray[np.float32]:
        some = slice(start, start + _PAIRS_AT_ONCE)
        first, second = halves[places[some].T].astype(np.float32)
        values, motion = _roughly(first, second * np.float32(sign))
        near = np.flatnonzero(values >= _ROUGHLY_SAME)
        first, second = (even[chosen] for chosen in pairs[some][near].T)
        values[near] = _closely(first, second * np.float32(sign), motion[near])
        return values

    with ThreadPoolExecutor(threads) as pool:
        # A picture is in about ten pairs, so what all of them need of it is made once.
        parts = list(pool.map(shrink, range(0, len(rows), _PAIRS_AT_ONCE)))
        halves = np.concatenate(parts) if parts else np.empty((0, 1, 1), np.float16)
        for found in pool.map(compare, range(0, len(pairs), _PAIRS_AT_ONCE)):
            yield from found.tolist()


def likeness(
    first: Float32[np.ndarray, "n side side"], second: Float32[np.ndarray, "n side side"]
) -> Float32[np.ndarray, " n"]:
    """The likeness of pictures, pair by pair: as they lie, or moved onto each other if greater.

    Where half the resolution shows already that they are two, its value is given.
    """
    values, motion = _roughly(_half_size(first), _half_size(second))
    near = np.flatnonzero(values >= _ROUGHLY_SAME)
    values[near] = _closely(first[near], second[near], motion[near])
    return values


def _half_size(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """At half the resolution, blurred before so that fine structure leaves no pattern."""
    return _halved(_smooth(pictures))


def _roughly(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The likeness at half the resolution, and the motion that lays one onto the other."""
    still = np.zeros((len(first), 4), np.float32)
    motion = _register(_halved(first), _halved(second), still, _STEPS[0])
    motion = _register(_smooth(first), _smooth(second), motion, _STEPS[1])
    first, second = _fine(first, _FADING // 2), _fine(second, _FADING // 2)
    return _alike_still_or_moved(first, second, motion), motion


def _closely(
    first: NDArray[np.float32], second: NDArray[np.float32], motion: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The likeness at full resolution, as the pictures lie or moved."""
    return _alike_still_or_moved(_fine(first, _FADING), _fine(second, _FADING), motion)


def _alike_still_or_moved(
    first: NDArray[np.float32], second: NDArray[np.float32], motion: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The likeness of fine structure as the pictures lie, or moved if that is greater."""
    lying = _Overlap(second, np.ones_like(second))
    return np.fmax(_alike(first, lying), _alike(first, _move(second, motion)))


def _register(
    still: NDArray[np.float32], moving: NDArray[np.float32], motion: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """Gauss-Newton steps of shift and stretch, down and across, that lay one onto the other.

    Source: Lucas and Kanade, IJCAI 1981, with four parameters, on normalised grey values. Lengths
    are in halves of the picture's side.
    """
    count, side, _ = still.shape
    place = np.linspace(-1, 1, side, dtype=np.float32)
    for _ in range(steps):
        overlap = _move(moving, motion)
        target, _ = _normalised(still, overlap.inside)
        moved, deviation = _normalised(overlap.moved, overlap.inside)
        scale = overlap.inside * (side - 1) / 2 / deviation
        down = np.gradient(overlap.moved, axis=1) * scale
        across = np.gradient(overlap.moved, axis=2) * scale
        slopes = np.stack([down, down * place[:, None], across, across * place], axis=1)
        slopes = slopes.reshape(count, 4, -1).astype(np.float32)
        normal = slopes @ slopes.transpose(0, 2, 1)
        normal += np.eye(4) * (np.trace(normal, axis1=1, axis2=2)[:, None, None] / 4000 + 1e-6)
        step = np.linalg.solve(normal, slopes @ (target - moved).reshape(count, -1, 1))[..., 0]
        motion = motion + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP).astype(np.float32)
        motion = np.clip(motion, -_FARTHEST, _FARTHEST)
    return motion


def _alike(first: NDArray[np.float32], overlap: _Overlap) -> NDArray[np.float32]:
    """The median correlation of blocks of fine structure, where the two overlap."""
    inside = _blocks(overlap.inside)
    seen = inside.sum(axis=2)
    fine_first, power_first = _centred(_blocks(first), inside, seen)
    fine_second, power_second = _centred(_blocks(overlap.moved), inside, seen)
    # Even blocks, such as air beside the patient, tell nothing; faint ones count for less.
    product = (fine_first * fine_second).sum(axis=2)
    correlation = product / np.sqrt((power_first + _FAINT) * (power_second + _FAINT))
    telling = (seen >= _SEEN * inside.shape[2]) & (np.maximum(power_first, power_second) > _FAINT)
    ranked = np.sort(np.where(telling, correlation, np.inf), axis=1)
    count = telling.sum(axis=1)
    low, high = ((np.maximum(count, 1) - 1) // 2)[:, None], (count // 2)[:, None]
    middle = [np.take_along_axis(ranked, place, axis=1)[:, 0] for place in (low, high)]
    enough = count >= _BLOCKS  # a few blocks are alike by chance
    return np.where(enough, (middle[0] + middle[1]) / 2, np.nan).astype(np.float32)


def _move(pictures: NDArray[np.float32], motion: NDArray[np.float32]) -> _Overlap:
    """Pictures as seen from shifted and stretched places, bilinear."""
    side = pictures.shape[1]
    place = np.linspace(-1, 1, side, dtype=np.float32)
    down = place * (1 + motion[:, 1:2]) + motion[:, 0:1]
    across = place * (1 + motion[:, 3:4]) + motion[:, 2:3]
    inside = (np.abs(down) <= 1)[:, :, None] & (np.abs(across) <= 1)[:, None, :]
    moved: NDArray[np.float32] = np.matmul(
        _weights(down, side) @ pictures, _weights(across, side).mT
    )
    return _Overlap(moved, inside.astype(np.float32))


def _weights(place: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """How much each pixel of a line counts at each place in [-1, 1]: [n, places, pixels]."""
    pixel = np.clip((place + 1) * np.float32((side - 1) / 2), 0, side - 1)
    distance = np.abs(pixel[:, :, None] - np.arange(side, dtype=np.float32))
    weights: NDArray[np.float32] = np.maximum(1 - distance, 0)
    return weights


def _normalised(
    pictures: NDArray[np.float32], inside: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean 0 and deviation 1 over the pixels inside, 0 outside; and the deviation."""
    seen = inside.sum(axis=(1, 2), keepdims=True) + 1e-6
    mean = (pictures * inside).sum(axis=(1, 2), keepdims=True) / seen
    centred = (pictures - mean) * inside
    deviation = np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True) / seen + 1e-6)
    return centred / deviation, deviation


def _centred(
    blocks: NDArray[np.float32], inside: NDArray[np.float32], seen: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Blocks of mean 0 over the pixels inside, and their sums of squares."""
    mean = (blocks * inside).sum(axis=2) / (seen + 1e-6)
    centred = (blocks - mean[..., None]) * inside
    return centred, (centred**2).sum(axis=2)


def _blocks(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, blocks, pixels of a block]."""
    count, side, _ = pictures.shape
    edge = side // _BLOCKS
    cut = pictures.reshape(count, _BLOCKS, edge, _BLOCKS, edge).transpose(0, 1, 3, 2, 4)
    return cut.reshape(count, _BLOCKS * _BLOCKS, edge * edge)


def _fine(pictures: NDArray[np.float32], fading: int) -> NDArray[np.float32]:
    """Pictures without their slow shades."""
    return pictures - _smooth(pictures, fading)


def _halved(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every 2 x 2 pixels averaged to one."""
    count, side, _ = pictures.shape
    cells = pictures.reshape(count, side // 2, 2, side // 2, 2)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def _smooth(pictures: NDArray[np.float32], times: int = 1) -> NDArray[np.float32]:
    """Blurred by 1-2-1 weights, down and across, a number of times."""
    blur = np.linalg.matrix_power(_blurring(pictures.shape[1]), times)
    smooth: NDArray[np.float32] = blur @ pictures @ blur.T
    return smooth


@lru_cache(maxsize=8)
def _blurring(side: int) -> NDArray[np.float32]:
    """What blurs a line of pixels by 1-2-1 weights; its ends are repeated beyond the edge."""
    blur = (np.eye(side) / 2 + np.eye(side, k=1) / 4 + np.eye(side, k=-1) / 4).astype(np.float32)
    blur[0, 0] += 0.25
    blur[-1, -1] += 0.25
    return blur
