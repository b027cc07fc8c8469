"""Image-report retrieval of a model, beside the same network untrained: `--record` keeps the rows.

python benchmarks/retrieval.py --run runs/maco --recipe maco_small --data cohort.parquet \
    --name phantom
"""

import argparse
from pathlib import Path

from carina.evaluation.retrieval import CHANCES, RECALLS, RetrievalSettings, evaluate_retrieval
from carina.studies.manifest import Manifest
from row import record
from untrained import pair


def main() -> None:
    """Measures both and prints a line for each direction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="model folder or run")
    parser.add_argument("--recipe", required=True, help="what the row calls the model")
    parser.add_argument("--data", type=Path, required=True, help="manifest")
    parser.add_argument("--name", required=True, help="what the row calls the data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    settings = RetrievalSettings(
        split=None if given.split == "all" else given.split,
        replicates=given.replicates,
        seed=given.seed,
    )
    manifest = Manifest.read(given.data)
    for weights, model in pair(given.run, given.seed).items():
        found = evaluate_retrieval(model, manifest, settings)
        for direction, scores in found.findings.items():
            row: dict[str, object] = {
                "recipe": given.recipe,
                "weights": weights,
                "data": given.name,
                "split": given.split,
                "direction": direction,
                "images": found.images,
                "reports": found.settings["candidate_reports"],
                "seed": given.seed,
            }
            for name, chance in zip(RECALLS, CHANCES, strict=True):
                score = scores[name]
                row |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
                row[chance] = scores[chance].value
            print(row)
            if given.record:
                record("retrieval", row)


if __name__ == "__main__":
    main()
