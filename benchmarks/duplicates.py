"""How long the search for near duplicates takes among 100,000 thumbnails, and what it finds.

Usage: python benchmarks/duplicates.py speed --films a.parquet b.parquet [--record]
       python benchmarks/duplicates.py known --films a.parquet b.parquet --pairs known.csv
           [--record]

`speed` compares thumbnails of films that nobody has, morphed from pairs of films, in both signs,
by the code of `carina check` on all cores, and gives the time on the clock. (The third look, at
larger pictures, is left out: it needs files, and few pairs come to it.) `known` runs `carina check`
on some manifests and compares what it takes for one picture with a table of pairs that are one
(columns `first`, `second`: study ids).
"""

import argparse
import csv
import os
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carina.files import progress
from carina.imaging.fingerprint import EvenedThumbnails
from carina.imaging.glance import glance_at, thumbnails_of
from carina.imaging.reader import read_grey8
from carina.studies.checks import check
from carina.studies.duplicates import alike_thumbnails
from carina.studies.manifest import Manifest
from check import SEED, Films
from row import record


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


def morphs(films: Films, count: int) -> NDArray[np.uint8]:
    """Thumbnails of films that nobody has: two films laid over each other, and shifted."""
    thumbnails = thumbnails_of(films.glances)
    generator = np.random.default_rng(SEED)
    result = np.empty((count, *thumbnails.shape[1:]), np.uint8)
    for place in range(count):
        first, second = thumbnails[generator.integers(len(thumbnails), size=2)].astype(np.float32)
        share, shift = generator.uniform(0.3, 0.7), generator.integers(-4, 5, 2)
        result[place] = first * share + np.roll(second, shift, (0, 1)) * (1 - share)
    return result


def measure_speed(films: Films, count: int) -> dict[str, object]:
    """The search from thumbnails to pairs that are alike."""
    thumbnails = morphs(films, count)
    threads = len(os.sched_getaffinity(0))
    begun, begun_cpu = time.perf_counter(), time.process_time()
    even = EvenedThumbnails(thumbnails)
    found = list(alike_thumbnails([str(row) for row in range(count)], even, threads))
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
    return {
        "what": f"seconds on the clock, {threads} threads",
        "value": f"{seconds:.1f}",
        "of": count,
        "cpu_seconds": f"{cpu_seconds:.1f}",
        "alike": len(found),
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
    rest: dict[str, object] = dict.fromkeys(("cpu_seconds", "alike", "memory_gb", "seed"), "")
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
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    manifests = [Manifest.read(path) for path in options.films]
    if options.part == "speed":
        rows = [measure_speed(films_of(manifests), options.many)]
    else:
        rows = measure_known(manifests, options.pairs)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items() if value != ""))
        if options.record:
            record("duplicates", row)


if __name__ == "__main__":
    main()
