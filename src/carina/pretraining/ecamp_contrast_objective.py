"""What ECAMP with contrast minimises: ECAMP's losses, and the contrast of MaCo."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.errors import ConfigError
from carina.losses.contrast import Summed
from carina.losses.weighted_contrast import scaled_cosine_contrast
from carina.pretraining.ecamp_contrast import ECAMPContrastConfig, ECAMPContrastModel
from carina.pretraining.ecamp_objective import ECAMPObjective
from carina.pretraining.learnt_temperature import LearntScale, LearntTemperature
from carina.pretraining.pairs import Pairs
from carina.pretraining.report_pieces import (
    FullStops,
    Sentences,
    ShuffledSome,
    Single,
    Statements,
    drawn_texts,
    each_once,
)
from carina.studies.batches import ImageBatch
from carina.training.distributed import gather_rows
from carina.training.objective import Losses, Term
from carina.zeroshot.prompts import PROMPT_SETS, PromptSet


class ECAMPContrastObjective(nn.Module):
    """An ECAMP model with contrast in training; an `Objective`."""

    def __init__(
        self,
        model: ECAMPContrastModel,
        masked: ECAMPObjective,
        pieces: Sequence[Sequence[str]],
        contrast: "ReportContrast",
    ) -> None:
        """Takes the model, ECAMP's objective over its inner model, and the reports' pieces."""
        super().__init__()
        assert masked.model is model.ecamp
        self.model = model
        self.masked = masked
        self.pieces = tuple(tuple(parts) for parts in pieces)
        self.contrast = contrast

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        pooled, terms = self.masked.seen(batch)
        images = self.model.image_vectors(pooled)
        sums = [self._contrast(images, texts, batch.places.start) for texts in self._read(batch)]
        totals, counts = zip(*sums, strict=True)
        contrast = Term(
            sum=torch.stack(totals).sum(),
            count=torch.stack(counts).sum(),
            weight=self.contrast.weight,
        )
        return {**terms, "contrast": contrast}

    def _read(self, batch: ImageBatch) -> list[Float[Tensor, "batch dim"]]:
        """The vectors of each draw's texts."""
        different, rows = each_once(drawn_texts(self.contrast.draw, self.pieces, batch))
        vectors = self.model.text_vectors(different)
        return [vectors[draw] for draw in rows]

    def _contrast(
        self,
        images: Float[Tensor, "batch dim"],
        texts: Float[Tensor, "batch dim"],
        first: int,
    ) -> Summed:
        """Over the global batch, in float32 whatever the precision around it."""
        with torch.autocast(images.device.type, enabled=False):
            wide = torch.promote_types(images.dtype, torch.float32)
            images, texts = images.to(wide), texts.to(wide)
            scale = self.model.config.scale.of(self.model.scale).to(wide)
            return scaled_cosine_contrast(
                images, texts, gather_rows(images), gather_rows(texts), first=first, scale=scale
            )


@dataclass(frozen=True, kw_only=True)
class NoContrast:
    """Nothing is contrasted: ECAMP as published, which answers nothing."""

    def extend(self, masked: ECAMPObjective, pairs: Pairs) -> tuple[nn.Module, nn.Module]:
        """The objective and its model as they are."""
        return masked, masked.model


@dataclass(frozen=True, kw_only=True)
class ReportContrast:
    """Images are contrasted with pieces of their reports.

    `pieces` is what a report is cut into, `draw` which of them are taken at a step. `weight`
    multiplies the contrast. The others are settings of `ECAMPContrastConfig`.
    """

    pieces: FullStops | Sentences | Statements = Sentences()
    draw: ShuffledSome | Single = Single()
    weight: float = 1.0
    dim: int = 768
    scale: LearntScale | LearntTemperature = LearntTemperature()
    prompts: PromptSet = PROMPT_SETS["there-is"]

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not self.weight >= 0:
            raise ConfigError(f"weight of the contrast must be >= 0, got {self.weight}.")

    def extend(self, masked: ECAMPObjective, pairs: Pairs) -> tuple[nn.Module, nn.Module]:
        """The objective with contrast added, and a model that answers around its model."""
        config = ECAMPContrastConfig(
            ecamp=masked.model.config, dim=self.dim, scale=self.scale, prompts=self.prompts
        )
        model = ECAMPContrastModel(config, masked.model)
        return ECAMPContrastObjective(model, masked, pairs.read(self.pieces.of), self), model
