"""Phrase grounding of a model, beside the same network untrained: `--record` keeps the rows.

python benchmarks/phrase_grounding.py --run runs/maco --recipe maco_small --data cohort.parquet \
    --name phantom
python benchmarks/phrase_grounding.py --run runs/maco --recipe maco_small --data nih.parquet \
    --name nih --split all --template "Findings suggesting {name}"
"""

import argparse
from pathlib import Path

from carina.evaluation.phrase_grounding import PhraseGroundingSettings, evaluate_phrase_grounding
from carina.studies.manifest import Manifest
from row import record
from untrained import pair

METRICS = ("cnr", "miou", "pointing_game")


def main() -> None:
    """Measures both and prints one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="model folder or run")
    parser.add_argument("--recipe", required=True, help="what the row calls the model")
    parser.add_argument("--data", type=Path, required=True, help="manifest")
    parser.add_argument("--name", required=True, help="what the row calls the data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--template", default=None)
    parser.add_argument("--smooth", type=float, default=0.0)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    settings = PhraseGroundingSettings(
        split=None if given.split == "all" else given.split,
        template=given.template,
        smoothing=given.smooth,
        replicates=given.replicates,
        seed=given.seed,
    )
    manifest = Manifest.read(given.data)
    for weights, model in pair(given.run, given.seed).items():
        found = evaluate_phrase_grounding(model, manifest, settings)
        row: dict[str, object] = {
            "recipe": given.recipe,
            "weights": weights,
            "data": given.name,
            "split": given.split,
            "asked_by": found.settings["asked_by"],
            "smoothing": given.smooth,
            "phrases": found.settings["phrases"],
            "images": found.images,
            "seed": given.seed,
        }
        for metric in METRICS:
            score = found.mean[f"{metric}_samples"]
            row |= {metric: score.value, f"{metric}_low": score.low, f"{metric}_high": score.high}
        row |= {
            "cnr_categories": found.mean["cnr"].value,
            "miou_categories": found.mean["miou"].value,
            "usual_place": found.mean["position_baseline_samples"].value,
            "chance": found.mean["chance_samples"].value,
        }
        print(row)
        if given.record:
            record("phrase_grounding", row)


if __name__ == "__main__":
    main()
