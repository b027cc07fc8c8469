"""One fine-tuning: a start, some labelled images, a task; each task is a function."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file, save_file

from carina.files import atomic_path, write_text
from carina.finetuning.classification import (
    BestByValidation,
    ClassificationObjective,
    ClassificationSettings,
)
from carina.finetuning.classifier import Classifier
from carina.finetuning.features import frozen_features
from carina.finetuning.labels import LabelledImages
from carina.finetuning.linear_probe import ProbeSettings, fit_probe
from carina.imaging.store import ImageStore
from carina.runs.starts import Start
from carina.studies.batches import ImageBatches
from carina.studies.manifest import Manifest
from carina.training.loop import Training, train


@dataclass(frozen=True, kw_only=True)
class Job:
    """One fine-tuning to be done."""

    start: Start
    folder: Path
    train: LabelledImages
    validate: LabelledImages
    store: ImageStore
    seed: int
    task: str
    classification: ClassificationSettings
    probe: ProbeSettings


def device_of() -> torch.device:
    """The first GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def linear_probe(job: Job) -> Classifier:
    """Fits a head on frozen features."""
    model = job.start.classifier()
    train_features = features_of(job, job.train.keys)
    validation_features = features_of(job, job.validate.keys)
    model.scale.fit(train_features)
    fitted = fit_probe(
        (model.scale(train_features), torch.from_numpy(job.train.labels)),
        (model.scale(validation_features), torch.from_numpy(job.validate.labels)),
        job.probe,
    )
    model.head.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    write_text(
        job.folder / "probe.json",
        json.dumps({"penalties": fitted.penalties, "validation_auc": fitted.validation_auc}),
    )
    return model


def features_of(job: Job, keys: Sequence[str]) -> torch.Tensor:
    """Features of the images, from the file that earlier jobs of this start have left."""
    path = job.folder.parents[1] / "features.safetensors"
    kept = load_file(path) if path.exists() else {}
    missing = [key for key in keys if key not in kept]
    if missing:
        model = job.start.classifier().to(device_of()).eval()
        made = frozen_features(
            model.image_encoder,
            model.preprocessing,
            job.store,
            missing,
            device_of(),
            f"Features of {job.start.name}",
        )
        kept |= dict(zip(missing, made.unbind(), strict=True))
        with atomic_path(path) as temporary:
            save_file({key: value.clone() for key, value in kept.items()}, temporary)
    return torch.stack([kept[key] for key in keys])


def classification(job: Job) -> Classifier:
    """Trains encoder and head, and keeps the best step by validation."""
    settings = job.classification
    torch.manual_seed(job.seed)
    model = job.start.classifier()
    model.scale.fit(features_of(job, job.train.keys))
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=1,
        precision=settings.training.precision.value,
    )
    watcher = BestByValidation(model, job.validate, job.store, job.folder)
    training = Training(
        objective=ClassificationObjective(model, job.train.labels, settings),
        batches=ImageBatches(
            job.train.keys, job.train.studies, job.store, settings.training.batch_size, job.seed
        ),
        settings=settings.training,
        folder=job.folder,
        seed=job.seed,
        title=f"{job.start.name} {job.folder.parent.name} {job.folder.name}",
        watcher=watcher,
    )
    train(training, fabric)
    watcher.restore()
    return model


TASKS: dict[str, Callable[[Job], Classifier]] = {
    "classification": classification,
    "linear-probe": linear_probe,
}
"""Every task by its name on the command line."""


def card(job: Job, manifest: Manifest) -> str:
    """Markdown with the facts of a fine-tuned model. Names no study and no path."""
    sources = ", ".join(sorted({study.source for study in manifest.studies}))
    images, patients = len(job.train.keys), len(set(job.train.patients))
    return f"""# {job.task} from {job.start.name}

**For research only. Not a medical device; not for use on patients.**

| | |
|---|---|
| findings | {", ".join(job.start.config.findings)} |
| trained on | {images} images of {patients} patients from {sources} |
| digest of the data | `{manifest.digest[:16]}` |
| digest of the start | `{job.start.digest[:16]}` |
| seed | {job.seed} |
"""
