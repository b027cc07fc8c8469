"""How long each task of `carina finetune` takes on this machine, as a user calls it.

    python benchmarks/finetune_times.py --start runs/kad --cohort cohort.parquet --root cohort \
        --store store/112 --covid covid.parquet --covid-store covid.store --record

Every task runs once with its default settings, from one start, on all labels, as a process of its
own: seconds by the clock and of the CPU, from the command's first moment to its page. Pictures come
from a packed store. `load` is how many processes wanted a core as the task began, and says whether
the clock can be trusted.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from row import record

FINDINGS = ("pneumothorax", "pulmonary edema", "cardiomegaly")
CLASSES = ("COVID-19", "No Finding")


@dataclass(frozen=True)
class Timed:
    """One call: the task, the data that it is called on, its findings and further options."""

    task: str
    data: str
    names: tuple[str, ...]
    options: tuple[str, ...] = ()


CALLS = (
    Timed("linear-probe", "phantom", FINDINGS),
    Timed("query-probe", "phantom", FINDINGS),
    Timed("classification", "phantom", FINDINGS),
    Timed("query-classification", "phantom", FINDINGS),
    Timed("segmentation", "phantom", ("cardiomegaly",)),
    Timed("detection", "phantom", ("cardiomegaly", "nodule")),
    Timed("yolo-detection", "phantom", ("cardiomegaly", "nodule")),
    Timed("grading", "phantom", ("pulmonary edema",)),
    Timed("segmentation", "covid_cxr", ("lung",)),
    Timed("multiclass", "covid_cxr", CLASSES, ("--folds", "3")),
    Timed("severity", "covid_cxr", ("brixia_senior_global",), ("--folds", "5")),
)


def timed(call: Timed, model: Path, data: Sequence[str]) -> dict[str, object]:
    """Runs a call to its end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    named = [part for name in call.names for part in ("--finding", name)]
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "carina", "finetune", call.task, str(model), *data]
        line += [*named, *call.options, "--out", f"{folder}/tuned"]
        load, before = os.getloadavg()[0], resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "task": call.task,
        "data": call.data,
        "start": model.parent.name if model.name == "model" else model.name,
        "names": "; ".join(call.names),
        "options": " ".join(call.options),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "load": round(load, 2),
    }


def rows(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each call that was asked for."""
    places = {
        "phantom": [arguments.cohort, "--root", arguments.root, "--store", arguments.store],
        "covid_cxr": [arguments.covid, "--store", arguments.covid_store],
    }
    for call in CALLS:
        if not arguments.only or call.task in arguments.only:
            yield timed(call, arguments.start, [str(part) for part in places[call.data]])


def main() -> None:
    """Times the tasks one after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("start", "cohort", "root", "store", "covid", "covid-store"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], help="TASK")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    for row in rows(arguments):
        print(row)
        if arguments.record:
            record("finetune_times", row)


if __name__ == "__main__":
    main()
