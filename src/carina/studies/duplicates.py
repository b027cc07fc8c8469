"""Pictures that are one picture though their bytes differ."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from carina.files import progress
from carina.imaging.doubts import BLANK_SPREAD
from carina.imaging.fingerprint import close_pairs, evened, fingerprints
from carina.imaging.glance import Glance, thumbnails_of
from carina.imaging.likeness import SAME, likenesses
from carina.studies.examination import Examined


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
    examined: Mapping[str, Examined], processes: int | None = None
) -> Iterator[Alike]:
    """Finds near duplicates among pictures, those that are most alike first.

    Of pictures with equal bytes one stands for all; even pictures are left out.
    """
    held = _worth_comparing(examined)
    if len(held) < 2:
        return
    even = evened(thumbnails_of([glance for _, glance in held]))
    vectors = fingerprints(even)
    threads = processes or len(os.sched_getaffinity(0))
    found = []
    for sign in (1, -1):
        pairs = close_pairs(vectors, vectors if sign == 1 else fingerprints(-even))
        measured = likenesses(even, pairs, sign, threads)
        shown = progress(measured, "Comparing pictures", len(pairs))
        for (first, second), likeness in zip(pairs.tolist(), shown, strict=True):
            if likeness >= SAME:
                found.append((likeness, held[first][0], held[second][0], sign < 0))
    for likeness, one, other, inverted in sorted(found, key=lambda pair: (-pair[0], pair[1:])):
        yield Alike(first=one, second=other, likeness=likeness, inverted=inverted)


def _worth_comparing(examined: Mapping[str, Examined]) -> list[tuple[str, Glance]]:
    """Path and glance of each different picture that shows something."""
    first: dict[str, tuple[str, Glance]] = {}
    for path, file in examined.items():
        if file.glance is not None and file.glance.spread >= BLANK_SPREAD:
            first.setdefault(file.digest, (path, file.glance))
    return list(first.values())
