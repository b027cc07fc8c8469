"""How well `carina check` finds near duplicates, and pictures that lie wrong.

Usage: python benchmarks/check.py --known nih.parquet --strange covid.parquet
           [--phantom phantom.parquet] [--parts doubts copies others] [--fit] [--record]

Both are manifests of upright frontal films; `--known` has splits by patient. `--fit` makes the
packaged statistics anew from its training part, and nothing else has a part in them: what is
measured are the other films of `--known` and all of `--strange`, which come from elsewhere.

Near duplicates: films are altered in 19 ways (the first: not at all), and looked for among all
films of both sets (found: it was among the candidates and was confirmed). False: confirmed pairs of
two films of different people, or of one person on different days, among all pairs. Films that lie
wrong: each film as it is (a doubt is a false alarm) and made wrong (no doubt is a miss). How fast
the search is, duplicates.py tells.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.files import progress
from carina.imaging import films as films_module
from carina.imaging.doubts import DoubtKind, cells_of, doubts_about, ways_to_lie
from carina.imaging.films import FILE, FILTER_SIDE, average_film
from carina.imaging.fingerprint import (
    CLOSE,
    MOST_CLOSE,
    EvenedThumbnails,
    close_pairs,
    evened,
    fingerprints,
    low_frequencies,
)
from carina.imaging.glance import CLOSER_SIDE, Glance, glance_at, squeezed, thumbnails_of
from carina.imaging.likeness import ALIKE, SAME, likeness, likenesses
from carina.imaging.reader import read_grey8
from carina.studies.manifest import Manifest
from row import record

SEED = 20
PARTS = ("doubts", "copies", "others")
PENALTY = 0.01
TILTS = (-20, -10, 10, 20)
Grey = NDArray[np.uint8]
Change = Callable[[Grey, np.random.Generator], Grey]


def jpeg(levels: Grey, quality: int) -> Grey:
    """Stored as JPEG and read back."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resized(levels: Grey, width: int, height: int) -> Grey:
    """At another size."""
    return np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.LANCZOS))


def scaled(levels: Grey, scale: float) -> Grey:
    """At another scale."""
    return resized(levels, round(levels.shape[1] * scale), round(levels.shape[0] * scale))


def cropped(levels: Grey, shares: NDArray[np.float64]) -> Grey:
    """Without shares of the left, top, right and bottom."""
    height, width = levels.shape
    left, top, right, bottom = shares
    return levels[
        round(top * height) : height - round(bottom * height),
        round(left * width) : width - round(right * width),
    ]


def toned(levels: Grey, gain: float, offset: float, gamma: float) -> Grey:
    """With another contrast, brightness and gamma."""
    grey = (levels / 255) ** gamma * gain + offset
    return (np.clip(grey, 0, 1) * 255).astype(np.uint8)


def sixteen_bits(levels: Grey) -> Grey:
    """As 16-bit values seen through another window."""
    deep = levels.astype(np.float64) * 181 + 4000
    return (np.clip((deep - 2500) / 50000, 0, 1) * 255).astype(np.uint8)


def marked(levels: Grey, generator: np.random.Generator) -> Grey:
    """With a white box in one of the corners."""
    height, width = levels.shape
    top, left = generator.choice([0.04, 0.88]), generator.choice([0.04, 0.84])
    painted = levels.copy()
    rows = slice(round(top * height), round((top + 0.08) * height))
    painted[rows, round(left * width) : round((left + 0.12) * width)] = 255
    return painted


def padded(levels: Grey) -> Grey:
    """With black bars on two sides, as a letterbox leaves them."""
    return np.pad(levels, ((0, 0), (levels.shape[1] // 8,) * 2))


def republished(levels: Grey, generator: np.random.Generator) -> Grey:
    """Cropped, toned, made smaller and compressed, as films go round on the net."""
    changed = cropped(levels, generator.uniform(0, 0.03, 4))
    gain, offset = generator.uniform(0.8, 1.2), generator.uniform(-0.1, 0.1)
    changed = toned(changed, gain, offset, generator.uniform(0.7, 1.4))
    return jpeg(scaled(changed, 0.5), 50)


COPIES: dict[str, Change] = {
    "the same file": lambda levels, _: levels,
    "JPEG of quality 40": lambda levels, _: jpeg(levels, 40),
    "JPEG of quality 15": lambda levels, _: jpeg(levels, 15),
    "half the size": lambda levels, _: scaled(levels, 0.5),
    "a quarter of the size": lambda levels, _: scaled(levels, 0.25),
    "squeezed to 224 x 224": lambda levels, _: resized(levels, 224, 224),
    "brighter by 15 %": lambda levels, _: toned(levels, 1, 0.15, 1),
    "darker by 30 %": lambda levels, _: toned(levels, 0.7, 0, 1),
    "more contrast": lambda levels, _: toned(levels, 1.4, -0.2, 1),
    "gamma 0.6": lambda levels, _: toned(levels, 1, 0, 0.6),
    "gamma 1.6": lambda levels, _: toned(levels, 1, 0, 1.6),
    "16 bits, another window": lambda levels, _: sixteen_bits(levels),
    "inverted": lambda levels, _: 255 - levels,
    "up to 2 % cropped a side": lambda levels, g: cropped(levels, g.uniform(0, 0.02, 4)),
    "up to 4 % cropped a side": lambda levels, g: cropped(levels, g.uniform(0, 0.04, 4)),
    "5 % cropped on each side": lambda levels, _: cropped(levels, np.full(4, 0.05)),
    "black bars": lambda levels, _: padded(levels),
    "a white box in a corner": marked,
    "cropped, toned, halved, JPEG 50": republished,
}
WRONGS: dict[str, tuple[DoubtKind, Change]] = {
    "inverted": (DoubtKind.INVERTED, lambda levels, _: 255 - levels),
    "a quarter turn to the right": (DoubtKind.TURNED, lambda levels, _: np.rot90(levels, 3)),
    "half a turn": (DoubtKind.TURNED, lambda levels, _: np.rot90(levels, 2)),
    "a quarter turn to the left": (DoubtKind.TURNED, lambda levels, _: np.rot90(levels)),
    "mirrored": (DoubtKind.MIRRORED, lambda levels, _: levels[:, ::-1]),
    "the lower 30 % grey": (DoubtKind.BROKEN, lambda levels, _: cut_off(levels)),
    "blank": (DoubtKind.BLANK, lambda levels, _: np.full_like(levels, 100)),
    "noise": (
        DoubtKind.NOISE,
        lambda levels, g: g.integers(0, 256, levels.shape).astype(np.uint8),
    ),
}


def tilt(levels: Grey, _: np.random.Generator, degrees: int) -> Grey:
    """A film that lies as it should, but aslant, as at the bedside."""
    return np.asarray(Image.fromarray(levels).rotate(degrees, Image.Resampling.BILINEAR))


def cut_off(levels: Grey) -> Grey:
    """As a decoder leaves a picture whose data end early."""
    painted = levels.copy()
    painted[round(0.7 * len(levels)) :] = 128
    return painted


def read(manifest: Manifest) -> tuple[list[Grey], list[str]]:
    """All films of a manifest, and whose they are."""
    films, patients = [], []
    for study in progress(manifest.studies, "Reading", len(manifest)):
        for radiograph in study.radiographs:
            films.append(read_grey8(manifest.absolute(radiograph.path)))
            patients.append(f"{study.source} {study.patient_id}")
    return films, patients


def glances(films: list[Grey], change: Change, generator: np.random.Generator) -> list[Glance]:
    """Films at a glance, changed first."""
    return [glance_at(np.ascontiguousarray(change(film, generator))) for film in films]


def as_it_is(levels: Grey, _: np.random.Generator) -> Grey:
    """Not changed."""
    return levels


def training_change(levels: Grey, generator: np.random.Generator) -> Grey:
    """As other machines might have shown a film: cropped, toned, evened by local contrast."""
    changed = cropped(levels, generator.uniform(0, 0.1, 4))
    changed = toned(changed, 1, 0, generator.uniform(0.6, 1.6))
    coarse = resized(resized(changed, 8, 8), changed.shape[1], changed.shape[0])
    flat = changed.astype(np.float32) - generator.uniform(0, 0.9) * coarse
    low, high = np.percentile(flat, (0.5, 99.5))
    return (np.clip((flat - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)


def fit(films: list[Grey], copies: int = 6) -> None:
    """Makes the packaged statistics: means of films as they are, the filter from changed ones."""
    generator = np.random.default_rng(SEED)
    even = evened(thumbnails_of(glances(films, as_it_is, generator)))
    spectrum = low_frequencies(even)
    mean = cells_of(even).mean(axis=0)
    changed = [even]
    for _ in range(copies):
        changed.append(evened(thumbnails_of(glances(films, training_change, generator))))
    held = {
        "spectrum": spectrum.mean(axis=0),
        "spectrum_deviation": spectrum.std(axis=0),
        "picture": (mean - mean.mean()) / mean.std(),
        "upright": upright_filter(cells_of(np.concatenate(changed))),
    }
    path = Path(films_module.__file__).with_name(FILE)
    np.savez(path, **{name: values.astype(np.float16) for name, values in held.items()})


def upright_filter(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """The linear filter that picks the upright one of 16 ways: a softmax regression."""
    import torch

    torch.manual_seed(SEED)
    ways = torch.from_numpy(ways_to_lie(cells).reshape(len(cells), 16, -1).copy())
    weight = torch.zeros(FILTER_SIDE**2, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        grid = weight.view(FILTER_SIDE, FILTER_SIDE)
        rough = grid.diff(dim=0).square().sum() + grid.diff(dim=1).square().sum()
        answers = ways @ weight
        value = (answers.logsumexp(dim=1) - answers[:, 0]).mean()
        value = value + PENALTY * (weight.square().sum() + rough)
        value.backward()
        return value

    optimiser.step(loss)
    return weight.detach().view(FILTER_SIDE, FILTER_SIDE).numpy()


@dataclass(frozen=True)
class Films:
    """Films of one set, whose they are, and the glances at them as they are."""

    name: str
    films: list[Grey]
    patients: list[str]
    glances: list[Glance]


def films_of(name: str, manifests: list[Manifest]) -> Films:
    """Reads a set, and glances at it."""
    films, patients = [], []
    for manifest in manifests:
        more, whose = read(manifest)
        films += more
        patients += whose
    return Films(name, films, patients, glances(films, as_it_is, np.random.default_rng(SEED)))


def closely(films: list[Grey]) -> NDArray[np.float32]:
    """Films at a closer look."""
    return evened(np.stack([squeezed(film, CLOSER_SIDE) for film in films]))


def share_row(what: str, name: str, hits: int, count: int) -> dict[str, object]:
    """A share with Wilson's interval of 95 %."""
    share, z = hits / count, 1.96
    middle = (share + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / 2 / count) ** 2)
    return {
        "what": what,
        "films": name,
        "value": f"{share:.6g}",
        "low": f"{max(0, middle - half):.4f}",
        "high": f"{min(1, middle + half):.4f}",
        "count": count,
        "seed": SEED,
    }


def measure_copies(sets: list[Films], sample: int) -> list[dict[str, object]]:
    """How many altered copies are found, among all films of the sets."""
    even = evened(thumbnails_of([glance for each in sets for glance in each.glances]))
    vectors = fingerprints(even)
    generator = np.random.default_rng(SEED)
    chosen = generator.choice(len(even), min(sample, len(even)), replace=False)
    everything = [film for each in sets for film in each.films]
    closer = closely([everything[i] for i in chosen])
    rows = []
    for what, change in progress(COPIES.items(), "Copies", len(COPIES)):
        copies = [np.ascontiguousarray(change(everything[i], generator)) for i in chosen]
        sign = -1 if what == "inverted" else 1
        changed = sign * evened(thumbnails_of(glances(copies, as_it_is, generator)))
        cosine = fingerprints(changed) @ vectors.T
        own = cosine[np.arange(len(chosen)), chosen]
        near = (own >= CLOSE) & ((cosine > own[:, None]).sum(axis=1) < MOST_CLOSE)
        found = near & (likeness(even[chosen], changed) >= ALIKE)
        found &= likeness(closer, sign * closely(copies)) >= SAME
        name = "copies found: " + what
        rows.append(share_row(name, "both", int(found.sum()), len(chosen)))
    return rows


def measure_others(sets: list[Films]) -> list[dict[str, object]]:
    """How many pairs of films that are not one are taken for one."""
    rows = []
    for each in sets:
        even = EvenedThumbnails(thumbnails_of(each.glances))
        vectors = even.fingerprints()
        wrong, equal, own, compared = 0, 0, 0, 0
        for sign in (1, -1):
            pairs = close_pairs(vectors, vectors if sign == 1 else even.fingerprints(sign))
            compared += len(pairs)
            for (first, second), value in zip(pairs, likenesses(even, pairs, sign), strict=True):
                if np.array_equal(each.films[first], each.films[second]):
                    equal += sign == 1
                elif value >= ALIKE:
                    close = closely([each.films[first], each.films[second]])
                    if likeness(close[:1], sign * close[1:])[0] >= SAME:
                        own += each.patients[first] == each.patients[second]
                        wrong += each.patients[first] != each.patients[second]
        count = len(even) * (len(even) - 1) // 2 - equal
        print(f"{each.name}: {compared} of {count} pairs are candidates, {equal} are equal")
        what = "pairs wrongly taken for one, of"
        rows.append(share_row(f"{what} two people", each.name, wrong, count))
        rows.append(share_row(f"{what} one person", each.name, own, count))
    return rows


def measure_doubts(sets: list[Films]) -> list[dict[str, object]]:
    """False alarms on films as they are, and how many wrong ones are told."""
    rows = []
    for each in sets:
        alarms = [doubt.kind for doubts in doubts_about(each.glances) for doubt in doubts]
        for kind in DoubtKind:
            if kind is not DoubtKind.LATERAL:
                what = f"false alarms: {kind.value}"
                rows.append(share_row(what, each.name, alarms.count(kind), len(each.films)))
        generator = np.random.default_rng(SEED)
        for degrees in TILTS:
            tilted = doubts_about(glances(each.films, partial(tilt, degrees=degrees), generator))
            wrong = sum(bool(doubts) for doubts in tilted)
            what = f"false alarms: tilted by {degrees} degrees"
            rows.append(share_row(what, each.name, wrong, len(each.films)))
        for what, (kind, change) in progress(WRONGS.items(), each.name, len(WRONGS)):
            judged = list(doubts_about(glances(each.films, change, generator)))
            told = sum(any(doubt.kind is kind for doubt in doubts) for doubts in judged)
            noticed = sum(bool(doubts) for doubts in judged)
            rows.append(share_row(f"told as such: {what}", each.name, told, len(judged)))
            rows.append(share_row(f"noticed: {what}", each.name, noticed, len(judged)))
    return rows


def main() -> None:
    """Prints one line a measurement and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--known", type=Path, required=True)
    parser.add_argument("--strange", type=Path, required=True)
    parser.add_argument("--phantom", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sample", type=int, default=200, help="films altered in each way")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    known, strange = Manifest.read(options.known), Manifest.read(options.strange)
    others = [films_of("strange", [strange])]
    if options.fit:
        fit(read(known.split("train"))[0])
        average_film.cache_clear()
    if options.phantom is not None:
        others.append(films_of("phantom", [Manifest.read(options.phantom)]))
    rows: list[dict[str, object]] = []
    if "doubts" in options.parts:
        held_out = [known.split("validate"), known.split("test")]
        rows += measure_doubts([films_of("known, held out", held_out), *others])
    if options.parts != ["doubts"]:
        whole = films_of("known", [known])
    if "copies" in options.parts:
        rows += measure_copies([whole, others[0]], options.sample)
    if "others" in options.parts:
        rows += measure_others([whole, *others])
    for row in rows:
        bounds = f" ({row['low']} to {row['high']})" if row["low"] else ""
        print(f"{row['what']:<50} {row['films']:<16} {row['value']}{bounds}, of {row['count']}")
        if options.record:
            record("check", row)


if __name__ == "__main__":
    main()
