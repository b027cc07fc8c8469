"""Pictures that are one picture though their bytes differ."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from carina.errors import CarinaError
from carina.files import progress
from carina.imaging.doubts import BLANK_SPREAD
from carina.imaging.fingerprint import EvenedThumbnails, close_pairs, evened
from carina.imaging.glance import Glance, thumbnails_of
from carina.imaging.likeness import ALIKE, SAME, likeness, likenesses
from carina.studies.examination import Examined, Picture, look_closer

_CLOSER_LOOKS_KEPT = 256


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Two paths whose pictures seem to be one, changed or not; `inverted` if one is the negative.

    `likeness` is that of `imaging.likeness`, up to 1.
    """

    first: str
    second: str
    likeness: float
    inverted: bool


def alike_pictures(
    pictures: Sequence[Picture], examined: Mapping[str, Examined], processes: int | None = None
) -> tuple[Alike, ...]:
    """Finds near duplicates among pictures, those that are most alike first.

    Thumbnails with close fingerprints are compared, and where these are alike the pictures are
    read again and compared more closely. Of pictures with equal bytes one stands for all; even
    pictures are left out. A picture that can be read no more counts as alike as its thumbnail.
    """
    held = _worth_comparing(examined)
    threads = processes or len(os.sched_getaffinity(0))
    even = EvenedThumbnails(thumbnails_of([glance for _, glance in held]))
    paths = [path for path, _ in held]
    found = list(alike_thumbnails(paths, even, threads))
    known = {picture.path: picture for picture in pictures}
    shown = progress(_looked_at_closely(found, known), "Looking closer", len(found))
    same = [pair for pair in shown if pair.likeness >= SAME]
    return tuple(sorted(same, key=lambda pair: (-pair.likeness, pair.first, pair.second)))


def alike_thumbnails(paths: Sequence[str], even: EvenedThumbnails, threads: int) -> Iterator[Alike]:
    """Pairs of thumbnails that are alike, in order of the first; then a picture and a negative.

    Args:
        paths: whose thumbnails these are.
        even: the thumbnails.
        threads: how many compare at once.
    """
    vectors = even.fingerprints()
    for sign in (1, -1):
        pairs = close_pairs(vectors, vectors if sign == 1 else even.fingerprints(sign))
        measured = likenesses(even, pairs, sign, threads)
        shown = progress(measured, "Comparing pictures", len(pairs))
        for (first, second), value in zip(pairs.tolist(), shown, strict=True):
            if value >= ALIKE:
                yield Alike(
                    first=paths[first], second=paths[second], likeness=value, inverted=sign < 0
                )


def _looked_at_closely(pairs: Iterable[Alike], known: Mapping[str, Picture]) -> Iterator[Alike]:
    """The same pairs, with their likeness at a closer look."""

    @lru_cache(maxsize=_CLOSER_LOOKS_KEPT)
    def closer(path: str) -> Float32[np.ndarray, "1 side side"]:
        return evened(look_closer(known[path])[None])

    for pair in pairs:
        try:
            first, second = closer(pair.first), closer(pair.second)
        except (CarinaError, OSError):
            yield pair
            continue
        sign = np.float32(-1 if pair.inverted else 1)
        value = float(likeness(first, sign * second)[0])
        yield Alike(first=pair.first, second=pair.second, likeness=value, inverted=pair.inverted)


def _worth_comparing(examined: Mapping[str, Examined]) -> list[tuple[str, Glance]]:
    """Path and glance of each different picture that shows something."""
    first: dict[str, tuple[str, Glance]] = {}
    for path, file in examined.items():
        if file.glance is not None and file.glance.spread >= BLANK_SPREAD:
            first.setdefault(file.digest, (path, file.glance))
    return list(first.values())
