"""Label efficiency: what each share of the labels is worth, for each start, with intervals.

    python benchmarks/finetuning.py linear-probe --model runs/kad --manifest cohort.parquet \
        --finding pneumothorax --finding edema --steps 120 --record

Each row of finetuning.csv is one metric of one start and one fraction: the mean over findings and
seeds on test patients, with its 95% interval over patients and seeds. Starts of one call have one
kind of encoder; `random` is that encoder with fresh weights. A stopped call goes on.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from carina.evaluation.detection import evaluate_detection
from carina.evaluation.efficiency import MEASURES, EfficiencyRow, Measurement, efficiency_rows
from carina.evaluation.grading import evaluate_grading
from carina.evaluation.pooling import pooled
from carina.evaluation.result import Evaluation
from carina.evaluation.segmentation import SegmentationScoring, evaluate_segmentation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.finetuning.detector import Detector
from carina.finetuning.grader import Grader
from carina.finetuning.segmenter import Segmenter
from carina.models.load import load
from carina.runs.finetune import Tuned, finetune
from carina.runs.job import TaskSettings
from carina.runs.request import FinetuneRequest
from carina.studies.manifest import Manifest
from carina.training.settings import TrainingSettings
from row import record

ENCODERS = {"ResNetConfig": "ResNet", "ViTConfig": "ViT", "MaskedViTConfig": "ViT"}
FEW = 10
"""Resamples of a single model's evaluation: its intervals are not used, those of rows are."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One table: a task on some data, trained for one length whatever the start.

    `data` is what the table calls the data. Linear probes are solved, not trained: their `steps`
    are 0.
    """

    task: str
    data: str
    manifest: Path
    root: Path
    names: tuple[str, ...]
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    seeds: int = 3
    folds: int | None = None
    steps: int = 0
    batch_size: int = 16
    stores: tuple[Path, ...] = ()

    def request(self) -> FinetuneRequest:
        """What is asked of `finetune`."""
        return FinetuneRequest(
            task=self.task,
            names=self.names,
            fractions=self.fractions,
            seeds=tuple(range(self.seeds)),
            folds=self.folds,
            stores=self.stores,
            settings=self.settings(),
        )

    def settings(self) -> TaskSettings:
        """The defaults of every task, with the length of this table and three looks."""
        own = TaskSettings()
        if not self.steps:
            return own
        return replace(
            own,
            classification=replace(
                own.classification, training=self.shortened(own.classification.training)
            ),
            segmentation=replace(
                own.segmentation, training=self.shortened(own.segmentation.training)
            ),
            detection=replace(own.detection, training=self.shortened(own.detection.training)),
            grading=replace(own.grading, training=self.shortened(own.grading.training)),
        )

    def shortened(self, training: TrainingSettings) -> TrainingSettings:
        """A training of this table's length."""
        return replace(
            training,
            steps=self.steps,
            batch_size=self.batch_size,
            checkpoint_every=max(1, self.steps // 3),
        )


def measured(
    experiment: Experiment, models: Sequence[Path], work: Path, *, random_start: bool = True
) -> list[EfficiencyRow]:
    """Fine-tunes and measures all starts; what a stopped call has done is not done again."""
    manifest = Manifest.read(experiment.manifest, experiment.root)
    request = experiment.request()
    tuned = finetune(models, manifest, work, request, random_start=random_start, resume=True)
    measurements = list(measurements_of(tuned, request))
    measures = MEASURES[measurements[0].evaluation.task]
    return list(efficiency_rows(measurements, measures))


def measurements_of(tuned: Iterator[Tuned], request: FinetuneRequest) -> Iterator[Measurement]:
    """A measurement for each start, fraction and seed; folds are measured together."""
    for _, group in groupby(tuned, lambda one: (one.start, one.fraction, one.seed)):
        models = []
        evaluations = []
        for one in group:
            models.append(one)
            evaluations.append(evaluated(one, request))
        first = models[0]
        yield Measurement(
            start=first.start,
            fraction=first.fraction,
            seed=first.seed,
            patients=round(fmean(one.patients for one in models)),
            images=round(fmean(one.images for one in models)),
            evaluation=evaluations[0]
            if first.fold is None
            else pooled(evaluations, replicates=FEW),
        )


def evaluated(tuned: Tuned, request: FinetuneRequest) -> Evaluation:
    """The model on its test part, unless that was done before."""
    folder = tuned.folder / "evaluation"
    if not (folder / "evaluation.json").exists():
        evaluated_now(tuned, request).save(folder)
    return Evaluation.read(folder)


def evaluated_now(tuned: Tuned, request: FinetuneRequest) -> Evaluation:
    """The model on its test part, by the measure of its kind."""
    network, manifest = load(tuned.folder).model, tuned.manifest
    match network:
        case Detector():
            return evaluate_detection(network, manifest, replicates=FEW)
        case Segmenter():
            return evaluate_segmentation(network, manifest, SegmentationScoring(replicates=FEW))
        case Grader():
            return evaluate_grading(network, manifest, store=tuned.store, replicates=FEW)
    settings = ZeroShotSettings(replicates=FEW)
    return evaluate_zero_shot(network, manifest, request.names, settings, store=tuned.store)


def encoder_of(model: Path) -> str:
    """What kind of encoder a model folder holds."""
    network: Any = load(model).model
    return ENCODERS[type(network.image_encoder.config).__name__]


def records(
    experiment: Experiment, encoder: str, rows: Sequence[EfficiencyRow]
) -> Iterator[dict[str, object]]:
    """A line of the table for each metric."""
    for row in rows:
        for metric, score in row.mean.items():
            yield {
                "task": experiment.task,
                "data": experiment.data,
                "start": row.start,
                "encoder": encoder,
                "steps": experiment.steps,
                "batch": experiment.batch_size if experiment.steps else "",
                "fraction": row.fraction,
                "patients": row.patients,
                "images": row.images,
                "names": "; ".join(experiment.names),
                "seeds": row.seeds,
                "folds": experiment.folds or "",
                "metric": metric,
                "value": score.value,
                "low": score.low,
                "high": score.high,
            }


def main() -> None:
    """Fine-tunes and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--model", type=Path, action="append", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--store", type=Path, action="append", default=[])
    parser.add_argument("--finding", action="append", required=True)
    parser.add_argument("--fraction", type=float, action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--work", type=Path, default=Path("build/finetuning"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    experiment = Experiment(
        task=arguments.task,
        data=arguments.manifest.stem,
        manifest=arguments.manifest,
        root=arguments.root,
        names=tuple(arguments.finding),
        fractions=tuple(arguments.fraction or (0.01, 0.1, 1.0)),
        seeds=arguments.seeds,
        folds=arguments.folds,
        steps=arguments.steps,
        batch_size=arguments.batch,
        stores=tuple(arguments.store),
    )
    rows = measured(experiment, arguments.model, arguments.work)
    for line in records(experiment, encoder_of(arguments.model[0]), rows):
        print(line)
        if arguments.record:
            record("finetuning", line)


if __name__ == "__main__":
    main()
