"""How long the search for near duplicates takes among 100,000 thumbnails, and what it finds.

Usage: python benchmarks/duplicates.py speed --films a.parquet b.parquet [--record]
       python benchmarks/duplicates.py known --films a.parquet b.parquet --pairs known.csv
           [--record]

`speed` compares thumbnails of films that nobody has, morphed from pairs of films, in both signs.
Of the candidates `--timed` are looked at again, drawn at random, and the time for all told from
that. (The third look, at larger pictures, is left out: it needs files, and few pairs come to it.)
CPU time of all threads, and half of it: what two free cores need. `known` runs `carina check` on
some manifests and compares what it takes for one picture with a table of pairs that are one
(columns `first`, `second`: study ids).
"""

import argparse
import csv
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np

from carina.files import progress
from carina.imaging.fingerprint import EvenedThumbnails, close_pairs
from carina.imaging.glance import glance_at
from carina.imaging.likeness import ALIKE, likenesses
from carina.imaging.reader import read_grey8
from carina.studies.checks import check
from carina.studies.manifest import Manifest
from check import SEED, Films, morphs
from row import record

CORES = 2


def films_of(manifests: list[Manifest]) -> Films:
    """Glances at all films of some manifests."""
    paths = [
        manifest.absolute(radiograph.path)
        for manifest in manifests
        for study in manifest.studies
        for radiograph in study.radiographs
    ]
    glances = [glance_at(read_grey8(path)) for path in progress(paths, "Reading", len(paths))]
    return Films("all", [], [], glances)


def measure_speed(films: Films, count: int, timed: int) -> dict[str, object]:
    """The search from thumbnails to pairs that are alike."""
    thumbnails = morphs([films], count)
    begun = time.process_time()
    even = EvenedThumbnails(thumbnails)
    vectors = even.fingerprints()
    pairs = {1: close_pairs(vectors, vectors), -1: close_pairs(vectors, even.fingerprints(-1))}
    candidates = time.process_time() - begun
    found = sum(map(len, pairs.values()))
    generator = np.random.default_rng(SEED)
    looked = {
        sign: some[generator.random(len(some)) < timed / found] for sign, some in pairs.items()
    }
    begun = time.process_time()
    values = [value for sign, some in looked.items() for value in likenesses(even, some, sign)]
    second = (time.process_time() - begun) * found / len(values)
    spent = candidates + second
    return {
        "what": "seconds on two free cores",
        "value": f"{spent / CORES:.1f}",
        "of": count,
        "cpu_seconds": f"{spent:.1f}",
        "cpu_seconds_candidates": f"{candidates:.1f}",
        "candidates": found,
        "timed": len(values),
        "alike": sum(value >= ALIKE for value in values),
        "memory_gb": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}",
        "seed": SEED,
    }


def measure_known(manifests: list[Manifest], pairs: Path) -> list[dict[str, object]]:
    """How many known pairs are found, and how many are taken for one that are two."""
    with pairs.open(encoding="utf-8", newline="") as handle:
        known = {frozenset((row["first"], row["second"])) for row in csv.DictReader(handle)}
    report = check(manifests)
    groups = [
        [p.study_id for p in item.places] for item in (*report.pictures, *report.near_duplicates)
    ]
    found = joined({frozenset(pair) for group in groups for pair in combinations(group, 2)})
    known = joined(known)
    radiographs = sum(len(study.radiographs) for each in manifests for study in each.studies)
    blank = dict.fromkeys(
        ("cpu_seconds", "cpu_seconds_candidates", "candidates", "timed", "alike"), ""
    )
    rest: dict[str, object] = {**blank, "memory_gb": "", "seed": ""}
    return [
        {"what": "known pairs found", "value": len(found & known), "of": len(known), **rest},
        {
            "what": "pairs taken for one that are two",
            "value": len(found - known),
            "of": radiographs * (radiographs - 1) // 2 - len(known),
            **rest,
        },
    ]


def joined(pairs: set[frozenset[str]]) -> set[frozenset[str]]:
    """All pairs of groups whose members are linked by pairs: equal to the same is equal."""
    groups: list[set[str]] = []
    for pair in pairs:
        near = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair]
        groups.append(set(pair).union(*near))
    return {frozenset(two) for group in groups for two in combinations(sorted(group), 2)}


def main() -> None:
    """Prints one line a measurement and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("speed", "known"))
    parser.add_argument("--films", type=Path, nargs="+", required=True)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--timed", type=int, default=40_000)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    manifests = [Manifest.read(path) for path in options.films]
    if options.part == "speed":
        rows = [measure_speed(films_of(manifests), options.many, options.timed)]
    else:
        rows = measure_known(manifests, options.pairs)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items() if value != ""))
        if options.record:
            record("duplicates", row)


if __name__ == "__main__":
    main()
