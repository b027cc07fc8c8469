"""What looks wrong with a radiograph at a glance. A doubt is a reason to look, never a verdict.

Blank, broken and noisy pictures are told by simple measures. Whether a film is inverted, turned or
mirrored is told by one linear filter of 16 x 16 cells: of the 16 ways to turn, mirror and invert
a picture, the filter should answer most to the upright one. How often these err on films that had
no part in the fit stands in benchmarks/check.csv.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float32

from carina.imaging.films import FILTER_SIDE, AverageFilm, average_film
from carina.imaging.fingerprint import evened
from carina.imaging.glance import Glance, thumbnails_of

BLANK_SPREAD = 8.0
DARK_TOP, DARK_SPREAD = 17, 2.0
"""12-bit values in a file of 16 bits reach 16 of 255 levels; an even picture is blank."""
DEAD_ROWS = 0.04
DRAWN = 0.95
NOISY = 0.5
TELLING = 0.95
LIKELY = 0.6
TELLING_OF_SIDE = 0.98
UNLIKE = 0.15
_TURNS = ("", "a quarter turn to the right", "half a turn", "a quarter turn to the left")
_AT_ONCE = 4096


class DoubtKind(StrEnum):
    """What may be wrong with a picture."""

    BLANK = "blank"
    DARK = "dark"
    BROKEN = "broken"
    DRAWING = "a drawing"
    NOISE = "noise"
    INVERTED = "inverted"
    TURNED = "turned"
    MIRRORED = "mirrored"
    UNLIKE = "no frontal chest film"
    LATERAL = "lateral"


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """One suspicion about a picture.

    Attributes:
        kind: what may be wrong.
        reason: what was measured, in words.
        share: in (0, 1], how much of the filter's answer goes to this; None where a measure
            crossed its limit. It is no certainty: right films, too, reach 0.99 (docs/check.md).
    """

    kind: DoubtKind
    reason: str
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Posture:
    """How likely each way that a film may lie is; every part adds up to 1 with what it leaves out.

    Attributes:
        inverted: that bone is dark.
        turned: upright, a quarter turn to the right, half a turn, a quarter turn to the left.
        mirrored: that left and right are swapped.
        likeness: the correlation with the average frontal film, in [-1, 1].
    """

    inverted: float
    turned: tuple[float, float, float, float]
    mirrored: float
    likeness: float


def doubts_about(glances: Sequence[Glance]) -> Iterator[tuple[Doubt, ...]]:
    """The doubts about each picture, in order; most often none."""
    for start in range(0, len(glances), _AT_ONCE):
        some = list(glances[start : start + _AT_ONCE])
        thumbnails = thumbnails_of(some)
        smoothness = _neighbour_correlation(thumbnails.astype(np.float32))
        for glance, top, smooth, posture in zip(
            some,
            thumbnails.max(axis=(1, 2)).tolist(),
            smoothness.tolist(),
            postures(cells_of(evened(thumbnails))),
            strict=True,
        ):
            yield tuple(_broken(glance, top, smooth)) or tuple(_misplaced(posture))


def cells_of(
    even: Float32[np.ndarray, "n side side"],
) -> Float32[np.ndarray, "n cells cells"]:
    """Means of the cells that the filter looks at."""
    count, side, _ = even.shape
    edge = side // FILTER_SIDE
    cells = even.reshape(count, FILTER_SIDE, edge, FILTER_SIDE, edge).mean(axis=(2, 4))
    return np.asarray(cells, np.float32)


def postures(
    cells: Float32[np.ndarray, "n cells cells"], film: AverageFilm | None = None
) -> Iterator[Posture]:
    """How each film seems to lie.

    Args:
        cells: from `cells_of`.
        film: the filter and the mean film; the packaged ones by default.
    """
    film = film or average_film()
    ways = ways_to_lie(cells).reshape(len(cells), 16, -1)
    answer = ways @ film.upright.reshape(-1)
    share = np.exp(answer - answer.max(axis=1, keepdims=True))
    share = (share / share.sum(axis=1, keepdims=True)).reshape(-1, 2, 2, 4)
    likeness = _correlation(cells.reshape(len(cells), -1), film.picture.reshape(1, -1))
    for each, alike in zip(share, likeness.tolist(), strict=True):
        first, second, third, fourth = each.sum(axis=(0, 1)).tolist()
        yield Posture(
            inverted=float(each[1].sum()),
            turned=(first, second, third, fourth),
            mirrored=float(each[:, 1].sum()),
            likeness=alike,
        )


def ways_to_lie(
    cells: Float32[np.ndarray, "n cells cells"],
) -> Float32[np.ndarray, "n 2 2 4 cells cells"]:
    """Each picture set right from all 16 ways it may lie.

    The axes: as it is or inverted; as it is or mirrored; then turned back from no turn, from a
    quarter turn to the right, half a turn, and a quarter turn to the left.
    """
    flipped = np.stack([cells, cells[:, :, ::-1]], axis=1)
    turned = np.stack([np.rot90(flipped, quarter, axes=(2, 3)) for quarter in range(4)], axis=2)
    return np.stack([turned, -turned], axis=1)


def _broken(glance: Glance, top: int, smoothness: float) -> Iterator[Doubt]:
    """What is wrong with any picture, whatever it shows; `top` is its brightest place."""
    if top <= DARK_TOP and glance.spread >= DARK_SPREAD:
        yield Doubt(
            kind=DoubtKind.DARK,
            reason=f"nowhere brighter than {top} of 255 grey levels; if the file has values of 12 "
            "bits in 16, end its path in the manifest with #bits=12",
        )
        return
    if glance.spread < BLANK_SPREAD:
        yield Doubt(
            kind=DoubtKind.BLANK,
            reason=f"98 % of its pixels lie within {glance.spread:.0f} of 255 grey levels",
        )
        return
    if glance.black_or_white > DRAWN:
        yield Doubt(
            kind=DoubtKind.DRAWING,
            reason=f"{glance.black_or_white:.0%} of its pixels are pure black or white, "
            "as in a mask or a drawing",
        )
    elif smoothness < NOISY:
        yield Doubt(
            kind=DoubtKind.NOISE,
            reason=f"neighbouring places have little in common (correlation {smoothness:.2f})",
        )
    if glance.dead_rows > DEAD_ROWS:
        yield Doubt(
            kind=DoubtKind.BROKEN,
            reason=f"{glance.dead_rows:.0%} of its rows are of one even grey, "
            "as where data were cut off",
        )


def _misplaced(posture: Posture) -> Iterator[Doubt]:
    """What is wrong with the way in which a film lies."""
    turn = int(np.argmax(posture.turned))
    found = []
    strange = posture.likeness < UNLIKE
    needed = LIKELY if strange else TELLING  # two signs that something is wrong
    if posture.inverted >= needed:
        found.append(
            Doubt(
                kind=DoubtKind.INVERTED,
                reason="bone seems to be dark",
                share=posture.inverted,
            )
        )
    if turn and posture.turned[turn] >= needed:
        found.append(
            Doubt(
                kind=DoubtKind.TURNED,
                reason=f"it seems to have been given {_TURNS[turn]}",
                share=posture.turned[turn],
            )
        )
    if not found and strange:
        found.append(
            Doubt(
                kind=DoubtKind.UNLIKE,
                reason=f"correlation {posture.likeness:.2f} with the average frontal film: "
                "lateral, another part of the body, or no radiograph",
            )
        )
    elif posture.mirrored >= TELLING_OF_SIDE:
        found.append(
            Doubt(
                kind=DoubtKind.MIRRORED,
                reason="the heart seems to lie on the wrong side: mirrored, or situs inversus",
                share=posture.mirrored,
            )
        )
    yield from found


def _neighbour_correlation(
    thumbnails: Float32[np.ndarray, "n side side"],
) -> Float32[np.ndarray, " n"]:
    """The correlation of every second pixel with the one to its right."""
    count = len(thumbnails)
    left, right = (thumbnails[:, :, start::2].reshape(count, -1) for start in (0, 1))
    return _correlation(left, right)


def _correlation(
    first: Float32[np.ndarray, "n dim"], second: Float32[np.ndarray, "m dim"]
) -> Float32[np.ndarray, " n"]:
    """Pearson's correlation of rows; 0 where one is even."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    power = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.asarray((first * second).sum(axis=1) / np.maximum(power, 1e-6), np.float32)
