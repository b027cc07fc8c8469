"""What each part of ECAMP is worth: its ablations at one short budget, probed with few labels.

    python benchmarks/ecamp_ablations.py --cohort annotated.parquet --root cohort --maps RUN \
        --store store/112 --store store/208 --steps 100 --record

`--maps` is a run whose stage `gloria` all of them share. Every training has the same images,
batches and number of steps, shorter than ecamp_small's own, and one seed. Rows of
ecamp_ablations.csv are linear probes with 1 and 10 % of the labels, three draws of patients each;
intervals are over test patients and draws. A stopped call goes on.
"""

import argparse
from pathlib import Path

from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest
from finetuning import Experiment, measured, records
from finetuning_tables import LABELS, told_of, written
from row import record

BASE = "ecamp_small"
ROWS = ("plain", "cd", "cd_dm", "no_sr", "no_cd", "no_dm", "no_rf", "global", "local", "mrm", "mae")


def main() -> None:
    """Trains what was not trained yet, then probes all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--store", type=Path, action="append", required=True)
    parser.add_argument("--rows", nargs="*", default=ROWS)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--work", type=Path, default=Path("build/ecamp_ablations"))
    parser.add_argument("--probe", action="store_true", help="probe what is there, train nothing")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    cohort = Manifest.read(options.cohort, options.root)
    names = [BASE, *(f"{BASE}_{row}" for row in options.rows)]
    if not options.probe:
        for name in names:
            trained(name, cohort, options)
    runs = [options.work / name for name in names if (options.work / name / "model").exists()]
    labelled = written(cohort, options.work / "labelled.parquet", lambda one: told_of(one, LABELS))
    experiment = Experiment(
        task="linear-probe",
        data="phantom",
        manifest=labelled,
        root=cohort.root,
        names=LABELS,
        fractions=(0.01, 0.1),
        stores=tuple(options.store),
    )
    for line in records(experiment, "ViT", measured(experiment, runs, options.work / "probe")):
        row = {"pretraining_steps": options.steps, **line}
        print(row, flush=True)
        if options.record:
            record("ecamp_ablations", row)


def trained(name: str, cohort: Manifest, options: argparse.Namespace) -> None:
    """Trains one recipe, or what is left of it."""
    run = options.work / name
    if (run / "model").exists():
        return
    recipe = with_settings(find_recipe(name), [f"ecamp.training.steps={options.steps}"])
    shared = {stage.name: options.maps for stage in recipe.stages if stage.name == "gloria"}
    pretrain(
        recipe, cohort, run, RunOptions(start=shared, stores=tuple(options.store), resume=True)
    )
    print(f"trained {name}", flush=True)


if __name__ == "__main__":
    main()
