"""Fine-tuning for severity: grades (ordinal) and scores (regression)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carina.errors import ExamplesError, ManifestError
from carina.finetuning.grader import Grader, Grades, Scale
from carina.finetuning.labels import LabelledImages
from carina.finetuning.pictures import pictures_of
from carina.finetuning.tuned_model import TunedModel, values_of_all
from carina.imaging.augmentation import NoAugmentation, WarpAugmentation
from carina.imaging.store import ImageStore
from carina.losses.contrast import Summed
from carina.losses.ordinal import absolute_loss, cumulative_loss
from carina.studies.batches import ImageBatch, ImageBatches
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.studies.views import stored_frontals
from carina.study import Study
from carina.training.objective import Losses, Term
from carina.training.optimiser import AdamW, LayerwiseDecay
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class GradingSettings:
    """How a grader is fine-tuned: the same for every start. With `frozen` only the head is."""

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            batch_size=16,
            steps=300,
            optimiser=AdamW(rate=1e-3, weight_decay=0.05, layers=LayerwiseDecay(factor=0.75)),
            schedule=WarmupCosine(warmup_share=0.1),
            checkpoint_every=30,
        )
    )
    augmentation: NoAugmentation | WarpAugmentation = WarpAugmentation(
        scale=(0.8, 1.0),
        aspect=(0.95, 1.05),
        rotation_degrees=5.0,
        brightness=0.15,
        contrast=0.15,
    )
    frozen: bool = False


def graded_images(part: Manifest, names: Sequence[str], store: ImageStore) -> LabelledImages:
    """The stored frontal radiographs of which a severity is known; readers are averaged.

    Raises:
        ExamplesError: there is none.
    """
    images = stored_frontals(part, store)
    values = np.array([severities(study, names) for study, _ in images]).reshape(-1, len(names))
    rows = np.flatnonzero(np.isfinite(values).any(axis=1))
    if not len(rows):
        listed = listed_severities(part.studies)
        raise ExamplesError(
            f"{part.path}: none of {len(images)} stored frontal radiographs has a severity "
            f"{', '.join(names)}; expected some.",
            f"The manifest lists: {', '.join(listed) or 'none'}.",
        )
    return LabelledImages.of([images[row] for row in rows], values[rows])


def severities(study: Study, names: Sequence[str]) -> list[float]:
    """The mean over readers of each severity; nan where nobody gave one."""
    return [
        float(np.mean(given)) if given else float("nan")
        for given in (
            [s.value for s in study.severity if canonical(s.name) == canonical(name)]
            for name in names
        )
    ]


def listed_severities(studies: Sequence[Study]) -> tuple[str, ...]:
    """Every severity that the studies list, in canonical form and alphabetical order."""
    return tuple(sorted({canonical(s.name) for study in studies for s in study.severity}))


def check_known(images: LabelledImages, names: Sequence[str], where: str) -> None:
    """Refuses severities that nobody told of any image.

    Raises:
        ExamplesError: names them.
    """
    known = np.isfinite(images.labels).any(axis=0)
    lacking = [canonical(name) for name, told in zip(names, known, strict=True) if not told]
    if lacking:
        raise ExamplesError(
            f"{where}: none of {len(images.keys)} images has a value of {', '.join(lacking)}.",
            "Name the severities to train with --finding, or give this part more patients: of "
            "training ones, a larger --fraction.",
        )


def check_differing(images: LabelledImages, names: Sequence[str], where: str) -> None:
    """Refuses severities that are the same on all images: there is nothing to learn from them.

    Raises:
        ExamplesError: names each and its value.
    """
    check_known(images, names, where)
    columns = [column[np.isfinite(column)] for column in images.labels.T]
    equal = [
        f"{canonical(name)} (always {values[0]:g})"
        for name, values in zip(names, columns, strict=True)
        if (values == values[0]).all()
    ]
    if equal:
        raise ExamplesError(
            f"{where}: {len(images.keys)} images of {len(set(images.patients))} patients do not "
            f"differ in {'; '.join(equal)}; expected two values at least.",
            "Name the severities to train with --finding, or give this part more patients: of "
            "training ones, a larger --fraction.",
        )


def grades_in(manifest: Manifest, names: Sequence[str]) -> Grades:
    """The grades of a whole manifest.

    A small fraction may lack the highest, and models that cannot tell it are no measure for those
    that can.

    Raises:
        ManifestError: a value is no whole number from 0, or all are 0.
    """
    listed = np.array([severities(study, names) for study in manifest.studies])
    return grades_of(listed, str(manifest.path))


def grades_of(labels: Float[np.ndarray, "images names"], where: str) -> Grades:
    """The grades that occur.

    Raises:
        ManifestError: a value is no whole number from 0, or all are 0.
    """
    known = labels[np.isfinite(labels)]
    odd = known[(known < 0) | (known != np.round(known))]
    if len(odd) or known.max() < 1:
        found = f"{odd[0]:g}" if len(odd) else "0 alone"
        raise ManifestError(
            f"{where}: a grade is {found}; expected whole numbers from 0 upwards, and more than "
            "one of them. Where readers of a study do not agree, keep one grade; for scores on a "
            "scale, or means of readers, use the task severity."
        )
    return Grades(highest=int(known.max()))


def scale_of(labels: Float[np.ndarray, "images names"], where: str) -> Scale:
    """Mean, deviation and highest score in training.

    Raises:
        ManifestError: all scores are equal, or none is above 0.
    """
    known = labels[np.isfinite(labels)]
    if known.std() == 0 or known.max() <= 0:
        raise ManifestError(
            f"{where}: every score is {known[0]:g}; expected scores that differ and reach above "
            "0. Give more patients that were graded."
        )
    return Scale(mean=float(known.mean()), deviation=float(known.std()), highest=float(known.max()))


def first_outputs(
    scale: Grades | Scale, labels: Float[np.ndarray, "images names"]
) -> Float[Tensor, "names outputs"]:
    """What a grader says of every image before it is trained: the shares among the labels.

    A head that begins at "one half" of every question takes most of a short training to learn that
    high grades are rare, and rounds to a grade above 0 until then. Half an image is added to
    either side of each share, so that all are finite. A score begins at its own mean.
    """
    match scale:
        case Grades():
            at_least = labels[..., None] >= np.arange(1, scale.highest + 1)
            known = np.isfinite(labels).sum(axis=0)[:, None]
            share = (at_least.sum(axis=0) + 0.5) / (known + 1)
            return torch.from_numpy(np.log(share / (1 - share))).float()
        case Scale():
            begun = (np.nanmean(labels, axis=0) - scale.mean) / scale.deviation
            return torch.from_numpy(begun)[:, None].float()


class GradingObjective(TunedModel[Grader]):
    """The loss of a grader; an `Objective`."""

    labels: Tensor

    def __init__(
        self, model: Grader, labels: Float[np.ndarray, "images names"], settings: GradingSettings
    ) -> None:
        super().__init__(model, frozen=settings.frozen)
        self.settings = settings
        self.register_buffer("labels", torch.from_numpy(labels).float(), persistent=False)

    def losses(self, batch: ImageBatch) -> Losses:
        """The loss of all known severities of this process's share of the batch."""
        pictures = pictures_of(batch, self.settings.augmentation, self.model.preprocessing)
        outputs = self.model(pictures).float()
        total, count = severity_loss(self.model.config.scale, outputs, self.labels[batch.rows])
        return {"severity": Term(sum=total, count=count)}


def severity_loss(
    scale: Grades | Scale,
    outputs: Float[Tensor, "batch names outputs"],
    labels: Float[Tensor, "batch names"],
) -> Summed:
    """Cumulative cross entropy of grades, absolute error of scores."""
    match scale:
        case Grades():
            return cumulative_loss(outputs, labels)
        case Scale():
            return absolute_loss(outputs[..., 0], (labels - scale.mean) / scale.deviation)


class SeverityValidation:
    """The validation part, scored by minus the mean absolute error in units of the deviation."""

    def __init__(self, model: Grader, images: LabelledImages, store: ImageStore) -> None:
        self.model = model
        self.labels = images.labels
        self.batches = ImageBatches(images.keys, images.studies, store, 16, seed=0)

    def score(self) -> float:
        """The higher the better; 0 is perfect."""
        return -float(np.nanmean(np.abs(self.predicted() - self.labels)))

    def predicted(self) -> Float[np.ndarray, "images names"]:
        """Expected grades or scores of every image, in the order of the images."""
        return values_of_all(self.model, self.batches, self.model.expected, self.labels.shape)
