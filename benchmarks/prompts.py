r"""Zero-shot mean AUC of one model under every prompt set: `--record` keeps the rows.

python benchmarks/prompts.py --run runs/maco --recipe maco_small --data cohort.parquet \
    --store runs/maco/store/112 --name phantom
"""

import argparse
from pathlib import Path

import carina
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.zeroshot.prompts import PROMPT_SETS
from row import record


def main() -> None:
    """Evaluates under each set and prints a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="model folder or run")
    parser.add_argument("--recipe", required=True, help="what the row calls the model")
    parser.add_argument("--data", type=Path, required=True, help="manifest")
    parser.add_argument("--store", type=Path, default=None, help="image store")
    parser.add_argument("--name", required=True, help="what the row calls the data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    settings = ZeroShotSettings(
        split=None if given.split == "all" else given.split,
        threshold_split=None,
        replicates=given.replicates,
        seed=given.seed,
    )
    manifest = Manifest.read(given.data)
    store = None if given.store is None else ImageStore.open(given.store)
    for prompts in PROMPT_SETS:
        model = carina.load(given.run, prompts=prompts).model
        found = evaluate_zero_shot(model, manifest, None, settings, store=store)
        auc = found.mean["auc"]
        row: dict[str, object] = {
            "recipe": given.recipe,
            "data": given.name,
            "split": given.split,
            "prompts": prompts,
            "findings": sum(scores["auc"].value is not None for scores in found.findings.values()),
            "images": found.images,
            "seed": given.seed,
            "mean_auc": auc.value,
            "mean_auc_low": auc.low,
            "mean_auc_high": auc.high,
        }
        print(row)
        if given.record:
            record("prompts", row)


if __name__ == "__main__":
    main()
