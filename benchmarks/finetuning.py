"""Label efficiency: what each share of the labels is worth, for each start, with intervals.

    python benchmarks/finetuning.py --model runs/kad --manifest cohort.parquet --record

Each row of finetuning.csv (of masks: finetuning_segmentation.csv) is one start and one fraction:
the mean over findings and seeds on test patients, with its 95% interval over patients and seeds.
"""

import argparse
from pathlib import Path

from carina.evaluation.efficiency import MEASURES, Measurement, efficiency_rows
from carina.evaluation.segmentation import evaluate_segmentation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.finetuning.segmenter import Segmenter
from carina.models.load import load
from carina.runs.finetune import FinetuneRequest, finetune
from carina.studies.manifest import Manifest
from carina.studies.truth import listed_findings
from row import record

TABLES = {"zero-shot": "finetuning", "segmentation": "finetuning_segmentation"}
"""The table of each kind of measure: their columns differ."""


def main() -> None:
    """Fine-tunes and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="linear-probe")
    parser.add_argument("--model", type=Path, action="append", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--store", type=Path, action="append", default=[])
    parser.add_argument("--finding", action="append", default=[])
    parser.add_argument("--fraction", type=float, action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/finetuning"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    manifest = Manifest.read(arguments.manifest, arguments.root)
    request = FinetuneRequest(
        task=arguments.task,
        names=tuple(arguments.finding or listed_findings(manifest.studies)),
        fractions=tuple(arguments.fraction or (0.01, 0.1, 1.0)),
        seeds=tuple(range(arguments.seeds)),
        stores=tuple(arguments.store),
    )
    measurements = []
    for tuned in finetune(
        arguments.model, manifest, arguments.work, request, random_start=True, resume=True
    ):
        network = load(tuned.folder).model
        if isinstance(network, Segmenter):
            evaluation = evaluate_segmentation(network, manifest)
        else:
            settings = ZeroShotSettings(unmentioned=request.settings.unmentioned, replicates=10)
            evaluation = evaluate_zero_shot(
                network, manifest, request.names, settings, store=tuned.store
            )
        measurements.append(
            Measurement(
                start=tuned.start,
                fraction=tuned.fraction,
                seed=tuned.seed,
                patients=tuned.patients,
                images=tuned.images,
                evaluation=evaluation,
            )
        )
    measures = MEASURES[measurements[0].evaluation.task]
    for row in efficiency_rows(measurements, measures):
        values = {
            "task": arguments.task,
            "data": arguments.manifest.stem,
            "start": row.start,
            "fraction": row.fraction,
            "patients": row.patients,
            "images": row.images,
            "findings": len(request.names),
            "seeds": row.seeds,
        }
        for metric, score in row.mean.items():
            values |= {
                metric: score.value,
                f"{metric}_low": score.low,
                f"{metric}_high": score.high,
            }
        print(values)
        if arguments.record:
            record(TABLES[measurements[0].evaluation.task], values)


if __name__ == "__main__":
    main()
