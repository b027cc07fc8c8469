"""Fine-tuning for segmentation: the loss, its defaults, and what validation chooses."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carina.encoders.modes import evaluating
from carina.errors import ConfigError
from carina.finetuning.outlines import OutlinedBatch, OutlinedBatches, OutlinedImages
from carina.finetuning.pictures import device_of, pictures_of, plain_pictures_of
from carina.finetuning.segmenter import DecoderShape, Segmenter, UNet
from carina.finetuning.tuned_model import TunedModel
from carina.imaging.augmentation import NoAugmentation, WarpAugmentation
from carina.imaging.geometry import warp
from carina.imaging.preprocessing import Preprocessing
from carina.imaging.store import ImageStore
from carina.losses.segmentation import focal_entropy, log_dice, mask_entropy, soft_dice
from carina.training.objective import Losses, Place, Term
from carina.training.optimiser import AdamW, LayerwiseDecay
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

THRESHOLDS = np.arange(1, 20) / 20
"""Probabilities that are tried as the threshold of a mask."""


@dataclass(frozen=True, kw_only=True)
class EntropyAndDice:
    """Cross entropy plus `dice_weight` times Dice, each mask by itself."""

    dice_weight: float = 1.0

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not self.dice_weight >= 0:
            raise ConfigError(f"dice_weight must be >= 0, got {self.dice_weight}.")

    def terms(self, logits: Tensor, masks: Tensor, known: Tensor) -> Losses:
        """Both terms over the known masks."""
        entropy, count = mask_entropy(logits, masks, known)
        dice, _ = soft_dice(logits, masks, known)
        return {
            "entropy": Term(sum=entropy, count=count),
            "dice": Term(sum=dice, count=count, weight=self.dice_weight),
        }


@dataclass(frozen=True, kw_only=True)
class FocalAndLogDice:
    """`focal_weight` times focal loss, minus the logarithm of the batch's Dice: ECAMP's code."""

    focal_weight: float = 10.0

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not self.focal_weight >= 0:
            raise ConfigError(f"focal_weight must be >= 0, got {self.focal_weight}.")

    def terms(self, logits: Tensor, masks: Tensor, known: Tensor) -> Losses:
        """Both terms over the known masks."""
        focal, count = focal_entropy(logits, masks, known)
        dice, once = log_dice(logits, masks, known)
        return {
            "focal": Term(sum=focal, count=count, weight=self.focal_weight),
            "log_dice": Term(sum=dice, count=once),
        }


MASK_LOSSES: dict[str, EntropyAndDice | FocalAndLogDice] = {
    "entropy": EntropyAndDice(),
    "focal": FocalAndLogDice(),
}
"""Every loss of masks by its name on the command line."""


@dataclass(frozen=True, kw_only=True)
class SegmentationSettings:
    """How a segmenter is fine-tuned: the same for every start.

    `decoder` leads from the encoder's maps back to the pixels. With `frozen` only the decoder is
    trained. Every `training.checkpoint_every` steps the validation part is scored.
    """

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            batch_size=16,
            steps=400,
            optimiser=AdamW(rate=2e-3, weight_decay=0.02, layers=LayerwiseDecay(factor=0.75)),
            schedule=WarmupCosine(warmup_share=0.1),
            checkpoint_every=40,
        )
    )
    augmentation: WarpAugmentation = WarpAugmentation(
        scale=(0.7, 1.0),
        aspect=(0.9, 1.11),
        rotation_degrees=10.0,
        brightness=0.2,
        contrast=0.2,
    )
    decoder: DecoderShape = UNet()
    loss: EntropyAndDice | FocalAndLogDice = EntropyAndDice()
    frozen: bool = False


class SegmentationObjective(TunedModel[Segmenter]):
    """The loss of a segmenter; an `Objective`. Image and masks move together."""

    def __init__(self, model: Segmenter, settings: SegmentationSettings) -> None:
        super().__init__(model, frozen=settings.frozen)
        self.settings = settings

    def losses(self, batch: OutlinedBatch) -> Losses:
        """The terms over the known masks of this process's share of the batch."""
        images, augmentation = batch.images, self.settings.augmentation
        size = self.model.preprocessing.size
        logits = self.model(pictures_of(images, augmentation, self.model.preprocessing)).float()
        warps = augmentation.warps(images.sizes, size, images.share)
        masks = (warp(batch.masks.float() / 255, warps, (size, size)) > 0.5).float()
        return self.settings.loss.terms(logits, masks, batch.known)


class MaskValidation:
    """The validation part, scored by Dice: chooses the best step, then the thresholds."""

    def __init__(
        self,
        model: Segmenter,
        images: OutlinedImages,
        pictures: ImageStore,
        masks: ImageStore | None,
    ) -> None:
        self.model = model
        self.batches = OutlinedBatches(images, pictures, masks, batch_size=16, seed=0)
        self.count = len(images.keys)

    def score(self) -> float:
        """Mean Dice over structures at a probability of one half."""
        half = int(np.argmin(np.abs(THRESHOLDS - 0.5)))
        return float(np.nanmean(self.dice()[:, half]))

    def choose(self) -> tuple[float, ...]:
        """The threshold of each structure with the best mean Dice; one half where unknown."""
        curves = self.dice()
        best = [
            float(THRESHOLDS[int(np.nanargmax(curve))]) if np.isfinite(curve).any() else 0.5
            for curve in curves
        ]
        return tuple(best)

    @torch.no_grad()
    def dice(self) -> Float[np.ndarray, "structures thresholds"]:
        """Mean Dice at each of `THRESHOLDS`; an empty mask scores 1 if nothing is predicted."""
        total = np.zeros((len(self.model.config.structures), len(THRESHOLDS)))
        count = np.zeros(len(total))
        seen: set[int] = set()
        with evaluating(self.model):
            for step in range(self.batches.steps_per_epoch):
                batch = self.batches.batch(step, Place()).to(device_of(self.model))
                images, preprocessing = batch.images, self.model.preprocessing
                masks = plain_masks(batch, preprocessing)
                maps = self.model(plain_pictures_of(images, preprocessing)).float().sigmoid()
                for row, image in enumerate(images.rows.tolist()):
                    if image not in seen:  # the last batch goes on with the first images
                        seen.add(image)
                        known = batch.known[row].cpu().numpy()
                        total[known] += dice_curves(maps[row], masks[row])[known]
                        count += known
        with np.errstate(invalid="ignore"):
            return total / count[:, None]


def plain_masks(
    batch: OutlinedBatch, preprocessing: Preprocessing
) -> Bool[Tensor, "batch structures size size"]:
    """The masks of a batch, resized as its pictures are."""
    plain, images = NoAugmentation(resize=preprocessing.resize), batch.images
    parts = [
        plain(batch.masks[:, place : place + 1], images.sizes, preprocessing.size, images.share)
        for place in range(batch.masks.shape[1])
    ]
    return torch.cat(parts, 1) > 0.5


def dice_curves(
    maps: Float[Tensor, "structures rows cols"], masks: Bool[Tensor, "structures rows cols"]
) -> Float[np.ndarray, "structures thresholds"]:
    """Dice of every structure at each of `THRESHOLDS`."""
    truth = masks.flatten(1)
    curves = []
    for threshold in THRESHOLDS:
        predicted = maps.flatten(1) >= threshold
        either = predicted.sum(1) + truth.sum(1)
        both = 2 * (predicted & truth).sum(1)
        curves.append(torch.where(either > 0, both / either.clamp(min=1), 1.0))
    return torch.stack(curves, 1).double().cpu().numpy()
