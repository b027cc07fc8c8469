"""Batches of stored radiographs as a model takes them, augmented or plain."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.imaging.augmentation import NoAugmentation, WarpAugmentation
from carina.imaging.preprocessing import Preprocessing, standardise
from carina.studies.batches import ImageBatch


def pictures_of(
    batch: ImageBatch, augmentation: NoAugmentation | WarpAugmentation, preprocessing: Preprocessing
) -> Float[Tensor, "batch channels size size"]:
    """Augmented, then standardised."""
    squares = augmentation(batch.pixels, batch.sizes, preprocessing.size, batch.share)
    return standardise(squares, preprocessing)


def plain_pictures_of(
    batch: ImageBatch, preprocessing: Preprocessing
) -> Float[Tensor, "batch channels size size"]:
    """As the model is asked: resized by its own rule, nothing random."""
    return pictures_of(batch, NoAugmentation(resize=preprocessing.resize), preprocessing)


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def hold_frozen(encoder: nn.Module) -> None:
    """Keeps an encoder that is not trained in eval mode, its statistics as they are."""
    if not any(parameter.requires_grad for parameter in encoder.parameters()):
        encoder.eval()
