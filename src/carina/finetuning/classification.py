"""Fine-tuning for classification: the loss, its defaults, and the best epoch by validation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError
from carina.finetuning.classifier import Classifier
from carina.finetuning.labels import LabelledImages
from carina.finetuning.multiclass import MultiClassClassifier, class_weights
from carina.finetuning.pictures import pictures_of
from carina.finetuning.query_classifier import QueryClassifier
from carina.finetuning.tuned_model import TunedModel, values_of_all
from carina.imaging.augmentation import NoAugmentation, WarpAugmentation
from carina.imaging.store import ImageStore
from carina.losses.contrast import Summed
from carina.losses.exclusive import exclusive_loss
from carina.losses.multilabel import multilabel_loss
from carina.metrics.classification import auc
from carina.studies.batches import ImageBatch, ImageBatches
from carina.training.objective import Losses, Term
from carina.training.optimiser import AdamW, LayerwiseDecay
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

AnyClassifier = Classifier | QueryClassifier | MultiClassClassifier
"""A model with one logit a finding or class."""


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings:
    """How a classifier is fine-tuned: the same for every start.

    Images are not flipped: "left" must stay left. `class_weight_power` p weighs rare labels up:
    the present label of each finding by (absent / present) ** p, and of classes that exclude one
    another each by (mean count / count) ** p. With `frozen` only the head is trained.
    Every `training.checkpoint_every` steps the validation part is scored; the best step is kept.
    """

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            batch_size=32,
            steps=400,
            optimiser=AdamW(rate=1e-3, weight_decay=0.05, layers=LayerwiseDecay(factor=0.75)),
            schedule=WarmupCosine(warmup_share=0.1),
            checkpoint_every=40,
        )
    )
    augmentation: NoAugmentation | WarpAugmentation = WarpAugmentation(
        scale=(0.8, 1.0),
        aspect=(0.95, 1.05),
        rotation_degrees=5.0,
        brightness=0.15,
        contrast=0.15,
    )
    class_weight_power: float = 0.0
    frozen: bool = False

    def __post_init__(self) -> None:
        """Checks the power."""
        if not 0 <= self.class_weight_power < math.inf:
            raise ConfigError(
                f"class_weight_power (--class-weights) must be a number >= 0, got "
                f"{self.class_weight_power}: 0 weighs all labels alike, 1 by their rarity."
            )


def through_queries() -> ClassificationSettings:
    """The same through a query network: a tenth of the rate, for all of it is trained already."""
    settings = ClassificationSettings()
    optimiser = AdamW(rate=1e-4, weight_decay=0.05, layers=LayerwiseDecay(factor=0.75))
    return replace(settings, training=replace(settings.training, optimiser=optimiser))


@dataclass(frozen=True, kw_only=True)
class LabelLoss:
    """A loss of labels: `loss` of logits, labels and weights, `weights` of labels and a power."""

    loss: Callable[[Tensor, Tensor, Tensor], Summed]
    weights: Callable[[np.ndarray, float], Tensor]


class ClassificationObjective(TunedModel[AnyClassifier]):
    """The loss of a classifier; an `Objective`."""

    labels: Tensor
    weights: Tensor

    def __init__(
        self,
        model: AnyClassifier,
        labels: Float[np.ndarray, "images findings"],
        settings: ClassificationSettings,
        label_loss: LabelLoss,
    ) -> None:
        super().__init__(model, frozen=settings.frozen)
        self.settings = settings
        self.label_loss = label_loss
        weights = label_loss.weights(labels, settings.class_weight_power)
        self.register_buffer("labels", torch.from_numpy(labels).float(), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def losses(self, batch: ImageBatch) -> Losses:
        """The loss of all known labels of this process's share of the batch."""
        pictures = pictures_of(batch, self.settings.augmentation, self.model.preprocessing)
        logits = self.model(pictures)
        total, count = self.label_loss.loss(logits, self.labels[batch.rows], self.weights)
        return {"classification": Term(sum=total, count=count)}


def present_weights(
    labels: Float[np.ndarray, "images findings"], power: float
) -> Float[Tensor, "findings"]:
    """(absent / present) ** power for each finding; 1 where either never occurs."""
    present, absent = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    both = (present > 0) & (absent > 0)
    ratio = np.where(both, absent / np.maximum(present, 1), 1.0)
    return torch.from_numpy(ratio**power).float()


INDEPENDENT = LabelLoss(loss=multilabel_loss, weights=present_weights)
"""Every finding by itself: masked binary cross entropy."""
EXCLUSIVE = LabelLoss(loss=exclusive_loss, weights=class_weights)
"""One of the classes is true: cross entropy."""


class LabelValidation:
    """The validation part, scored by mean AUC."""

    def __init__(self, model: AnyClassifier, images: LabelledImages, store: ImageStore) -> None:
        self.model = model
        self.images = images
        self.batches = ImageBatches(images.keys, images.studies, store, 32, seed=0)

    def score(self) -> float:
        """Mean AUC over the findings in which it is defined."""
        return float(np.nanmean(auc(self.scores(), self.images.labels)))

    def scores(self) -> Float[np.ndarray, "images findings"]:
        """Logits of every validation image, in the order of the images."""
        return values_of_all(self.model, self.batches, self.model, self.images.labels.shape)
