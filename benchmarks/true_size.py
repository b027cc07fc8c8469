"""Recipes at true size, a few steps each: that they run, how fast, and in how much memory.

    python benchmarks/true_size.py kad_paper_vit kad_paper_512 --batch 4 --record

Each recipe runs in a process of its own, on a phantom cohort, both stages from fresh weights.
Speed is the batch over the median time of the steps after the first; on busy cores read the CPU
seconds instead.
"""

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from row import record

TIMED = """
import sys, time, csv, runpy
from carina.training import loop
plain = loop.take_step
rows = open(sys.argv[1], "a")
def take_step(training, wrapped, *rest):
    wall, cpu = time.perf_counter(), time.process_time()
    values = plain(training, wrapped, *rest)
    now = time.perf_counter() - wall, time.process_time() - cpu
    print(training.title, *now, values["loss"], sep=",", file=rows, flush=True)
    return values
loop.take_step = take_step
from carina.cli.main import main
main(sys.argv[2:])
"""


def cohort(folder: Path, studies: int) -> Path:
    """A phantom cohort, indexed."""
    manifest = folder / "cohort.parquet"
    for words in (
        ["phantom", folder / "cohort", "--studies", str(studies)],
        ["index", "phantom", folder / "cohort", "--out", manifest],
    ):
        subprocess.run(
            [sys.executable, "-m", "carina", *map(str, words)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return manifest


def run(recipe: str, manifest: Path, folder: Path, batch: int, steps: int) -> dict[str, object]:
    """One recipe; the row of its second stage."""
    timings = folder / f"{recipe}.csv"
    words = ["pretrain", recipe, "--data", manifest, "--out", folder / recipe]
    words += ["--set", f"steps={steps}", "--set", f"batch_size={batch}"]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", TIMED, str(timings), *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    whole = time.perf_counter() - started
    with timings.open(newline="") as file:
        found = [[float(x) for x in row[1:]] for row in csv.reader(file) if row[0] == "alignment"]
    wall = statistics.median(row[0] for row in found[1:])
    cpu = statistics.median(row[1] for row in found[1:])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {
        "recipe": recipe,
        "seed": 0,
        "batch": batch,
        "steps": steps,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "step_seconds": round(wall, 2),
        "slowest_step_seconds": round(max(row[0] for row in found[1:]), 2),
        "step_cpu_seconds": round(cpu, 2),
        "images_per_second": round(batch / wall, 3),
        "images_per_cpu_second": round(batch / cpu, 3),
        "peak_gib_so_far": round(peak, 2),
        "whole_run_seconds": round(whole),
        "last_loss": round(found[-1][2], 4),
    }


def main() -> None:
    """Runs the recipes named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["kad_paper"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = cohort(folder, given.studies)
        for recipe in given.recipes:
            row = run(recipe, manifest, folder, given.batch, given.steps)
            print(row)
            if given.record:
                record("true_size", row)


if __name__ == "__main__":
    main()
