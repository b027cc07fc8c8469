"""What a run folder adds to a page: training curves, the similarity map, how it was made."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from carina.pages.report_content import RunFact, SimilarityMap, TrainingLog
from carina.pretraining.similarity import NUMBERS
from carina.training.checkpoint import read_progress
from carina.training.log import read_log
from carina.training.loop import CHECKPOINT, METRICS

RATE = "rate"
STEP = "step"
RECORD = "run.json"
IDENTITY = {"studies": "studies trained on", "seed": "seed of training"}
SURROUNDINGS = ("python", "torch", "processor", "cores", "threads", "gpu")


def training_logs(run: Path, stages: Sequence[str]) -> tuple[TrainingLog, ...]:
    """What each stage of a run logged; stages that were taken from another run are left out."""
    files = [(stage, run / stage / METRICS) for stage in stages]
    return tuple(training_log(stage, file) for stage, file in files if file.exists())


def training_log(stage: str, file: Path) -> TrainingLog:
    """The log of one stage, nan where a step lacks a number."""
    rows = read_log(file)
    names = dict.fromkeys(name for row in rows for name in row)
    series = {name: [row.get(name, float("nan")) for row in rows] for name in names}
    steps, rate = series.pop(STEP, []), series.pop(RATE, [])
    return TrainingLog(stage=stage, steps=steps, losses=series, learning_rate=rate)


def similarity_of(run: Path, stages: Sequence[str]) -> SimilarityMap | None:
    """The similarity map that a stage of a run drew, if one did."""
    for stage in stages:
        file = run / stage / NUMBERS
        if file.exists():
            plain = json.loads(file.read_text(encoding="utf-8"))
            return SimilarityMap(
                names=tuple(plain["names"]),
                before=np.array(plain["before"]),
                after=np.array(plain["after"]),
            )
    return None


def run_facts(run: Path, stages: Sequence[str]) -> tuple[RunFact, ...]:
    """How a run was made: data, seed, versions, hardware, and how long each stage took."""
    record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    found = {label: record[name] for name, label in IDENTITY.items() if name in record}
    surroundings = record.get("environment", {})
    found |= {name: surroundings[name] for name in SURROUNDINGS if name in surroundings}
    for stage in stages:
        checkpoint = run / stage / CHECKPOINT
        if checkpoint.exists():
            done = read_progress(checkpoint)
            found[f"training, {stage}"] = f"{done.step:,} steps in {done.seconds:,.0f} s"
    return tuple(RunFact(name=name, value=str(value)) for name, value in found.items())
