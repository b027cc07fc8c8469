"""Fine-tunes starts on fractions of the labels: one folder for each start, fraction and seed.

run folder
  finetune.json                      what was asked: task, data, findings, fractions, seeds
  store/                             the image store, unless one was given
  <start>/features.safetensors       of a frozen encoder, computed once (linear probe)
  <start>/<fraction>/seed<n>/        patients.csv, logs, model/ (what `ask` and `evaluate` take),
                                     trained_on.parquet (those of the start too); in a
                                     cross-validation the folders fold<k>/ with the same
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carina.errors import CheckpointError, ConfigError, ManifestError
from carina.files import atomic_path, write_text
from carina.finetuning.folds import FEWEST, divided, folds_of
from carina.finetuning.fractions import drawn_patients
from carina.imaging.store import ImageStore
from carina.models.folder import save_model
from carina.runs.job import Job, KnownImages, TaskSettings, card
from carina.runs.starts import Start, opened_starts
from carina.runs.stores import opened_store
from carina.runs.tasks import TASKS
from carina.studies.manifest import Manifest
from carina.studies.packing import images_to_pack
from carina.studies.trained_on import read_trained_on, write_trained_on
from carina.studies.truth import canonical

RECORD = "finetune.json"


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """What is to be fine-tuned on what.

    `names` are findings, or structures of a segmentation. `fractions` of the training patients
    and `seeds` are all combined. `stores` are image stores to use instead of building one. With
    `folds` the splits of the manifest do not count: its patients are divided into so many folds,
    for each seed anew, and each fold is tested by a model that was trained on others.
    """

    task: str
    names: tuple[str, ...]
    fractions: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    folds: int | None = None
    stores: tuple[Path, ...] = ()
    settings: TaskSettings = field(default_factory=TaskSettings)

    def __post_init__(self) -> None:
        """Checks names and numbers."""
        if self.task not in TASKS:
            raise ConfigError(f"The task is {self.task!r}, expected one of {', '.join(TASKS)}.")
        names = [canonical(name) for name in self.names]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"The findings are {names}; expected different names, at least one.")
        if not self.fractions or not all(0 < share <= 1 for share in self.fractions):
            raise ConfigError(f"Fractions must be in (0, 1], got {self.fractions}.")
        if self.folds is not None and self.folds < FEWEST:
            raise ConfigError(
                f"folds is {self.folds}, expected {FEWEST} or more: one is tested on, one "
                "validated on, and the rest trained on."
            )


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """One finished fine-tuning.

    `manifest` has the splits that it was trained with: its test part is what may be scored.
    `fold` is the fold of a cross-validation that this is; None where there is none.
    """

    start: str
    fraction: float
    seed: int
    fold: int | None
    manifest: Manifest
    patients: int
    images: int
    folder: Path
    store: ImageStore


def finetune(
    models: Sequence[Path],
    manifest: Manifest,
    out: Path,
    request: FinetuneRequest,
    *,
    random_start: bool = False,
    resume: bool = False,
) -> Iterator[Tuned]:
    """Fine-tunes every start on every fraction with every seed, and yields each as it is done.

    What a stopped call has finished is not done again.

    Args:
        models: model folders, or folders of runs.
        manifest: with findings and the splits train and validate.
        out: folder of the run.
        request: what is asked.
        random_start: adds the first model's encoder with fresh weights.
        resume: go on with the run in `out`.

    Raises:
        ManifestError: a part is missing, a patient stands in two parts, or a fraction lacks
            examples of a finding.
        ModelError: a folder holds no model with an image encoder, or, where the task asks
            through one, without a query network.
        CheckpointError: `out` holds a run of something else, or one and `resume` is not set.
    """
    if request.folds is None:
        check_parts(manifest)
    names = tuple(canonical(name) for name in request.names)
    starts = opened_starts(models, random_start=random_start)
    for start in starts:
        TASKS[request.task].accepts(start)
    open_record(out, manifest, request, starts, resume=resume)
    store = store_for(manifest, starts, out, request.stores)
    draws = all_draws(manifest, names, store, request)
    for start in starts:
        for draw in draws:
            job = Job(
                task=request.task,
                start=start,
                names=names,
                out=out,
                folder=out / start.name / draw.folder,
                train=draw.train,
                validate=draw.validate,
                store=store,
                manifest=manifest,
                seed=draw.seed,
                settings=request.settings,
            )
            carry_out(job)
            yield Tuned(
                start=start.name,
                fraction=draw.fraction,
                seed=draw.seed,
                fold=draw.fold,
                manifest=draw.manifest,
                patients=len(set(draw.train.patients)),
                images=len(draw.train.keys),
                folder=job.folder,
                store=store,
            )


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The images of one fine-tuning, and the manifest with the splits that they come from."""

    fraction: float
    seed: int
    fold: int | None
    manifest: Manifest
    train: KnownImages
    validate: KnownImages

    @property
    def folder(self) -> Path:
        """Where it is kept, under the folder of its start."""
        folder = Path(f"{self.fraction:g}", f"seed{self.seed}")
        return folder if self.fold is None else folder / f"fold{self.fold}"


def all_draws(
    manifest: Manifest, names: Sequence[str], store: ImageStore, request: FinetuneRequest
) -> list[Draw]:
    """The images of every fraction, seed and fold, checked before the first is trained.

    Raises:
        ManifestError: a part, a fold or a fraction lacks examples.
    """
    draws = [
        draw
        for division in divisions(manifest, names, store, request)
        for draw in draws_of(division, names, store, request)
    ]
    order = {share: place for place, share in enumerate(request.fractions)}
    return sorted(draws, key=lambda draw: (order[draw.fraction], draw.seed, draw.fold or 0))


@dataclass(frozen=True, kw_only=True)
class Division:
    """A manifest divided into parts, and the seeds that are drawn from it."""

    manifest: Manifest
    seeds: tuple[int, ...]
    fold: int | None
    where: str


def divisions(
    manifest: Manifest, names: Sequence[str], store: ImageStore, request: FinetuneRequest
) -> Iterator[Division]:
    """The manifest with its own splits, or, in a cross-validation, with those of every fold."""
    if request.folds is None:
        yield Division(manifest=manifest, seeds=request.seeds, fold=None, where=str(manifest.path))
        return
    truth = TASKS[request.task].truth
    whole = truth.images(manifest, manifest, names, store, request.settings)
    strata = truth.strata(whole.patients, whole.labels)
    for seed in request.seeds:
        fold_of = folds_of(strata, request.folds, seed, str(manifest.path))
        for fold in range(request.folds):
            parts = divided(manifest.studies, fold_of, fold, request.folds)
            yield Division(
                manifest=manifest.with_studies(parts),
                seeds=(seed,),
                fold=fold,
                where=f"{manifest.path}, round {fold} of {request.folds} folds",
            )


def draws_of(
    division: Division, names: Sequence[str], store: ImageStore, request: FinetuneRequest
) -> Iterator[Draw]:
    """The images of every fraction and seed of one division."""
    truth = TASKS[request.task].truth
    known, validate = (
        truth.images(
            division.manifest.split(part), division.manifest, names, store, request.settings
        )
        for part in ("train", "validate")
    )
    truth.check(validate, names, f"{division.where}, split validate")
    strata = truth.strata(known.patients, known.labels)
    for share in request.fractions:
        for seed in division.seeds:
            images = known.of_patients(drawn_patients(strata, share, seed))
            truth.check(images, names, f"{division.where}, {share:g} of the labels, seed {seed}")
            yield Draw(
                fraction=share,
                seed=seed,
                fold=division.fold,
                manifest=division.manifest,
                train=images,
                validate=validate,
            )


def check_parts(manifest: Manifest) -> None:
    """Refuses a manifest whose training could see its test part.

    Raises:
        ManifestError: a part is missing, or a patient or a picture stands in two.
    """
    parts: dict[str, set[str]] = {"train": set(), "validate": set(), "test": set()}
    pictures: dict[str, set[str]] = {name: set() for name in parts}
    for study in manifest.studies:
        if study.split in parts:
            parts[study.split].add(study.patient_id)
            pictures[study.split].update(radiograph.path for radiograph in study.radiographs)
    missing = [name for name in ("train", "validate") if not parts[name]]
    if missing:
        raise ManifestError(
            f"{manifest.path}: no study in the split {' and '.join(missing)}; expected training "
            "studies, and validation studies to choose settings on. Index with splits: "
            "`carina index ... --split-patients`, or give a column `split`."
        )
    for one, other in (("train", "test"), ("train", "validate"), ("validate", "test")):
        for kind, held in (("patients", parts), ("pictures", pictures)):
            shared = sorted(held[one] & held[other])
            if shared:
                raise ManifestError(
                    f"{manifest.path}: {len(shared)} {kind} stand in both {one} and {other}, such "
                    f"as {shared[0]!r}; expected none, for a score on {kind} that were trained on "
                    "means nothing. `carina check` lists them."
                )


def open_record(
    out: Path,
    manifest: Manifest,
    request: FinetuneRequest,
    starts: Sequence[Start],
    *,
    resume: bool,
) -> None:
    """Writes what was asked, or checks that it is what was asked before."""
    record = {
        "task": request.task,
        "findings": [canonical(name) for name in request.names],
        "fractions": list(request.fractions),
        "seeds": list(request.seeds),
        "folds": request.folds,
        "uncertain": request.settings.uncertainty,
        "unmentioned": request.settings.unmentioned.__name__,
        "data": manifest.digest,
        "starts": {start.name: start.digest for start in starts},
        "settings": repr(TASKS[request.task].settings(request.settings)),
    }
    path = out / RECORD
    if not path.exists():
        write_text(path, json.dumps(record, indent=1))
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); remove the run folder."
        ) from error
    if before != record:
        differing = ", ".join(sorted(key for key in record if before.get(key) != record[key]))
        raise CheckpointError(
            f"{path}: this run was made with another {differing}. Choose another folder."
        )
    if not resume:
        raise CheckpointError(
            f"{out}: holds a run already. Add --resume to go on with it, or choose another folder."
        )


def store_for(
    manifest: Manifest, starts: Sequence[Start], out: Path, given: tuple[Path, ...]
) -> ImageStore:
    """A store that is large enough for every start, a tenth or more larger than the input."""
    largest = max(start.preprocessing.size for start in starts)
    for path in given:
        store = ImageStore.open(path)
        if store.size >= largest:
            store.require(images_to_pack(manifest).keys)
            return store
    if given:
        raise ConfigError(
            f"--store: the stores are smaller than the input of {largest} pixels; give a larger "
            "one, or leave --store away to have one built."
        )
    return opened_store(manifest, out, (), -(-largest * 8 // 7 // 16) * 16)


def carry_out(job: Job) -> None:
    """Does one fine-tuning, unless it is done."""
    if (job.folder / "model" / "config.json").is_file():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    write_patients(job)
    drawn = set(job.train.studies)
    trained = [study for study in job.manifest.studies if study.study_id in drawn]
    write_trained_on(trained, job.folder, read_trained_on(job.start.path))
    model = TASKS[job.task].tune(job)
    save_model(model.to("cpu").eval(), job.folder / "model", card(job))


def write_patients(job: Job) -> None:
    """Writes which patients the fraction holds."""
    path = job.folder / "patients.csv"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient_id"])
        writer.writerows([patient] for patient in sorted(set(job.train.patients)))
