"""What KAD's second stage minimises, and the choices in it: each choice is a class."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.text import TextEncoder
from carina.errors import ConfigError
from carina.imaging.augmentation import (
    WarpAugmentation,
)
from carina.losses.contrast import (
    Summed,
    cosine_contrast,
    directed_contrast,
    scaled_dot_contrast,
)
from carina.losses.query import existence_loss
from carina.pretraining.image_side import (
    AugmentationChoice,
    BatchStatistics,
    SynchronisedStatistics,
    encode_batch,
)
from carina.pretraining.kad import KADModel
from carina.pretraining.two_encoders import TwoEncoders
from carina.studies.batches import ImageBatch
from carina.training.distributed import gather_rows
from carina.training.objective import Losses, Term

Shares = tuple[Bool[Tensor, "batch"], Bool[Tensor, "batch"]]
"""Which rows ask the image, and which ask the report."""


@dataclass(frozen=True, kw_only=True)
class RandomSelect:
    """Each pair's findings are asked of its image or of its report, by chance: KAD's paper.

    `report_share` is the probability of the report; the paper picks "randomly" and gives none.
    """

    report_share: float = 0.5

    def __post_init__(self) -> None:
        """Checks the probability."""
        if not 0 < self.report_share < 1:
            raise ConfigError(f"report_share must be in (0, 1), got {self.report_share}.")

    def shares(self, *, seed: int, step: int, batch_size: int) -> Shares:
        """Drawn for the whole global batch from (seed, step)."""
        key = np.array([seed, step], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=[0, 0, 0, 1]).random_raw(batch_size)
        report = torch.from_numpy((raw >> np.uint64(11)) * 2.0**-53 < self.report_share)
        return ~report, report

    def terms(self, image: Summed, report: Summed) -> Losses:
        """One mean over all that was asked."""
        return {"existence": Term(sum=image[0] + report[0], count=image[1] + report[1])}


@dataclass(frozen=True, kw_only=True)
class BothMemories:
    """Image and report are both asked and both losses added: KAD's published code."""

    def shares(self, *, seed: int, step: int, batch_size: int) -> Shares:
        """All rows, twice."""
        everything = torch.ones(batch_size, dtype=torch.bool)
        return everything, everything

    def terms(self, image: Summed, report: Summed) -> Losses:
        """A mean for each."""
        return {
            "existence": Term(sum=image[0], count=image[1]),
            "existence_in_report": Term(sum=report[0], count=report[1]),
        }


@dataclass(frozen=True, kw_only=True)
class ImageMemory:
    """Only images are asked: the paper's ablation without random select."""

    def shares(self, *, seed: int, step: int, batch_size: int) -> Shares:
        """All rows ask the image."""
        everything = torch.ones(batch_size, dtype=torch.bool)
        return everything, ~everything

    def terms(self, image: Summed, report: Summed) -> Losses:
        """The image's mean."""
        return {"existence": Term(sum=image[0], count=image[1])}


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


@dataclass(frozen=True, kw_only=True)
class KADLosses:
    """The choices of KAD's second stage. Defaults are the paper's.

    `existence_weight` and `contrast_weight` multiply the terms. With `image_chunks` above 1
    the image encoder sees the batch in as many pieces, to save memory.
    """

    augmentation: AugmentationChoice = WarpAugmentation()
    memory: RandomSelect | BothMemories | ImageMemory = RandomSelect()
    contrast: CosineContrast | ScaledDotContrast | DirectedContrast = CosineContrast()
    batch_norm: BatchStatistics = SynchronisedStatistics()
    existence_weight: float = 1.0
    contrast_weight: float = 1.0
    image_chunks: int = 1

    def __post_init__(self) -> None:
        """Checks weights and chunks."""
        if not (self.existence_weight >= 0 and self.contrast_weight >= 0):
            raise ConfigError(
                f"Weights of losses must be >= 0, got {self.existence_weight} and "
                f"{self.contrast_weight}."
            )
        if self.image_chunks < 1:
            raise ConfigError(f"image_chunks must be at least 1, got {self.image_chunks}.")


class FrozenText(nn.Module):
    """Embeddings of queries and reports that were computed once."""

    def __init__(
        self,
        queries: Float[Tensor, "queries dim"],
        reports: Float[Tensor, "reports dim"],
        report_of: Int[Tensor, "images"],
    ) -> None:
        super().__init__()
        self.register_buffer("_queries", queries, persistent=False)
        self.register_buffer("_reports", reports, persistent=False)
        self.register_buffer("_report_of", report_of, persistent=False)

    @classmethod
    def of(
        cls, encoder: TextEncoder, queries: Sequence[str], reports: Sequence[str]
    ) -> "FrozenText":
        """Embeds queries, and the report of each image; equal reports share one row.

        It is done where the encoder is: hours on a CPU are minutes on a GPU.
        """
        different = list(dict.fromkeys(reports))
        places = {text: number for number, text in enumerate(different)}
        report_of = torch.tensor([places[text] for text in reports], dtype=torch.long)
        embedded = encoder.encode(different, bar="Embedding reports")
        return cls(encoder.encode(queries), embedded, report_of.to(embedded.device))

    def queries(self, encoder: TextEncoder) -> Float[Tensor, "queries dim"]:
        """The queries' embeddings."""
        kept: Tensor = self.get_buffer("_queries")
        return kept

    def reports(
        self, encoder: TextEncoder, rows: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """The embeddings of the reports of these images."""
        return self.get_buffer("_reports")[self.get_buffer("_report_of")[rows]]


class TrainedText(nn.Module):
    """Queries and reports that are embedded anew at every step, with gradient."""

    def __init__(self, queries: Sequence[str], reports: Sequence[str]) -> None:
        super().__init__()
        self._queries = tuple(queries)
        self._reports = tuple(reports)

    def queries(self, encoder: TextEncoder) -> Float[Tensor, "queries dim"]:
        """The queries' embeddings."""
        return self._embed(encoder, self._queries)

    def reports(
        self, encoder: TextEncoder, rows: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """The embeddings of the reports of these images."""
        return self._embed(encoder, [self._reports[row] for row in rows.tolist()])

    def _embed(self, encoder: TextEncoder, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        device = next(encoder.parameters()).device
        embedded: Tensor = encoder(encoder.tokenize(texts).to(device))
        return embedded


ModelT = TypeVar("ModelT", bound=TwoEncoders[Any])


class PairsObjective(nn.Module, Generic[ModelT]):
    """A model in training on pairs of image and report; losses are the objective's own."""

    def __init__(self, model: ModelT, text: FrozenText | TrainedText, losses: KADLosses) -> None:
        """Takes the model, whose text encoder is frozen where `text` is `FrozenText`."""
        super().__init__()
        self.model = model
        self.text = text
        self.settings = losses
        model.image_encoder = losses.batch_norm.prepare(model.image_encoder)
        self.frozen_text = isinstance(text, FrozenText)
        model.text_encoder.requires_grad_(not self.frozen_text)
        self.train()

    def train(self, mode: bool = True) -> "PairsObjective[ModelT]":
        """Sets the mode, but keeps what is frozen in eval mode.

        The published code lets dropout into the frozen text encoder; this does not.
        """
        super().train(mode)
        self.settings.batch_norm.hold(self.model.image_encoder)
        if self.frozen_text:
            self.model.text_encoder.eval()
        return self


class KADObjective(PairsObjective[KADModel]):
    """Contrast between image and report, and the findings asked of either; an `Objective`."""

    def __init__(
        self,
        model: KADModel,
        text: FrozenText | TrainedText,
        labels: Int[Tensor, "images queries"],
        losses: KADLosses,
        positive_weight: Float[Tensor, "queries"] | None = None,
    ) -> None:
        """Takes the model and what is known of every image of the training set.

        Args:
            model: its text encoder is frozen where `text` is `FrozenText`.
            text: embeds queries and reports.
            labels: of `existence_loss`, a row an image.
            losses: the choices.
            positive_weight: of `existence_loss`.
        """
        super().__init__(model, text, losses)
        self.register_buffer("labels", labels, persistent=False)
        self.register_buffer("positive_weight", positive_weight, persistent=False)

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        features = encode_batch(
            self.model.image_encoder, batch, self.settings, self.model.config.preprocessing
        )
        reports = self.text.reports(self.model.text_encoder, batch.rows)
        existence = self.existence(features, reports, batch)
        terms = {
            name: Term(sum=term.sum, count=term.count, weight=self.settings.existence_weight)
            for name, term in existence.items()
        }
        sum_, count = contrast_batch(self.settings, features.pooled, reports, batch)
        terms["contrast"] = Term(sum=sum_, count=count, weight=self.settings.contrast_weight)
        return terms

    def existence(
        self, features: ImageFeatures, reports: Float[Tensor, "batch dim"], batch: ImageBatch
    ) -> Losses:
        """Asks images and reports, each the rows that fall to it."""
        shares = self.settings.memory.shares(
            seed=batch.seed, step=batch.step, batch_size=batch.batch_size
        )
        queries = self.text.queries(self.model.text_encoder)
        labels = self.get_buffer("labels")[batch.rows]
        memories = (features.tokens, reports.unsqueeze(1))
        image, report = (
            self._asked(memory, queries, labels, share[list(batch.places)])
            for memory, share in zip(memories, shares, strict=True)
        )
        return self.settings.memory.terms(image, report)

    def _asked(
        self,
        memory: Float[Tensor, "batch tokens dim"],
        queries: Float[Tensor, "queries dim"],
        labels: Int[Tensor, "batch queries"],
        share: Bool[Tensor, "batch"],
    ) -> Summed:
        """The loss of the rows in `share`; none gives 0 of 0."""
        if not share.any():
            nothing = memory.new_zeros(())
            return nothing, nothing
        if not share.all():
            rows = share.to(memory.device)
            memory, labels = memory[rows], labels[rows]
        weight = self._buffers["positive_weight"]
        return existence_loss(self.model.logits(memory, queries), labels, weight)


def contrast_batch(
    settings: KADLosses,
    images: Float[Tensor, "local dim"],
    reports: Float[Tensor, "local dim"],
    batch: ImageBatch,
) -> Summed:
    """Contrast over the global batch, in float32 whatever the precision around it."""
    with torch.autocast(images.device.type, enabled=False):
        wide = torch.promote_types(images.dtype, torch.float32)
        images, reports = images.to(wide), reports.to(wide)
        return settings.contrast(
            images, reports, gather_rows(images), gather_rows(reports), first=batch.places.start
        )
