"""Which images each fine-tuning of a run is trained and validated on: parts, folds, fractions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.errors import ExamplesError, ManifestError
from carina.finetuning.folds import divided, folds_of
from carina.finetuning.fractions import drawn_patients
from carina.imaging.store import ImageStore
from carina.runs.job import KnownImages
from carina.runs.request import FinetuneRequest
from carina.runs.tasks import TASKS
from carina.studies.manifest import Manifest

PARTS = ("train", "validate", "test")


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
    check, check_validation = truth.checks(request.whole_list)
    check_validation(validate, names, f"{division.where}, split validate")
    strata = truth.strata(known.patients, known.labels)
    for share in request.fractions:
        for seed in division.seeds:
            images = known.of_patients(drawn_patients(strata, share, seed))
            check(images, names, f"{division.where}, {share:g} of the labels, seed {seed}")
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
        ExamplesError: a part is missing.
        ManifestError: a patient or a picture stands in two.
    """
    parts: dict[str, set[str]] = {name: set() for name in PARTS}
    pictures: dict[str, set[str]] = {name: set() for name in PARTS}
    for study in manifest.studies:
        if study.split in parts:
            parts[study.split].add(study.patient_id)
            pictures[study.split].update(radiograph.path for radiograph in study.radiographs)
    missing = [name for name in PARTS if not parts[name]]
    if missing:
        raise ExamplesError(
            f"{manifest.path}: no study in the split {' and '.join(missing)}; expected studies to "
            "train on, to choose settings on (validate) and to measure on (test).",
            "Index with splits: `carina index ... --split-seed 0`, give a column `split`, or "
            "cross-validate: --folds 5.",
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
