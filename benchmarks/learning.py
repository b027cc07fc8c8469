"""What a recipe learns on the synthetic cohort: scores on patients never seen, with intervals.

    python benchmarks/learning.py --record                          # kad_small, its own length
    python benchmarks/learning.py --recipe kad_small_no_dqn --seed 1 --set steps=1000 --record

Each row of learning.csv is one training. Settings are tuned on validation patients; the numbers
are of test patients. Findings that never occur in training are named in `carina.phantom.findings`
and shown whatever they are.
"""

import argparse
import json
import os
from pathlib import Path

import torch

import carina
from carina.annotation.annotate import annotate_manifest
from carina.annotation.rules import Rules
from carina.datasets.declaration import Release
from carina.datasets.indexing import index_release
from carina.datasets.registry import DATASETS
from carina.evaluation.compare import mean_over
from carina.evaluation.grounding import GroundingSettings, evaluate_grounding
from carina.evaluation.result import Score
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.knowledge.chest import chest_graph
from carina.phantom.cohort import PhantomConfig, write_cohort
from carina.phantom.findings import FOCAL, SEEN, UNSEEN
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest, write_manifest
from carina.training.checkpoint import read_progress
from carina.training.loop import CHECKPOINT
from carina.zeroshot.protocol import ZeroShotModel
from row import record

NEAR = 8 / 224
"""How far outside an outline still counts in the columns that end in `_near`: 8 px of 224."""


def main() -> None:
    """Trains one recipe with one seed and measures it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="kad_small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--studies", type=int, default=PhantomConfig().studies)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--split", default="test", help="validate while tuning")
    parser.add_argument("--work", type=Path, default=Path("build/learning"))
    parser.add_argument("--store", type=Path, nargs="*", default=[], help="if packed before")
    parser.add_argument("--run", type=Path, help="a finished run of this recipe and cohort")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    manifest = cohort(arguments.work / f"cohort{arguments.studies}", arguments.studies)
    words = "_".join([arguments.recipe, str(arguments.seed), *arguments.settings])
    run = arguments.work / words.replace("=", "").replace("/", "")
    recipe = with_settings(find_recipe(arguments.recipe), arguments.settings)
    if arguments.run is None:
        options = RunOptions(seed=arguments.seed, resume=True, stores=tuple(arguments.store))
        pretrain(recipe, manifest, run, options)
    else:
        run = arguments.run
    row = {
        "recipe": arguments.recipe,
        "settings": " ".join(arguments.settings),
        "seed": arguments.seed,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[1] / os.cpu_count(), 2),
        "training_seconds": round(seconds(run, recipe.stages)),
        **scores(run, manifest, arguments.split),
    }
    for name, value in row.items():
        print(f"{name:<28} {value}")
    if arguments.record:
        record("learning", row)


def cohort(folder: Path, studies: int) -> Manifest:
    """The annotated manifest of a cohort, drawn once."""
    path = folder / "annotated.parquet"
    if not path.exists():
        write_cohort(PhantomConfig(studies=studies), folder)
        release = Release(root=folder)
        indexed = index_release(DATASETS["phantom"], release, folder / "indexed.parquet")
        read = annotate_manifest(indexed, Rules()).studies
        write_manifest(read, path, indexed.root)
    return Manifest.read(path)


def seconds(run: Path, stages: tuple) -> float:
    """Wall time of all stages' steps, as their checkpoints say."""
    return sum(
        read_progress(run / stage.name / CHECKPOINT).seconds
        for stage in stages
        if (run / stage.name / CHECKPOINT).exists()
    )


def scores(run: Path, manifest: Manifest, split: str) -> dict[str, object]:
    """Means over seen, unseen and focal findings, each with its interval."""
    model = carina.load(run).model
    unseen = UNSEEN if split == "test" else ()
    tuned_on = "validate" if split == "test" else None
    how = ZeroShotSettings(split=split, threshold_split=tuned_on)
    by_name = [carina.Query(name, name) for name in unseen]  # even where a model describes
    named = evaluate_zero_shot(model, manifest, [*SEEN, *by_name], how)
    row: dict[str, object] = {"seen_auc": shown(mean_over(named, SEEN)["auc"])}
    described = [carina.Query(name, definition_of(name)) for name in unseen]
    if described:
        row["unseen_auc"] = shown(mean_over(named, unseen)["auc"])
        told = evaluate_zero_shot(model, manifest, described, how)
        row["unseen_described_auc"] = shown(told.mean["auc"])
    row |= pointing(model, manifest, split)
    near = pointing(model, manifest, split, margin=NEAR)
    row |= {f"{name}_near": value for name, value in near.items()}
    row["each_auc"] = json.dumps(
        {name: digits(named.findings[name]["auc"]) for name in named.findings}
    )
    return row


def definition_of(name: str) -> str:
    """What the embedded graph says a finding looks like."""
    concept = chest_graph().find(name)
    assert concept is not None, name
    return concept.definition


def pointing(
    model: ZeroShotModel, manifest: Manifest, split: str, margin: float = 0.0
) -> dict[str, object]:
    """The pointing game on focal findings that were seen, beside its two baselines."""
    focal = [name for name in FOCAL if name in SEEN]
    how = GroundingSettings(split=split, threshold_split=None, margin=margin)
    mean = evaluate_grounding(model, manifest, focal, how).mean
    return {name: shown(mean[name]) for name in ("pointing_game", "chance", "position_baseline")}


def digits(score: Score) -> float | None:
    """A value in four digits; None where it is undefined."""
    return None if score.value is None else round(score.value, 4)


def shown(score: Score) -> str:
    """A value with its interval, in three digits."""
    if score.value is None:
        return f"undefined: {score.reason}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


if __name__ == "__main__":
    main()
