"""Where models that learnt from drawn and a few real pairs point on real radiographs.

    python benchmarks/real_grounding.py --data DATA --phantom annotated.parquet \
        --recipe medklip_small --work build/real_grounding --record
    python benchmarks/real_grounding.py --data DATA --run runs/kad --trained-on phantom --record

DATA holds `covid_cxr` and `nih_cxr`, each with a `manifest.csv` as `carina index csv` reads it.
"Lung opacity" is asked of the boxes of RSNA's readers on nih_cxr, and of the ground glass and
consolidation masks of covid_cxr; pneumonia, as MedKLIP's paper asks it, of the boxes too. Trained
on: the phantom cohort and those covid_cxr training pairs whose patients have no such mask, so no
patient that is scored was seen. nih_cxr has no reports and is not trained on. Thresholds come from
patients apart, the validation part of nih_cxr and a quarter of the mask patients of covid_cxr.
"""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import carina
from carina.annotation.annotate import annotate_manifest
from carina.annotation.rules import Rules
from carina.datasets.declaration import Release
from carina.datasets.indexing import index_release
from carina.datasets.registry import DATASETS
from carina.evaluation.grounding import evaluate_grounding
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.result import Evaluation, Score
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import RunOptions, pretrain
from carina.studies.joining import join_manifests
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Study
from row import record

MASKS = ("ground glass opacities", "consolidation")
OPACITY = "lung opacity"
ASKED = {
    "nih_cxr boxes": ((OPACITY, "pneumonia"), {"pneumonia": ("Lung Opacity",)}),
    "covid_cxr masks": ((OPACITY,), {OPACITY: MASKS}),
}
SHOWN = (
    *("pointing_game", "chance", "position_baseline"),
    *("pointing_over_chance", "pointing_over_position"),
    *("detection_precision", "detection_recall", "iou", "dice", "dice_best_on_test", "cnr"),
)


def main() -> None:
    """Trains, or takes, a model and records a row a set and finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--phantom", type=Path, help="annotated manifest of a phantom cohort")
    parser.add_argument("--recipe", default="medklip_small")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--knowledge", type=Path, help="a run whose knowledge stage to take")
    parser.add_argument("--run", type=Path, help="a finished run")
    parser.add_argument("--trained-on", default="phantom and covid_cxr")
    parser.add_argument("--work", type=Path, default=Path("build/real_grounding"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    sets = real_sets(arguments.data, arguments.work)
    run = arguments.run or trained(arguments, sets["covid_cxr masks"])
    model = carina.load(run).model
    for name, (queries, outlines) in ASKED.items():
        how = GroundingSettings(outlines=outlines)
        found = evaluate_grounding(model, sets[name], queries, how, model_name=arguments.recipe)
        for query in queries:
            row = {
                "recipe": arguments.recipe,
                "settings": " ".join(arguments.settings),
                "trained_on": arguments.trained_on,
                "seed": arguments.seed,
                **row_of(found, name, query),
            }
            print("\n".join(f"{key:<24} {value}" for key, value in row.items()), end="\n\n")
            if arguments.record:
                record("real_grounding", row)


def real_sets(data: Path, work: Path) -> dict[str, Manifest]:
    """Both sets, split so that what is scored was neither trained nor tuned on."""
    work.mkdir(parents=True, exist_ok=True)
    sets = {}
    for folder in ("nih_cxr", "covid_cxr"):
        release = Release(root=data / folder)
        indexed = index_release(DATASETS["csv"], release, work / f"{folder}.parquet")
        told = any(study.report.text.strip() for study in indexed.studies)
        read = annotate_manifest(indexed, Rules()).studies if told else indexed.studies
        sets[folder] = indexed.with_studies(read)
    nih, covid = sets["nih_cxr"], sets["covid_cxr"]
    held = {study.patient_id for study in covid.studies if masked(study)}
    return {
        "nih_cxr boxes": nih.with_studies(
            [replace(s, split="validate" if s.split == "validate" else "test") for s in nih.studies]
        ),
        "covid_cxr masks": covid.with_studies(
            [
                replace(s, split="validate" if quarter(s.patient_id) else "test")
                if s.patient_id in held
                else s
                for s in covid.studies
                if s.patient_id in held or s.split == "train"
            ]
        ),
    }


def masked(study: Study) -> bool:
    """Whether a radiologist outlined an opacity."""
    return any(mask.label in MASKS for mask in study.masks)


def quarter(patient: str) -> bool:
    """Every fourth patient or so, the same ones always."""
    return hashlib.sha1(f"threshold:{patient}".encode()).digest()[0] < 64


def trained(arguments: argparse.Namespace, covid: Manifest) -> Path:
    """The folder of a run on the phantom cohort and the real pairs."""
    pairs = [s for s in covid.studies if s.split == "train" and s.report.text.strip()]
    real = write_manifest(pairs, arguments.work / "covid_pairs.parquet", covid.root)
    joined = join_manifests(
        [Manifest.read(arguments.phantom), real], arguments.work / "both.parquet"
    )
    print(f"{len(pairs)} real pairs of {len(joined.split('train'))}")
    run = arguments.work / f"{arguments.recipe}_{arguments.seed}_{len(arguments.settings)}"
    recipe = with_settings(find_recipe(arguments.recipe), arguments.settings)
    start = {"knowledge": arguments.knowledge} if arguments.knowledge else {}
    options = RunOptions(seed=arguments.seed, resume=run.exists(), start=start)
    pretrain(recipe, joined, run, options)
    return run


def row_of(found: Evaluation, name: str, query: str) -> dict[str, object]:
    """What was measured of one finding."""
    of_query = found.predictions.filter(found.predictions["query"] == query)
    return {
        "set": name,
        "finding": query,
        "cases": found.positives[query],
        "patients": of_query["patient"].n_unique(),
        "threshold": found.thresholds[query].value,
        **{metric: shown(found.findings[query][metric]) for metric in SHOWN},
    }


def shown(score: Score) -> str:
    """A value with its interval, in three digits."""
    if score.value is None:
        return f"undefined: {score.reason}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


if __name__ == "__main__":
    main()
