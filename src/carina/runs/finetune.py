"""Fine-tunes starts on fractions of the labels: one folder for each start, fraction and seed.

run folder
  finetune.json                      what was asked: task, data, findings, fractions, seeds; and
                                     which starts were pre-trained on patients of the test part
  store/                             the image store, unless one was given
  <start>/features.safetensors       of a frozen encoder, computed once (linear probe)
  <start>/<fraction>/seed<n>/        patients.csv, logs, model/ (what `ask` and `evaluate` take),
                                     trained_on.parquet (those of the start too); in a
                                     cross-validation the folders fold<k>/ with the same
"""

import csv
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carina.errors import CheckpointError, ConfigError
from carina.files import atomic_path, write_text
from carina.finetuning.folds import check_pictures
from carina.imaging.store import ImageStore
from carina.models.folder import FINETUNING, save_model
from carina.runs.draws import Draw, all_draws, check_parts
from carina.runs.job import Job, card
from carina.runs.overlap import Overlap, overlaps
from carina.runs.request import FinetuneRequest, names_to_tune
from carina.runs.starts import Start, opened_starts
from carina.runs.stores import opened_store, tell_left_out
from carina.runs.tasks import TASKS
from carina.studies.manifest import Manifest
from carina.studies.trained_on import read_trained_on, tells_all, write_trained_on
from carina.studies.truth import canonical

PRETRAINED = "pretrained_on_test_patients"
log = logging.getLogger(__name__)


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
        ConfigError: the manifest lists no such name.
        ManifestError: a part is missing, a patient stands in two parts, a picture is of two
            patients, outlines do not fit their pictures, or a fraction lacks examples.
        ModelError: a folder holds no model with an image encoder, or, where the task asks
            through one, without a query network.
        CheckpointError: `out` holds a run of something else, or one and `resume` is not set.
    """
    if request.folds is None:
        check_parts(manifest)
    else:
        check_pictures(manifest.studies, str(manifest.path))
    named = names_to_tune(request.task, manifest, request.names)
    names = tuple(canonical(name) for name in named)
    starts = opened_starts(models, random_start=random_start)
    for start in starts:
        TASKS[request.task].accepts(start)
    asked = identity(manifest, request, starts)
    check_record(out, asked, resume=resume)
    store = store_for(manifest, starts, out, request.stores)
    TASKS[request.task].truth.fits(manifest, names, store)
    draws = all_draws(manifest, names, store, request)
    seen = overlaps(starts, manifest, every_split=request.folds is not None)
    write_record(out, asked, seen)
    tell_overlaps(seen)
    for start in starts:
        for draw in draws:
            job = job_of(start, draw, names, out, store, manifest, request)
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


def job_of(
    start: Start,
    draw: Draw,
    names: tuple[str, ...],
    out: Path,
    store: ImageStore,
    manifest: Manifest,
    request: FinetuneRequest,
) -> Job:
    """What is to be done with one start and one draw of the images."""
    return Job(
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


def identity(
    manifest: Manifest, request: FinetuneRequest, starts: Sequence[Start]
) -> dict[str, Any]:
    """What must be equal for a run to be resumed."""
    return {
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


def check_record(out: Path, asked: dict[str, Any], *, resume: bool) -> None:
    """Refuses a folder that holds a run of something else, or one that is not to be resumed.

    Raises:
        CheckpointError: says which, and what differs.
    """
    path = out / FINETUNING
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); remove the run folder."
        ) from error
    differing = ", ".join(sorted(key for key in asked if before.get(key) != asked[key]))
    if differing:
        raise CheckpointError(
            f"{path}: this run was made with other values of: {differing}. Ask for the same again "
            "(`carina finetune` with --resume), or choose another folder."
        )
    if not resume:
        raise CheckpointError(
            f"{out}: holds a run already. Add --resume to go on with it, or choose another folder."
        )


def write_record(out: Path, asked: dict[str, Any], seen: Sequence[Overlap]) -> None:
    """Writes what was asked, and what the starts have seen of the test patients."""
    record = {**asked, PRETRAINED: [one.to_json() for one in seen]}
    write_text(out / FINETUNING, json.dumps(record, indent=1))


def tell_overlaps(seen: Sequence[Overlap]) -> None:
    """Warns of starts whose scores may be better than they should be."""
    for one in seen:
        if one.doubtful:
            log.warning("%s", one)


def recorded_overlaps(out: Path) -> tuple[Overlap, ...]:
    """What the record of a run tells of its starts and the test patients."""
    record = json.loads((out / FINETUNING).read_text(encoding="utf-8"))
    return tuple(Overlap(**one) for one in record[PRETRAINED])


def store_for(
    manifest: Manifest, starts: Sequence[Start], out: Path, given: tuple[Path, ...]
) -> ImageStore:
    """A store that is large enough for every start, a tenth or more larger than the input."""
    largest = max(start.preprocessing.size for start in starts)
    for path in given:
        store = ImageStore.open(path)
        if store.size >= largest:
            tell_left_out(store, manifest)
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
    fresh = not job.start.pretrained
    before = None if fresh else read_trained_on(job.start.path)
    known = fresh or tells_all(job.start.path)
    write_trained_on(trained, job.folder, before, complete=known)
    model = TASKS[job.task].tune(job)
    save_model(model.to("cpu").eval(), job.folder / "model", card(job))


def write_patients(job: Job) -> None:
    """Writes which patients the fraction holds."""
    path = job.folder / "patients.csv"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient_id"])
        writer.writerows([patient] for patient in sorted(set(job.train.patients)))
