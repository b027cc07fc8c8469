"""What KAD's second stage minimises, and the choices in it: each choice is a class."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carina.encoders.features import ImageFeatures
from carina.errors import ConfigError
from carina.imaging.augmentation import WarpAugmentation
from carina.losses.contrast import Summed
from carina.losses.query import existence_loss
from carina.pretraining.image_side import (
    AugmentationChoice,
    BatchStatistics,
    SynchronisedStatistics,
    encode_batch,
)
from carina.pretraining.kad import KADModel
from carina.pretraining.pair_contrast import CosineContrast, PairContrast, contrast_batch
from carina.pretraining.pairs_objective import PairsObjective
from carina.pretraining.text_side import FrozenText, TrainedText
from carina.studies.batches import ImageBatch
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
class KADLosses:
    """The choices of KAD's second stage. Defaults are the paper's.

    `existence_weight` and `contrast_weight` multiply the terms. With `image_chunks` above 1
    the image encoder sees the batch in as many pieces, to save memory.
    """

    augmentation: AugmentationChoice = WarpAugmentation()
    memory: RandomSelect | BothMemories | ImageMemory = RandomSelect()
    contrast: PairContrast = CosineContrast()
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


class KADObjective(PairsObjective[KADModel]):
    """Contrast between image and report, and the findings asked of either; an `Objective`."""

    settings: KADLosses

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
        sum_, count = contrast_batch(self.settings.contrast, features.pooled, reports, batch)
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
