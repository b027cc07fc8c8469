"""Fine-tunes starts on fractions of the labels: one folder for each start, fraction and seed.

run folder
  finetune.json                      what was asked: task, data, findings, fractions, seeds
  store/                             the image store, unless one was given
  <start>/features.safetensors       of a frozen encoder, computed once (linear probe)
  <start>/<fraction>/seed<n>/        patients.csv, logs, model/ (what `ask` and `evaluate` take)
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carina.errors import CheckpointError, ConfigError, ManifestError
from carina.files import atomic_path, write_text
from carina.finetuning.fractions import drawn_patients, strata_of
from carina.imaging.store import ImageStore
from carina.models.folder import save_model
from carina.runs.job import Job, KnownImages, TaskSettings, card
from carina.runs.starts import Start, opened_starts
from carina.runs.stores import opened_store
from carina.runs.tasks import TASKS
from carina.studies.manifest import Manifest
from carina.studies.packing import images_to_pack
from carina.studies.truth import canonical

RECORD = "finetune.json"


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """What is to be fine-tuned on what.

    `names` are findings, or structures of a segmentation. `fractions` of the training patients
    and `seeds` are all combined. `stores` are image stores to use instead of building one.
    """

    task: str
    names: tuple[str, ...]
    fractions: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
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


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """One finished fine-tuning."""

    start: str
    fraction: float
    seed: int
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
        ModelError: a folder holds no model with an image encoder.
        CheckpointError: `out` holds a run of something else, or one and `resume` is not set.
    """
    check_parts(manifest)
    task = TASKS[request.task]
    names = tuple(canonical(name) for name in request.names)
    starts = opened_starts(models, random_start=random_start)
    open_record(out, manifest, request, starts, resume=resume)
    store = store_for(manifest, starts, out, request.stores)
    known, validate = (
        task.truth.images(manifest.split(part), manifest, names, store, request.settings)
        for part in ("train", "validate")
    )
    task.truth.check(validate, names, f"{manifest.path}, split validate")
    drawn = drawn_images(known, request)
    for (share, seed), images in drawn.items():  # before the first is trained, not after it
        task.truth.check(images, names, f"{manifest.path}, {share:g} of the labels, seed {seed}")
    for start in starts:
        for (share, seed), images in drawn.items():
            job = Job(
                task=request.task,
                start=start,
                names=names,
                out=out,
                folder=out / start.name / f"{share:g}" / f"seed{seed}",
                train=images,
                validate=validate,
                store=store,
                manifest=manifest,
                seed=seed,
                settings=request.settings,
            )
            carry_out(job)
            yield Tuned(
                start=start.name,
                fraction=share,
                seed=seed,
                patients=len(set(images.patients)),
                images=len(images.keys),
                folder=job.folder,
                store=store,
            )


def drawn_images(
    known: KnownImages, request: FinetuneRequest
) -> dict[tuple[float, int], KnownImages]:
    """The training images of every fraction and seed."""
    strata = strata_of(known.patients, known.labels)
    return {
        (share, seed): known.of_patients(drawn_patients(strata, share, seed))
        for share in request.fractions
        for seed in request.seeds
    }


def check_parts(manifest: Manifest) -> None:
    """Refuses a manifest whose training could see its test part.

    Raises:
        ManifestError: a part is missing, or a patient stands in two.
    """
    parts: dict[str, set[str]] = {"train": set(), "validate": set(), "test": set()}
    for study in manifest.studies:
        if study.split in parts:
            parts[study.split].add(study.patient_id)
    missing = [name for name in ("train", "validate") if not parts[name]]
    if missing:
        raise ManifestError(
            f"{manifest.path}: no study in the split {' and '.join(missing)}; expected training "
            "studies, and validation studies to choose settings on. Index with splits: "
            "`carina index ... --split-patients`, or give a column `split`."
        )
    for one, other in (("train", "test"), ("train", "validate"), ("validate", "test")):
        shared = sorted(parts[one] & parts[other])
        if shared:
            raise ManifestError(
                f"{manifest.path}: {len(shared)} patients stand in both {one} and {other}, such "
                f"as {shared[0]!r}; expected none, for a score on patients who were trained on "
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
    model = TASKS[job.task].tune(job)
    save_model(model.to("cpu").eval(), job.folder / "model", card(job))


def write_patients(job: Job) -> None:
    """Writes which patients the fraction holds."""
    path = job.folder / "patients.csv"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient_id"])
        writer.writerows([patient] for patient in sorted(set(job.train.patients)))
