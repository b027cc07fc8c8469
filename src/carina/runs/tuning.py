"""How each task is done: a fresh model begins with a start's encoder, is trained and returned."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from carina.errors import CheckpointError
from carina.files import atomic_path, write_text
from carina.finetuning.best import BestByValidation
from carina.finetuning.box_validation import BoxValidation
from carina.finetuning.classification import (
    EXCLUSIVE,
    INDEPENDENT,
    AnyClassifier,
    ClassificationObjective,
    ClassificationSettings,
    LabelLoss,
    LabelValidation,
)
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.detection import DetectionObjective
from carina.finetuning.detector import Detector, DetectorConfig
from carina.finetuning.features import frozen_features, over_stored
from carina.finetuning.grader import Grader, GraderConfig, Grades, Scale
from carina.finetuning.grading import (
    GradingObjective,
    SeverityValidation,
    first_outputs,
    grades_in,
    scale_of,
)
from carina.finetuning.linear_probe import Probe, fit_own_probes, fit_probe
from carina.finetuning.multiclass import MultiClassClassifier, MultiClassConfig
from carina.finetuning.outlines import OutlinedBatches, OutlinedImages
from carina.finetuning.query_classifier import QueryClassifier, QueryClassifierConfig
from carina.finetuning.segmentation import MaskValidation, SegmentationObjective
from carina.finetuning.segmenter import SegmenterParts
from carina.finetuning.yolo import YOLODetector, YOLODetectorConfig, YOLOObjective
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.runs.job import Job
from carina.runs.starts import query_network_of
from carina.runs.stores import tell_unreadable
from carina.studies.batches import ImageBatches
from carina.training.loop import Training, train
from carina.training.objective import Batches
from carina.training.settings import TrainingSettings

Config = TypeVar("Config")
Model = TypeVar("Model", bound=nn.Module)


def linear_probe(job: Job) -> nn.Module:
    """Fits a head on frozen features."""
    model = begun(job, Classifier, classifier_config(job))
    train_features = features_of(job, job.train.keys)
    validation_features = features_of(job, job.validate.keys)
    model.scale.fit(train_features)
    fitted = fit_probe(
        (model.scale(train_features), torch.from_numpy(job.train.labels)),
        (model.scale(validation_features), torch.from_numpy(job.validate.labels)),
        job.settings.probe,
    )
    model.head.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    write_probe(job, fitted)
    return model


def write_probe(job: Job, fitted: Probe) -> None:
    """Writes which penalties were chosen, and the AUC that chose them."""
    write_text(
        job.folder / "probe.json",
        json.dumps({"penalties": fitted.penalties, "validation_auc": fitted.validation_auc}),
    )


def classification(job: Job) -> nn.Module:
    """Trains encoder and head, and keeps the best step by validation."""
    model = begun(job, Classifier, classifier_config(job))
    model.scale.fit(features_of(job, job.train.keys))
    return trained_classifier(job, model, job.settings.classification, INDEPENDENT)


def multiclass(job: Job) -> nn.Module:
    """Trains encoder and head on classes that exclude one another."""
    config = MultiClassConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, classes=job.names
    )
    model = begun(job, MultiClassClassifier, config)
    model.scale.fit(features_of(job, job.train.keys))
    return trained_classifier(job, model, job.settings.classification, EXCLUSIVE)


def trained_classifier(
    job: Job, model: AnyClassifier, settings: ClassificationSettings, label_loss: LabelLoss
) -> nn.Module:
    """Trains a classifier of any kind, and keeps the best step by validation."""
    objective = ClassificationObjective(model, job.train.labels, settings, label_loss)
    validation = LabelValidation(model, job.validate, job.store)
    batches = image_batches(job, settings.training)
    train_job(job, model, objective, batches, settings.training, validation.score)
    return model


def query_probe(job: Job) -> nn.Module:
    """Fits each finding on what a frozen query network finds out about it."""
    model = begun_query_classifier(job)
    fitted = fit_own_probes(
        (found_of(job, model, job.train.keys), torch.from_numpy(job.train.labels)),
        (found_of(job, model, job.validate.keys), torch.from_numpy(job.validate.labels)),
        job.settings.probe,
    )
    with torch.no_grad():
        model.weight.copy_(fitted.weight)
        model.bias.copy_(fitted.bias)
    write_probe(job, fitted)
    return model


def query_classification(job: Job) -> nn.Module:
    """Trains encoder and query network (frozen: the query network alone)."""
    return trained_classifier(
        job, begun_query_classifier(job), job.settings.query_classification, INDEPENDENT
    )


def segmentation(job: Job) -> nn.Module:
    """Trains encoder and decoder, keeps the best step and then chooses the thresholds."""
    settings = job.settings.segmentation
    parts = SegmenterParts(
        image=job.start.image,
        preprocessing=job.start.preprocessing,
        structures=job.names,
        decoder=settings.decoder,
    )
    model = begun(job, SegmenterParts.build, parts)
    masks = mask_store(job)
    batches = OutlinedBatches(job.train, job.store, masks, settings.training.batch_size, job.seed)
    validation = MaskValidation(model, job.validate, job.store, masks)
    objective = SegmentationObjective(model, settings)
    train_job(job, model, objective, batches, settings.training, validation.score)
    model.thresholds.copy_(torch.tensor(validation.choose()))
    return model


def detection(job: Job) -> nn.Module:
    """Trains encoder, pyramid and head, and keeps the best step by validation."""
    settings = job.settings.detection
    config = DetectorConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, findings=job.names
    )
    model = begun(job, Detector, config)
    objective = DetectionObjective(model, job.train.outlines, settings)
    validation = BoxValidation(model, job.validate, job.store)
    batches = image_batches(job, settings.training)
    train_job(job, model, objective, batches, settings.training, validation.score)
    return model


def yolo_detection(job: Job) -> nn.Module:
    """Trains encoder and ECAMP's own head, and keeps the best step by validation."""
    settings = job.settings.yolo
    config = YOLODetectorConfig(
        image=job.start.image,
        preprocessing=job.start.preprocessing,
        findings=job.names,
        width=settings.width,
        expansion=settings.expansion,
    )
    model = begun(job, YOLODetector, config)
    objective = YOLOObjective(model, job.train.outlines, settings)
    validation = BoxValidation(model, job.validate, job.store)
    batches = image_batches(job, settings.training)
    train_job(job, model, objective, batches, settings.training, validation.score)
    return model


def grading(job: Job) -> nn.Module:
    """Trains a model that tells the grades of the manifest."""
    return severity_of(job, grades_in(job.manifest, job.names))


def severity(job: Job) -> nn.Module:
    """Trains a model that scores on a scale."""
    return severity_of(job, scale_of(job.train.labels, f"{job.manifest.path}, split train"))


def severity_of(job: Job, scale: Grades | Scale) -> nn.Module:
    """Trains encoder and head, and keeps the best step by validation."""
    settings = job.settings.grading
    config = GraderConfig(
        image=job.start.image,
        preprocessing=job.start.preprocessing,
        names=job.names,
        scale=scale,
    )
    model = begun(job, Grader, config)
    model.scale.fit(features_of(job, job.train.keys))
    outputs = first_outputs(scale, job.train.labels)
    model.head.load_state_dict({"bias": outputs.flatten()}, strict=False)
    objective = GradingObjective(model, job.train.labels, settings)
    validation = SeverityValidation(model, job.validate, job.store)
    batches = image_batches(job, settings.training)
    train_job(job, model, objective, batches, settings.training, validation.score)
    return model


def classifier_config(job: Job) -> ClassifierConfig:
    """One output a finding."""
    return ClassifierConfig(
        image=job.start.image, preprocessing=job.start.preprocessing, findings=job.names
    )


def begun(job: Job, kind: Callable[[Config], Model], config: Config) -> Model:
    """A fresh model, its head drawn from the job's seed, that has the start's encoder."""
    torch.manual_seed(job.seed)
    model = kind(config)
    job.start.put_into(model)
    return model


def begun_query_classifier(job: Job) -> QueryClassifier:
    """A query classifier that begins with the start's encoder and query network.

    A start that knows nothing has a fresh query network of the same arrangement.
    """
    network = query_network_of(job.start)
    config = QueryClassifierConfig(
        image=job.start.image,
        preprocessing=job.start.preprocessing,
        findings=job.names,
        decoder=network.decoder.config,
        norms_inputs=network.decoder.norms_inputs,
    )
    model = begun(job, QueryClassifier, config)
    if job.start.pretrained:
        model.take_network(network)
    return model


def image_batches(job: Job, settings: TrainingSettings) -> ImageBatches:
    """The training images in the order of the job's seed."""
    return ImageBatches(job.train.keys, job.train.studies, job.store, settings.batch_size, job.seed)


def features_of(job: Job, keys: Sequence[str]) -> torch.Tensor:
    """Features of the images, by the start's frozen encoder."""

    def made(missing: Sequence[str]) -> torch.Tensor:
        encoder = job.start.encoder().to(device_of()).eval()
        return frozen_features(
            encoder, job.start.preprocessing, job.store, missing, device_of(), title_of(job)
        )

    return kept_features(job.out / job.start.name / "features.safetensors", keys, made)


def found_of(job: Job, model: QueryClassifier, keys: Sequence[str]) -> torch.Tensor:
    """What the start's frozen query network finds out about each finding on the images."""

    def made(missing: Sequence[str]) -> torch.Tensor:
        asked = model.to(device_of())
        return over_stored(
            lambda pictures: asked.found(pictures)[0],
            job.start.preprocessing,
            job.store,
            missing,
            device_of(),
            title_of(job),
        )

    seed = "" if job.start.pretrained else f"_seed{job.seed}"  # a fresh network is of a seed
    path = job.out / job.start.name / f"query_features{seed}.safetensors"
    return kept_features(path, keys, made)


def title_of(job: Job) -> str:
    """Of the progress bar while features are made."""
    return f"Features of {job.start.name}"


def kept_features(
    path: Path, keys: Sequence[str], made: Callable[[Sequence[str]], torch.Tensor]
) -> torch.Tensor:
    """Features of the images, from the file that earlier jobs of this start have left.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        kept = load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}). Remove it to have the features made again."
        ) from error
    missing = [key for key in keys if key not in kept]
    if missing:
        kept |= dict(zip(missing, made(missing).unbind(), strict=True))
        with atomic_path(path) as temporary:
            save_file({key: value.clone() for key, value in kept.items()}, temporary)
    return torch.stack([kept[key] for key in keys])


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
    model: nn.Module,
    objective: nn.Module,
    batches: Batches[Any],
    settings: TrainingSettings,
    score: Callable[[], float],
) -> None:
    """Trains to the end, and puts the best weights by validation back."""
    best = BestByValidation(model, score, job.folder)
    fabric = Fabric(accelerator=device_of().type, devices=1, precision=settings.precision.value)
    training = Training(
        objective=objective,
        batches=batches,
        settings=settings,
        folder=job.folder,
        seed=job.seed,
        title=job.folder.relative_to(job.out).as_posix(),
        watcher=best,
    )
    train(training, fabric)
    best.restore()


def device_of() -> torch.device:
    """The first GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
