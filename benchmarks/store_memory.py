"""Memory of a pack against the number of images.

Usage: python benchmarks/store_memory.py [--images 2000 20000] [--record]

For each number a process of its own packs as many tiny pictures. They are made up, so that
decoding, whose memory is that of one picture, takes no part: what grows is what is kept of an
image. The largest resident memory of the process, and its growth an image from the first number.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from carina.imaging import packing
from carina.imaging.building import build_store
from carina.imaging.entry_table import KeyList
from carina.studies.packing import ImageFiles
from row import record

SEED = 0
SIZE = 16


def pack_made_up(images: int, folder: Path) -> float:
    """Packs pictures with keys as long as MIMIC-CXR's paths; gives the peak in MB."""
    picture = np.random.default_rng(SEED).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    packing.shrink = lambda path, size: (picture, SIZE, SIZE)
    numbers = pl.int_range(images).cast(pl.String).str.zfill(44)
    keys = pl.select(pl.format("files/p10/p10000000/s50000000/{}.jpg", numbers)).to_series()
    build_store(ImageFiles(KeyList(keys), folder), folder / "store", SIZE, processes=1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prints one line a number and records them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--inside", type=Path, help="pack in this process, in this folder")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(pack_made_up(given.images[0], given.inside)))
        return
    peaks: list[float] = []
    for images in given.images:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, __file__, "--images", str(images), "--inside", folder]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
        peaks.append(json.loads(done.stdout))
        more = images - given.images[0]
        grown = (peaks[-1] - peaks[0]) * 1e6 / more if more else 0.0
        line = {"images": images, "peak_mb": f"{peaks[-1]:.0f}", "bytes_an_image": f"{grown:.0f}"}
        print(line)
        if given.record:
            record("store_memory", {**line, "seed": SEED})


if __name__ == "__main__":
    main()
