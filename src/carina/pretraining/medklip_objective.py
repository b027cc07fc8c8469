"""What MedKLIP minimises: whether findings are there, and at which position."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.errors import ConfigError
from carina.imaging.augmentation import WarpAugmentation
from carina.losses.position import position_contrast
from carina.losses.query import existence_loss
from carina.pretraining.image_side import (
    AugmentationChoice,
    BatchStatistics,
    SynchronisedStatistics,
    encode_batch,
)
from carina.pretraining.medklip import MedKLIPModel
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the reports of a batch say, one position drawn for each finding that is there.

    `labels` are of `existence_loss`. `row` and `finding` say which cells of it are present. For
    each of these `choices` are all positions: one of the right ones, then those that are wrong
    in an order that was drawn, then `NO_CHOICE`.
    """

    labels: Int[Tensor, "batch findings"]
    row: Int[Tensor, "present"]
    finding: Int[Tensor, "present"]
    choices: Int[Tensor, "present places"]

    def to(self, device: torch.device) -> "Drawn":
        """Copies the tensors to a device."""
        return Drawn(
            labels=self.labels.to(device),
            row=self.row.to(device),
            finding=self.finding.to(device),
            choices=self.choices.to(device),
        )


@runtime_checkable
class Targets(Protocol):
    """What is known of the images of a training set."""

    def draw(self, batch: ImageBatch) -> Drawn:
        """The targets of one batch: a pure function of its rows, seed, step and places."""
        ...


@dataclass(frozen=True, kw_only=True)
class PositionContrast:
    """A finding that is there is told where, against `negatives` other positions (the paper's M).

    `weight` multiplies the term (the paper's alpha 2).
    """

    negatives: int = 7
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Checks number and weight."""
        if self.negatives < 1:
            raise ConfigError(f"negatives must be at least 1, got {self.negatives}.")
        if not self.weight > 0:
            raise ConfigError(
                f"weight of the position contrast must be > 0, got {self.weight}. Leave the "
                "contrast out with another recipe, one that ends in _no_position."
            )

    def prepare(self, model: MedKLIPModel) -> None:
        """All of the model is trained."""

    def terms(
        self,
        model: MedKLIPModel,
        features: Float[Tensor, "batch findings dim"],
        positions: Float[Tensor, "places length"],
        drawn: Drawn,
    ) -> Losses:
        """One term, in float32 whatever the precision around it; of no finding it is 0 of 0."""
        choices = drawn.choices[:, : 1 + self.negatives]
        with torch.autocast(features.device.type, enabled=False):
            wide = torch.promote_types(features.dtype, torch.float32)
            predicted = model.position(features[drawn.row, drawn.finding].to(wide))
            total, count = position_contrast(predicted, positions.to(wide), choices)
        return {"position": Term(sum=total, count=count, weight=self.weight)}


@dataclass(frozen=True, kw_only=True)
class NoPositionContrast:
    """Where a finding is, is not told: the paper's ablation."""

    def prepare(self, model: MedKLIPModel) -> None:
        """The position head is not trained; processes would wait for its gradient."""
        model.position.requires_grad_(False)

    def terms(
        self,
        model: MedKLIPModel,
        features: Float[Tensor, "batch findings dim"],
        positions: Float[Tensor, "places length"],
        drawn: Drawn,
    ) -> Losses:
        """No term."""
        return {}


@dataclass(frozen=True, kw_only=True)
class MedKLIPLosses:
    """The choices of MedKLIP's training. Defaults are the paper's, where it says.

    With `image_chunks` above 1 the image encoder sees the batch in as many pieces, to save
    memory.
    """

    augmentation: AugmentationChoice = WarpAugmentation()
    position: PositionContrast | NoPositionContrast = PositionContrast()
    batch_norm: BatchStatistics = SynchronisedStatistics()
    image_chunks: int = 1

    def __post_init__(self) -> None:
        """Checks the chunks."""
        if self.image_chunks < 1:
            raise ConfigError(f"image_chunks must be at least 1, got {self.image_chunks}.")


class MedKLIPObjective(nn.Module):
    """Existence of all findings and positions of those that are there; an `Objective`."""

    def __init__(
        self,
        model: MedKLIPModel,
        features: Float[Tensor, "findings length"],
        positions: Float[Tensor, "places length"],
        targets: Targets,
        losses: MedKLIPLosses,
        positive_weight: Float[Tensor, "findings"] | None = None,
    ) -> None:
        """Takes the model and what its text encoder, which is frozen, made of all texts.

        Args:
            model: the model to train.
            features: the embedded texts of the findings.
            positions: the embedded sentences of the positions.
            targets: what the reports say.
            losses: the choices.
            positive_weight: of `existence_loss`.
        """
        super().__init__()
        self.model = model
        self.settings = losses
        self.targets = targets
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("positive_weight", positive_weight, persistent=False)
        model.image_encoder = losses.batch_norm.prepare(model.image_encoder)
        model.text_encoder.requires_grad_(False)
        losses.position.prepare(model)
        self.train()

    def train(self, mode: bool = True) -> "MedKLIPObjective":
        """Sets the mode, but keeps what is frozen in eval mode."""
        super().train(mode)
        self.settings.batch_norm.hold(self.model.image_encoder)
        self.model.text_encoder.eval()
        return self

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        images = encode_batch(
            self.model.image_encoder, batch, self.settings, self.model.config.preprocessing
        )
        return self.asked(images.tokens, batch)

    def asked(self, tokens: Float[Tensor, "batch tokens dim"], batch: ImageBatch) -> Losses:
        """The terms for encoded pictures of the batch."""
        drawn = self.targets.draw(batch).to(tokens.device)
        decoded = self.model.ask(tokens, self.get_buffer("features"))
        seen = self.model.dropout(decoded.features)
        weight = self._buffers["positive_weight"]
        total, count = existence_loss(self.model.existence(seen), drawn.labels, weight)
        positions = self.get_buffer("positions")
        return {
            "existence": Term(sum=total, count=count),
            **self.settings.position.terms(self.model, seen, positions, drawn),
        }
