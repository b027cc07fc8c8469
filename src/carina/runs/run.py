"""Carries out a recipe: stage by stage, in one folder, which a killed run continues.

run folder
  run.json          what was run: recipe, seed, data and graph digests, versions, hardware
  trained_on.parquet  the patients of the training, for `carina check --model`
  store/            the image store, unless one was given
  process1.log ...  what other processes than the first had to say
  <stage>/          checkpoint, metrics.csv, pictures, model/ (what the stage hands on)
  model/            the last stage's model: what `carina.load` reads
"""

import functools
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy

from carina.errors import CheckpointError, ConfigError, ManifestError, OutputError
from carina.files import atomic_folder, write_text
from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import ConceptGraph
from carina.models.codec import to_json
from carina.models.folder import CONFIG, WEIGHTS, load_model, save_model
from carina.pretraining.stage import PreparedStage, Stage, StageInputs
from carina.recipes.recipe import Recipe
from carina.runs.card import model_card
from carina.runs.stores import check_stores, opened_store
from carina.studies.exclusion import Excluded, without_patients
from carina.studies.manifest import Manifest
from carina.studies.packing import images_to_pack
from carina.studies.trained_on import write_trained_on
from carina.training.distributed import started_by_hand
from carina.training.environment import environment
from carina.training.loop import Training, train

RECORD = "run.json"
MODEL = "model"
SHOWN = 5  # differences in a message
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run needs beside recipe and data.

    `stores` are image stores to use instead of building one in the run folder. `start` maps the
    name of a stage to the folder of another run whose stage of that name is used as it is.
    `split` names the part of the manifest to train on; studies without a split are taken too.
    `exclude` are manifests whose patients are left out of it, such as those to be measured on.
    """

    seed: int = 0
    stores: Sequence[Path] = ()
    graph: Path | None = None
    start: Mapping[str, Path] = field(default_factory=dict)
    devices: int = 1
    resume: bool = False
    split: str = "train"
    exclude: Sequence[Path] = ()
    logs: tuple[type, ...] = ()


def pretrain(
    recipe: Recipe, manifest: Manifest, out: Path, options: RunOptions | None = None
) -> Path:
    """Runs all stages of a recipe that are not done yet.

    Returns:
        The model folder, `out/model`.

    Raises:
        OutputError: `out` holds a run already and `resume` was not asked for.
        CheckpointError: the run in `out` was made with other settings or data.
        ConfigError: `start` names no stage of the recipe, or batches do not divide over devices.
        ManifestError: the split is empty or has no frontal radiograph, or the root is no folder.
        StoreError: a store that was given is none, or none has the size that a stage wants.
        TrainingError: the loss is not finite.
    """
    options = options or RunOptions()
    check_start(recipe, options)
    check_devices(recipe, options.devices)
    training_part, excluded = without_patients(
        part_to_train_on(manifest, options.split), [Manifest.read(path) for path in options.exclude]
    )
    tell_excluded(excluded)
    graph = ConceptGraph.read(options.graph) if options.graph else chest_graph()
    folders = {one: start_folder(one, recipe, options) or out / one.name for one in recipe.stages}
    to_train = [stage for stage, folder in folders.items() if not is_finished(folder)]
    check_stores(to_train, tuple(options.stores))
    if not options.stores:
        images_to_pack(training_part)  # now, and not after hours of an earlier stage
    if started_by_hand():  # before there are others, who would have to be told of a refusal
        open_run(out, recipe, training_part, graph, options, excluded)
    fabric = launched_fabric(recipe, out, options)
    finished: dict[str, Path] = {}
    for stage in recipe.stages:
        finished[stage.name] = start_folder(stage, recipe, options) or out / stage.name
        if not is_finished(finished[stage.name]):
            inputs = StageInputs(
                manifest=training_part,
                store=functools.partial(opened_store, training_part, out, tuple(options.stores)),
                graph=graph,
                finished=dict(finished),
                load=load_model,
                folder=finished[stage.name],
                seed=options.seed,
                device=fabric.device,
            )
            run_stage(stage, recipe, inputs, fabric_for(stage, options, fabric), options)
    if fabric.is_global_zero:
        hand_over(finished[recipe.stages[-1].name] / MODEL, out / MODEL)
    fabric.barrier()
    return out / MODEL


def part_to_train_on(manifest: Manifest, split: str) -> Manifest:
    """The studies of a split; all of them where no study has one.

    Raises:
        ManifestError: no study is in that split, or none of them has a report.
    """
    unsplit = all(study.split is None for study in manifest.studies)
    part = manifest if unsplit else manifest.split(split)
    if not any(study.report.text.strip() or study.report.entities for study in part.studies):
        raise ManifestError(
            f"{manifest.path}: none of {len(part.studies)} studies to train on has a report; "
            "expected radiographs with reports, which are what a model learns from. Data without "
            "reports can be asked about and measured on: carina ask, carina evaluate."
        )
    return part


def launched_fabric(recipe: Recipe, out: Path, options: RunOptions) -> Fabric:
    """Starts the processes; with one device nothing is started.

    What the first process says is true of all: what others say goes to a file of the run.
    """
    for package in ("lightning.fabric", "lightning.pytorch"):  # which tell of each process
        logging.getLogger(package).setLevel(logging.WARNING)
    fabric = fabric_of(recipe.stages[0], options)
    fabric.launch()
    if not fabric.is_global_zero:
        with (out / f"process{fabric.global_rank}.log").open("ab") as file:
            os.dup2(file.fileno(), sys.stderr.fileno())
    return fabric


def check_devices(recipe: Recipe, devices: int) -> None:
    """Refuses a number of devices that there are not, or that batches do not divide over.

    Raises:
        ConfigError: says which.
    """
    if devices < 1:
        raise ConfigError(f"--devices must be at least 1, got {devices}.")
    if torch.cuda.is_available() and devices > torch.cuda.device_count():
        raise ConfigError(
            f"--devices {devices}: this machine has {torch.cuda.device_count()} GPUs. Ask for as "
            "many at most."
        )
    for stage in recipe.stages:
        if stage.training.batch_size % devices:
            raise ConfigError(
                f"--devices {devices}: the batch of {stage.name} ({stage.training.batch_size}) "
                "does not divide over so many processes. Choose a number that divides it, or set "
                f"another with --set {stage.name}.training.batch_size=N."
            )


def fabric_of(stage: Stage, options: RunOptions) -> Fabric:
    """A Fabric with the stage's precision."""
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    # Buffers are equal in all processes as it is, and those of a large training set would be sent
    # at every step. Others wait while the first process builds a store, which can take hours.
    several = DDPStrategy(forward_sync_buffers=False, timeout=timedelta(days=2))
    strategy = several if options.devices > 1 else "auto"
    precision: Any = stage.training.precision.value
    return Fabric(
        accelerator=accelerator, devices=options.devices, strategy=strategy, precision=precision
    )


def fabric_for(stage: Stage, options: RunOptions, launched: Fabric) -> Fabric:
    """A Fabric of the stage's own precision; with several processes, in the group that runs."""
    fabric = fabric_of(stage, options)
    if launched.world_size > 1:
        fabric.launch()
    return fabric


def check_start(recipe: Recipe, options: RunOptions) -> None:
    """Refuses a start for a stage that the recipe does not have."""
    names = [stage.name for stage in recipe.stages]
    for name in options.start:
        if name not in names:
            raise ConfigError(f"--from {name}=...: {recipe.name} has the stages {names}.")


def start_folder(stage: Stage, recipe: Recipe, options: RunOptions) -> Path | None:
    """The folder of another run's stage, if one is to be used.

    Raises:
        ConfigError: it holds no finished stage of that name.
    """
    if stage.name not in options.start:
        return None
    given = options.start[stage.name]
    for folder in (given / stage.name, given):
        if is_finished(folder):
            return folder
    raise ConfigError(
        f"--from {stage.name}={given}: holds no finished stage {stage.name} of {recipe.name} "
        "(expected a model folder in it). Name a finished run."
    )


def is_finished(folder: Path) -> bool:
    """Whether a stage's folder holds what it hands on."""
    return (folder / MODEL / CONFIG).is_file()


def tell_excluded(excluded: Sequence[Excluded]) -> None:
    """Says what is left out of training."""
    for one in excluded:
        log.warning(
            "left out of training: %s patients (%s studies) that %s holds",
            f"{one.patients:,}",
            f"{one.studies:,}",
            one.manifest,
        )


def open_run(
    out: Path,
    recipe: Recipe,
    manifest: Manifest,
    graph: ConceptGraph,
    options: RunOptions,
    excluded: Sequence[Excluded],
) -> None:
    """Writes the run record, or checks that the one which is there says the same."""
    identity = run_identity(recipe, manifest, graph, options)
    if excluded:  # runs that leave nobody out have no such line
        identity["excluded"] = [one.to_json() for one in excluded]
    path = out / RECORD
    if path.exists():
        if not options.resume:
            raise OutputError(
                f"{out}: holds a run already. Add --resume to go on with it, or choose another "
                "folder."
            )
        check_identity(path, identity)
        return
    check_room(out, recipe)
    record = {
        **identity,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
    }
    write_text(path, json.dumps(record, indent=1))
    write_trained_on(manifest.studies, out)


def check_room(out: Path, recipe: Recipe) -> None:
    """Refuses a folder without a run that holds what this one would replace, such as a model.

    Raises:
        OutputError: says what it holds.
    """
    names = (CONFIG, MODEL, *(stage.name for stage in recipe.stages))
    taken = [name for name in names if (out / name).exists()]
    if taken:
        raise OutputError(
            f"{out}: holds {taken[0]!r} and no run (no {RECORD}), expected a new or empty folder. "
            "Nothing was written; name another."
        )


def run_identity(
    recipe: Recipe, manifest: Manifest, graph: ConceptGraph, options: RunOptions
) -> dict[str, Any]:
    """What must be equal for a run to be resumed."""
    return {
        "recipe_name": recipe.name,
        "stages": {stage.name: to_json(stage) for stage in recipe.stages},
        "seed": options.seed,
        "devices": options.devices,
        "split": options.split,
        "studies": len(manifest.studies),
        "data": manifest.digest,
        "graph": graph.digest,
        "start": {
            name: digest_of(folder / MODEL / WEIGHTS)
            for name, folder in sorted(started_folders(recipe, options).items())
        },
        "stores": [digest_of(path / "index.parquet") for path in options.stores],
    }


def digest_of(path: Path) -> str:
    """SHA-256 of a file; of one that is not there, a word that no digest is."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def started_folders(recipe: Recipe, options: RunOptions) -> dict[str, Path]:
    """The stages that are taken from other runs."""
    given = {stage.name: start_folder(stage, recipe, options) for stage in recipe.stages}
    return {name: folder for name, folder in given.items() if folder is not None}


def check_identity(path: Path, identity: dict[str, Any]) -> None:
    """Refuses to resume a run that was made of something else.

    Raises:
        CheckpointError: names what differs.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); remove the run folder."
        ) from error
    differing = differences(record, identity)
    if differing:
        shown = "; ".join(differing[:SHOWN]) + ("; ..." if len(differing) > SHOWN else "")
        raise CheckpointError(
            f"{path}: this run was made with other settings than are given now: {shown}. Resume "
            "with the same recipe, data and settings, or choose another folder."
        )
    threads = record.get("environment", {}).get("threads")
    if threads != torch.get_num_threads():
        log.warning(
            "the run was started with %s threads and goes on with %s: its weights will differ in "
            "the last bits from a run that was not stopped",
            threads,
            torch.get_num_threads(),
        )


def differences(record: Any, identity: Any, where: str = "") -> list[str]:
    """Where two trees of JSON values differ, as "place: old, now new"."""
    if isinstance(record, dict) and isinstance(identity, dict):
        # The record itself holds more than the identity, such as when the run was begun.
        keys = dict.fromkeys([*identity, *(record if where else ())])
        return [
            found
            for key in keys
            for found in differences(
                record.get(key, "none"), identity.get(key, "none"), f"{where}.{key}".strip(".")
            )
        ]
    if isinstance(record, list) and isinstance(identity, list) and len(record) == len(identity):
        return [
            found
            for place, (old, new) in enumerate(zip(record, identity, strict=True))
            for found in differences(old, new, f"{where}[{place}]")
        ]
    return [] if record == identity else [f"{where}: {record}, now {identity}"]


def run_stage(
    stage: Stage, recipe: Recipe, inputs: StageInputs, fabric: Fabric, options: RunOptions
) -> None:
    """Trains one stage and writes what it hands on."""
    torch.manual_seed(options.seed)
    with fabric.rank_zero_first():
        inputs.folder.mkdir(parents=True, exist_ok=True)
        prepared = stage.prepare(inputs)
    training = Training(
        objective=prepared.objective,
        batches=prepared.batches,
        settings=stage.training,
        folder=inputs.folder,
        seed=options.seed,
        title=stage.name,
        logs=options.logs,
    )
    progress = train(training, fabric)
    fabric.barrier()
    if fabric.is_global_zero:
        finish_stage(prepared, stage, recipe, inputs, progress.seconds)
    fabric.barrier()


def finish_stage(
    prepared: PreparedStage, stage: Stage, recipe: Recipe, inputs: StageInputs, seconds: float
) -> None:
    """Pictures first, the model last: a stage counts as done once its model is there."""
    prepared.trained.to("cpu").eval()
    prepared.finish(inputs.folder)
    card = model_card(recipe, stage, inputs, seconds)
    save_model(prepared.trained, inputs.folder / MODEL, card)


def hand_over(source: Path, target: Path) -> None:
    """Copies the last stage's model to where a run's model is looked for."""
    with atomic_folder(target) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
