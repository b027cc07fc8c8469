"""What a stage's image encoder starts from; each way is a class."""

import logging
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from carina.encoders.published_resnet import load_backbone
from carina.encoders.resnet import ResNetStages
from carina.errors import ConfigError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FreshImage:
    """Weights drawn at random."""

    def start(self, encoder: nn.Module) -> None:
        """Leaves the encoder as it was built."""


@dataclass(frozen=True, kw_only=True)
class PublishedResNet:
    """A residual network from outside the run; the projection behind it is fresh.

    `weights` is a local file in safetensors with torchvision's names. With None weights are
    fresh, and a warning says that the paper's are not: `paper_weights` names them.
    """

    weights: str | None = None
    paper_weights: str = "torchvision's ResNet-50 of ImageNet (IMAGENET1K_V1)"

    def start(self, encoder: nn.Module) -> None:
        """Puts the weights in.

        Raises:
            ConfigError: the encoder is no residual network.
            ModelError: the file cannot be read, or its network is another one.
        """
        if self.weights is None:
            LOGGER.warning(
                "The image encoder starts from fresh weights; the paper's starts from %s. "
                "Download that, and name the file with --set image_start.weights=...",
                self.paper_weights,
            )
            return
        stages = [part for part in encoder.modules() if isinstance(part, ResNetStages)]
        if len(stages) != 1:
            raise ConfigError(
                f"image_start.weights={self.weights}: the image encoder is a "
                f"{type(encoder).__name__}, expected one with a residual network. Leave the "
                "setting out."
            )
        load_backbone(stages[0], Path(self.weights))


ImageSource = FreshImage | PublishedResNet
