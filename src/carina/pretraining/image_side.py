"""What the image side of a stage has in common with that of any other system's."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.chunks import encode_in_chunks
from carina.encoders.features import ImageFeatures
from carina.encoders.modes import batch_norms
from carina.encoders.synchronised import synchronised
from carina.errors import ConfigError
from carina.imaging.augmentation import (
    NoAugmentation,
    RandomAugmentOfficial,
    WarpAugmentation,
    standardise,
)
from carina.imaging.preprocessing import Preprocessing
from carina.imaging.store import ImageStore
from carina.studies.batches import ImageBatch
from carina.training.distributed import place

AugmentationChoice = NoAugmentation | RandomAugmentOfficial | WarpAugmentation


@dataclass(frozen=True, kw_only=True)
class OwnStatistics:
    """Batch norms use the statistics of this process's share of the batch."""

    def prepare(self, encoder: nn.Module) -> nn.Module:
        """Changes nothing."""
        return encoder

    def hold(self, encoder: nn.Module) -> None:
        """Changes nothing."""


@dataclass(frozen=True, kw_only=True)
class SynchronisedStatistics:
    """Batch norms use the statistics of the global batch, as one process with all of it would."""

    def prepare(self, encoder: nn.Module) -> nn.Module:
        """Puts synchronised batch norms in where there are several processes."""
        return encoder if place().processes == 1 else synchronised(encoder)

    def hold(self, encoder: nn.Module) -> None:
        """Changes nothing."""


@dataclass(frozen=True, kw_only=True)
class FrozenStatistics:
    """Batch norms use their running statistics and leave them as they are.

    So any number of processes gives the loss of one.
    """

    def prepare(self, encoder: nn.Module) -> nn.Module:
        """Changes nothing."""
        return encoder

    def hold(self, encoder: nn.Module) -> None:
        """Keeps the batch norms in eval mode; scale and shift are still learnt."""
        for norm in batch_norms(encoder):
            norm.eval()


BatchStatistics = OwnStatistics | SynchronisedStatistics | FrozenStatistics


@runtime_checkable
class ImageSide(Protocol):
    """The settings of a loss that say how a batch of pictures is encoded."""

    @property
    def augmentation(self) -> AugmentationChoice:
        """How stored pictures are varied."""
        ...

    @property
    def image_chunks(self) -> int:
        """In how many pieces the encoder sees the batch."""
        ...


def encode_batch(
    encoder: nn.Module, batch: ImageBatch, settings: ImageSide, preprocessing: Preprocessing
) -> ImageFeatures:
    """Augments, standardises and encodes the images of a batch."""
    pictures = settings.augmentation(batch.pixels, batch.sizes, preprocessing.size, batch.share)
    return encode_in_chunks(encoder, standardise(pictures, preprocessing), settings.image_chunks)


def check_store_size(store_size: int, needed: int) -> None:
    """Refuses stored pictures that are smaller than what the model takes.

    Raises:
        ConfigError: they are.
    """
    if store_size < needed:
        raise ConfigError(
            f"store_size ({store_size}) must be at least the model's input size ({needed})."
        )


def standardisation(
    preprocessing: Preprocessing, store: ImageStore, *, is_measured: bool
) -> Preprocessing:
    """The same with mean and deviation of the stored pictures, or as it is."""
    if not is_measured:
        return preprocessing
    channels = preprocessing.channels
    return replace(
        preprocessing,
        mean=(float(store.mean),) * channels,
        std=(max(float(store.std), 1e-3),) * channels,
    )


def lower_resolution(
    pictures: Float[Tensor, "batch channels height width"], size: int
) -> Float[Tensor, "batch channels size size"]:
    """Bicubic without antialiasing, as the published code of MaCo and ECAMP halves pictures.

    Pictures that have the size stay as they are.
    """
    if pictures.shape[-1] == size:
        return pictures
    lower: Tensor = F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False)
    return lower
