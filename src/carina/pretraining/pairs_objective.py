"""What objectives of image-report pairs have in common."""

from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from torch import nn

from carina.pretraining.image_side import BatchStatistics, ImageSide
from carina.pretraining.pair_contrast import PairContrast
from carina.pretraining.text_side import FrozenText, TrainedText
from carina.pretraining.two_encoders import TwoEncoders


@runtime_checkable
class PairLosses(ImageSide, Protocol):
    """The choices that each of these objectives has."""

    @property
    def contrast(self) -> PairContrast:
        """Of image and report."""
        ...

    @property
    def contrast_weight(self) -> float:
        """Multiplies the contrast."""
        ...

    @property
    def batch_norm(self) -> BatchStatistics:
        """Whose statistics the image encoder's batch norms use."""
        ...


ModelT = TypeVar("ModelT", bound=TwoEncoders[Any])


class PairsObjective(nn.Module, Generic[ModelT]):
    """A model in training on pairs of image and report; losses are the objective's own."""

    def __init__(self, model: ModelT, text: FrozenText | TrainedText, losses: PairLosses) -> None:
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
