"""One fine-tuning: a start, some images, a task. Each task is a reader of truth and a trainer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import nn

from carina.errors import ConfigError
from carina.files import atomic_path, write_text
from carina.finetuning.best import BestByValidation
from carina.finetuning.classification import (
    ClassificationObjective,
    ClassificationSettings,
    LabelValidation,
)
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.detection import BoxValidation, DetectionObjective, DetectionSettings
from carina.finetuning.detector import Detector, DetectorConfig
from carina.finetuning.features import frozen_features
from carina.finetuning.grader import Grader, GraderConfig, Grades, Scale
from carina.finetuning.grading import (
    GradingObjective,
    GradingSettings,
    SeverityValidation,
    graded_images,
    grades_of,
    listed_severities,
    scale_of,
)
from carina.finetuning.labels import UNCERTAINTY, LabelledImages, check_examples, labelled_images
from carina.finetuning.linear_probe import ProbeSettings, fit_probe
from carina.finetuning.outlines import (
    OutlinedBatches,
    OutlinedImages,
    boxes_alone,
    check_outlined,
    listed_boxes,
    listed_structures,
    masks_else_boxes,
    outlined_images,
)
from carina.finetuning.segmentation import (
    MaskValidation,
    SegmentationObjective,
    SegmentationSettings,
)
from carina.finetuning.segmenter import Segmenter, SegmenterConfig
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.runs.starts import Start
from carina.runs.stores import tell_unreadable
from carina.studies.batches import ImageBatches
from carina.studies.manifest import Manifest
from carina.studies.truth import (
    Unmentioned,
    absent_where_only_presence_is_listed,
    listed_findings,
)
from carina.study import Study
from carina.training.loop import Training, train
from carina.training.objective import Batches
from carina.training.settings import TrainingSettings

KnownImages = LabelledImages | OutlinedImages
"""Images of which a task knows something: labels, or outlines."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """How each task is done, and how truth is read.

    `uncertainty` is a name of `finetuning.labels.UNCERTAINTY`; `unmentioned` the truth of a
    finding that a study does not list.
    """

    uncertainty: str = "ignore"
    unmentioned: Unmentioned = absent_where_only_presence_is_listed
    classification: ClassificationSettings = field(default_factory=ClassificationSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    grading: GradingSettings = field(default_factory=GradingSettings)

    def __post_init__(self) -> None:
        """Checks the name of the policy."""
        if self.uncertainty not in UNCERTAINTY:
            raise ConfigError(
                f"--uncertain is {self.uncertainty!r}, expected one of {', '.join(UNCERTAINTY)}."
            )


@dataclass(frozen=True, kw_only=True)
class Job:
    """One fine-tuning to be done. `names` are the findings or structures, in canonical form."""

    task: str
    start: Start
    names: tuple[str, ...]
    out: Path
    folder: Path
    train: Any
    validate: Any
    store: ImageStore
    manifest: Manifest
    seed: int
    settings: TaskSettings


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: what it can be trained on, how truth is read, how a model is tuned, with what."""

    listed: Callable[[Sequence[Study]], tuple[str, ...]]

    images: Callable[[Manifest, Manifest, Sequence[str], ImageStore, TaskSettings], KnownImages]
    check: Callable[[Any, Sequence[str], str], None]
    tune: Callable[[Job], nn.Module]
    settings: Callable[[TaskSettings], object]


def labels_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Truth of findings."""
    return labelled_images(
        part,
        everything,
        names,
        store,
        unmentioned=settings.unmentioned,
        uncertainty=UNCERTAINTY[settings.uncertainty],
    )


def masks_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Masks of structures, and boxes of those that have none."""
    return outlined_images(
        part,
        everything,
        names,
        store,
        reader=masks_else_boxes,
        unmentioned=settings.unmentioned,
    )


def boxes_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Boxes of findings; images without any are part of it."""
    return outlined_images(
        part, everything, names, store, reader=boxes_alone, unmentioned=settings.unmentioned
    )


def severities_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Grades or scores."""
    return graded_images(part, names, store)


def check_nothing(images: KnownImages, names: Sequence[str], where: str) -> None:
    """What severities must be like, their scale says."""


def classifier_of(job: Job) -> Classifier:
    """A classifier that begins with the start's encoder."""
    torch.manual_seed(job.seed)
    config = ClassifierConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, findings=job.names
    )
    model = Classifier(config)
    job.start.put_into(model)
    return model


def linear_probe(job: Job) -> nn.Module:
    """Fits a head on frozen features."""
    model = classifier_of(job)
    train_features = features_of(job, job.train.keys)
    validation_features = features_of(job, job.validate.keys)
    model.scale.fit(train_features)
    fitted = fit_probe(
        (model.scale(train_features), torch.from_numpy(job.train.labels)),
        (model.scale(validation_features), torch.from_numpy(job.validate.labels)),
        job.settings.probe,
    )
    model.head.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    write_text(
        job.folder / "probe.json",
        json.dumps({"penalties": fitted.penalties, "validation_auc": fitted.validation_auc}),
    )
    return model


def features_of(job: Job, keys: Sequence[str]) -> torch.Tensor:
    """Features of the images, from the file that earlier jobs of this start have left."""
    path = job.out / job.start.name / "features.safetensors"
    kept = load_file(path) if path.exists() else {}
    missing = [key for key in keys if key not in kept]
    if missing:
        made = frozen_features(
            job.start.encoder().to(device_of()).eval(),
            job.start.preprocessing,
            job.store,
            missing,
            device_of(),
            f"Features of {job.start.name}",
        )
        kept |= dict(zip(missing, made.unbind(), strict=True))
        with atomic_path(path) as temporary:
            save_file({key: value.clone() for key, value in kept.items()}, temporary)
    return torch.stack([kept[key] for key in keys])


def classification(job: Job) -> nn.Module:
    """Trains encoder and head, and keeps the best step by validation."""
    settings = job.settings.classification
    model = classifier_of(job)
    model.scale.fit(features_of(job, job.train.keys))
    batches = ImageBatches(
        job.train.keys, job.train.studies, job.store, settings.training.batch_size, job.seed
    )
    objective = ClassificationObjective(model, job.train.labels, settings)
    validation = LabelValidation(model, job.validate, job.store)
    best = BestByValidation(model, validation.score, job.folder)
    train_job(job, objective, batches, settings.training, best)
    return model


def segmentation(job: Job) -> nn.Module:
    """Trains encoder and decoder, keeps the best step and then chooses the thresholds."""
    settings = job.settings.segmentation
    torch.manual_seed(job.seed)
    config = SegmenterConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, structures=job.names
    )
    model = Segmenter(config)
    job.start.put_into(model)
    masks = mask_store(job)
    batches = OutlinedBatches(job.train, job.store, masks, settings.training.batch_size, job.seed)
    validation = MaskValidation(model, job.validate, job.store, masks)
    best = BestByValidation(model, validation.score, job.folder)
    train_job(job, SegmentationObjective(model, settings), batches, settings.training, best)
    model.thresholds.copy_(torch.tensor(validation.choose()))
    return model


def detection(job: Job) -> nn.Module:
    """Trains encoder, pyramid and head, and keeps the best step by validation."""
    settings = job.settings.detection
    torch.manual_seed(job.seed)
    config = DetectorConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, findings=job.names
    )
    model = Detector(config)
    job.start.put_into(model)
    batches = ImageBatches(
        job.train.keys, job.train.studies, job.store, settings.training.batch_size, job.seed
    )
    validation = BoxValidation(model, job.validate, job.store)
    best = BestByValidation(model, validation.score, job.folder)
    objective = DetectionObjective(model, job.train.outlines, settings)
    train_job(job, objective, batches, settings.training, best)
    return model


def grading(job: Job) -> nn.Module:
    """Trains a model that grades."""
    return severity_of(job, grades_of(job.train.labels, f"{job.manifest.path}, split train"))


def severity(job: Job) -> nn.Module:
    """Trains a model that scores on a scale."""
    return severity_of(job, scale_of(job.train.labels, f"{job.manifest.path}, split train"))


def severity_of(job: Job, scale: Grades | Scale) -> nn.Module:
    """Trains encoder and head, and keeps the best step by validation."""
    settings = job.settings.grading
    torch.manual_seed(job.seed)
    config = GraderConfig(
        image=job.start.image,
        preprocessing=job.start.preprocessing,
        names=job.names,
        scale=scale,
    )
    model = Grader(config)
    job.start.put_into(model)
    model.scale.fit(features_of(job, job.train.keys))
    batches = ImageBatches(
        job.train.keys, job.train.studies, job.store, settings.training.batch_size, job.seed
    )
    validation = SeverityValidation(model, job.validate, job.store)
    best = BestByValidation(model, validation.score, job.folder)
    objective = GradingObjective(model, job.train.labels, settings)
    train_job(job, objective, batches, settings.training, best)
    return model


def mask_store(job: Job) -> ImageStore | None:
    """The masks of training and validation images, packed once a run; None if there are none."""
    images: list[OutlinedImages] = [job.train, job.validate]
    files = sorted(
        {path for one in images for row in one.outlines for paths in row.masks for path in paths}
    )
    if not files:
        return None
    folder = job.out / "masks" / str(job.store.size)
    items = [(path, job.manifest.absolute(path)) for path in files]
    tell_unreadable(build_store(items, folder, job.store.size), job.out / "unreadable_masks.txt")
    store = ImageStore.open(folder)
    store.require(files)
    return store


def train_job(
    job: Job,
    objective: nn.Module,
    batches: Batches[Any],
    settings: TrainingSettings,
    best: BestByValidation,
) -> None:
    """Trains to the end, and puts the best weights back."""
    fabric = Fabric(accelerator=device_of().type, devices=1, precision=settings.precision.value)
    training = Training(
        objective=objective,
        batches=batches,
        settings=settings,
        folder=job.folder,
        seed=job.seed,
        title=f"{job.start.name} {job.folder.parent.name} {job.folder.name}",
        watcher=best,
    )
    train(training, fabric)
    best.restore()


def device_of() -> torch.device:
    """The first GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


TASKS: dict[str, Task] = {
    "classification": Task(
        listed=listed_findings,
        images=labels_of,
        check=check_examples,
        tune=classification,
        settings=lambda settings: settings.classification,
    ),
    "linear-probe": Task(
        listed=listed_findings,
        images=labels_of,
        check=check_examples,
        tune=linear_probe,
        settings=lambda settings: settings.probe,
    ),
    "segmentation": Task(
        listed=listed_structures,
        images=masks_of,
        check=check_outlined,
        tune=segmentation,
        settings=lambda settings: settings.segmentation,
    ),
    "detection": Task(
        listed=listed_boxes,
        images=boxes_of,
        check=check_outlined,
        tune=detection,
        settings=lambda settings: settings.detection,
    ),
    "grading": Task(
        listed=listed_severities,
        images=severities_of,
        check=check_nothing,
        tune=grading,
        settings=lambda settings: settings.grading,
    ),
    "severity": Task(
        listed=listed_severities,
        images=severities_of,
        check=check_nothing,
        tune=severity,
        settings=lambda settings: settings.grading,
    ),
}
"""Every task by its name on the command line."""


def card(job: Job) -> str:
    """Markdown with the facts of a fine-tuned model. Names no study and no path."""
    sources = ", ".join(sorted({study.source for study in job.manifest.studies}))
    images, patients = len(job.train.keys), len(set(job.train.patients))
    return f"""# {job.task} from {job.start.name}

**For research only. Not a medical device; not for use on patients.**

| | |
|---|---|
| of | {", ".join(job.names)} |
| trained on | {images} images of {patients} patients from {sources} |
| digest of the data | `{job.manifest.digest[:16]}` |
| digest of the start | `{job.start.digest[:16]}` |
| seed | {job.seed} |
"""
