"""The ablations of the papers on the synthetic cohort: a small recipe against each.

    python benchmarks/ablations.py --steps 600 --record      # KAD; hours on a slow core
    python benchmarks/ablations.py --recipes medklip_small medklip_small_no_descriptions \
        medklip_small_no_position --steps 500 --record

Every training has the same images, batches and number of steps, shorter than kad_small's own. Each
row of ablations.csv is one training; intervals are over test patients. What is printed at the
end is the mean over seeds, and how far apart the seeds were.
"""

import argparse
import csv
import statistics
from pathlib import Path

from carina.phantom.cohort import PhantomConfig
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest
from learning import cohort, scores
from row import record

RECIPES = (
    "kad_small",
    "kad_small_no_stage_1",
    "kad_small_no_random_select",
    "kad_small_no_dqn",
    "kad_small_raw_reports",
    "kad_small_sentence_rule",
)
TABLE = Path(__file__).with_suffix(".csv")
SHOWN = ("seen_auc", "unseen_auc", "unseen_described_auc", "pointing_game")


def main() -> None:
    """Trains what has no row yet, then prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--studies", type=int, default=PhantomConfig().studies)
    parser.add_argument("--work", type=Path, default=Path("build/learning"))
    parser.add_argument("--store", type=Path, nargs="*", default=[], help="if packed before")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    manifest = cohort(arguments.work / f"cohort{arguments.studies}", arguments.studies)
    rows = []
    for seed in arguments.seeds:
        for name in arguments.recipes:
            known = found(name, seed, arguments.steps)
            row = known or measured(name, seed, arguments.steps, manifest, arguments)
            if arguments.record and not known:
                record("ablations", row)
            rows.append(row)
            print(*(row[key] for key in ("recipe", "seed", *SHOWN)), sep="  ", flush=True)
    print_means(rows)


def found(recipe: str, seed: int, steps: int) -> dict[str, object] | None:
    """The row of a training that was recorded before."""
    if not TABLE.exists():
        return None
    with TABLE.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if (row["recipe"], row["seed"], row["steps"]) == (recipe, str(seed), str(steps)):
                return dict(row)
    return None


def measured(
    name: str, seed: int, steps: int, manifest: Manifest, arguments: argparse.Namespace
) -> dict[str, object]:
    """Trains one recipe with one seed, or what is left of it, and measures it."""
    recipe = with_settings(find_recipe(name), [f"alignment.training.steps={steps}"])
    run = arguments.work / f"ablation_{name}_{seed}_{steps}"
    options = RunOptions(seed=seed, resume=True, stores=tuple(arguments.store))
    pretrain(recipe, manifest, run, options)
    return {
        "recipe": name,
        "seed": seed,
        "steps": steps,
        **scores(run, manifest, "test"),
    }


def print_means(rows: list[dict[str, object]]) -> None:
    """The mean over seeds of every figure, with the least and the most of a seed."""
    for name in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == name]
        print(f"{name:<28}", *(f"{key} {over_seeds(mine, key)}" for key in SHOWN), sep="  ")


def over_seeds(rows: list[dict[str, object]], key: str) -> str:
    """Mean, least and most over the seeds."""
    values = [float(str(row[key]).split()[0]) for row in rows if str(row[key])[:1].isdigit()]
    if not values:
        return "undefined"
    return f"{statistics.mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


if __name__ == "__main__":
    main()
