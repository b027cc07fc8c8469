"""Contrast of whole images with whole reports: how published systems compute it, each a class."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError
from carina.losses.contrast import (
    Summed,
    cosine_contrast,
    directed_contrast,
    scaled_dot_contrast,
)
from carina.studies.batches import ImageBatch
from carina.training.distributed import gather_rows


@dataclass(frozen=True, kw_only=True)
class CosineContrast:
    """Eq. 6 of KAD's paper. The paper gives no value for `temperature` (tau)."""

    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Checks that the temperature can divide."""
        if not self.temperature > 0:
            raise ConfigError(
                f"temperature must be > 0, got {self.temperature}: it divides the similarities."
            )

    def __call__(
        self,
        image: Float[Tensor, "local dim"],
        report: Float[Tensor, "local dim"],
        all_images: Float[Tensor, "all dim"],
        all_reports: Float[Tensor, "all dim"],
        *,
        first: int,
    ) -> Summed:
        """See `cosine_contrast`."""
        return cosine_contrast(
            image, report, all_images, all_reports, first=first, temperature=self.temperature
        )


@dataclass(frozen=True, kw_only=True)
class ScaledDotContrast:
    """Contrast as KAD's published code computes it: raw dot products times ln(1 / 0.07)."""

    scale: float = math.log(1 / 0.07)

    def __call__(
        self,
        image: Float[Tensor, "local dim"],
        report: Float[Tensor, "local dim"],
        all_images: Float[Tensor, "all dim"],
        all_reports: Float[Tensor, "all dim"],
        *,
        first: int,
    ) -> Summed:
        """See `scaled_dot_contrast`."""
        return scaled_dot_contrast(
            image, report, all_images, all_reports, first=first, scale=self.scale
        )


@dataclass(frozen=True, kw_only=True)
class DirectedContrast:
    """ConVIRT's contrast: `image_weight` is the share of the image-to-report direction."""

    temperature: float = 0.1
    image_weight: float = 0.75

    def __post_init__(self) -> None:
        """Checks temperature and share."""
        if not self.temperature > 0:
            raise ConfigError(
                f"temperature must be > 0, got {self.temperature}: it divides the similarities."
            )
        if not 0 <= self.image_weight <= 1:
            raise ConfigError(f"image_weight must be in [0, 1], got {self.image_weight}.")

    def __call__(
        self,
        image: Float[Tensor, "local dim"],
        report: Float[Tensor, "local dim"],
        all_images: Float[Tensor, "all dim"],
        all_reports: Float[Tensor, "all dim"],
        *,
        first: int,
    ) -> Summed:
        """See `directed_contrast`."""
        return directed_contrast(
            *(image, report, all_images, all_reports),
            first=first,
            temperature=self.temperature,
            image_weight=self.image_weight,
        )


PairContrast = CosineContrast | ScaledDotContrast | DirectedContrast


def contrast_batch(
    contrast: PairContrast,
    images: Float[Tensor, "local dim"],
    reports: Float[Tensor, "local dim"],
    batch: ImageBatch,
) -> Summed:
    """Contrast over the global batch, in float32 whatever the precision around it."""
    with torch.autocast(images.device.type, enabled=False):
        wide = torch.promote_types(images.dtype, torch.float32)
        images, reports = images.to(wide), reports.to(wide)
        return contrast(
            images, reports, gather_rows(images), gather_rows(reports), first=batch.places.start
        )
