"""A pre-trained encoder below a new head, in training: what all tasks of fine-tuning share."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.modes import evaluating
from carina.finetuning.pictures import device_of, hold_frozen, plain_pictures_of
from carina.studies.batches import ImageBatches
from carina.training.objective import Place

ModelT = TypeVar("ModelT", bound=nn.Module)


class TunedModel(nn.Module, Generic[ModelT]):
    """A model in training whose encoder, with `frozen`, stays as it is; losses are the task's."""

    def __init__(self, model: ModelT, *, frozen: bool) -> None:
        super().__init__()
        self.model = model
        encoder: Any = model.image_encoder
        encoder.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> "TunedModel[ModelT]":
        """Training mode, in which a frozen encoder keeps its statistics."""
        super().train(mode)
        encoder: Any = self.model.image_encoder
        hold_frozen(encoder)
        return self


@torch.no_grad()
def values_of_all(
    model: nn.Module,
    batches: ImageBatches,
    values: Callable[[Tensor], Tensor],
    shape: tuple[int, int],
) -> Float[np.ndarray, "images names"]:
    """What a model says of every image as it is asked, in the order of the images.

    Args:
        model: is put in eval mode meanwhile.
        batches: every image at least once.
        values: of standardised pictures, [batch, names].
        shape: number of images and of names.
    """
    found = np.full(shape, np.nan)
    asked: Any = model
    with evaluating(model):
        for step in range(batches.steps_per_epoch):
            batch = batches.batch(step, Place()).to(device_of(model))
            pictures = plain_pictures_of(batch, asked.preprocessing)
            found[batch.rows.cpu().numpy()] = values(pictures).double().cpu().numpy()
    return found
