"""A small network that makes a guessed picture finer: ECAMP's super-resolution.

Source: Wang et al., arXiv:2312.13316, section 3.3: bilinear enlargement and two convolutions with
a residual connection.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Unbounded:
    """The sum of enlargement and convolutions is the picture: ECAMP's paper."""

    def __call__(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The same."""
        return pictures


@dataclass(frozen=True, kw_only=True)
class Rectified:
    """Negative values become 0, although the target has mean 0: ECAMP's published code."""

    def __call__(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Values >= 0."""
        return F.relu(pictures)


@dataclass(frozen=True, kw_only=True)
class NoSuperResolution:
    """What the decoder guesses is the last word: an ablation of the paper's Table 4."""

    @property
    def scale(self) -> int:
        """Pixels of the result to one that was guessed, down and across."""
        return 1

    def build(self, channels: int) -> nn.Module:
        """A network that does nothing."""
        return nn.Identity()


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig:
    """Settings of super-resolution. Defaults are the paper's.

    `scale` is how many pixels of the result there are to one that was guessed, down and across.
    """

    scale: int = 2
    output: Unbounded | Rectified = Unbounded()

    def __post_init__(self) -> None:
        """Checks the scale."""
        if self.scale < 2:
            raise ConfigError(
                f"scale of super-resolution must be at least 2, got {self.scale}. Choose "
                "NoSuperResolution to leave it out."
            )

    def build(self, channels: int) -> nn.Module:
        """A network with fresh weights."""
        return SuperResolution(self, channels)


class SuperResolution(nn.Module):
    """Enlarges a picture and adds what two convolutions make of it."""

    def __init__(self, config: SuperResolutionConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels finer_height finer_width"]:
        """A picture `scale` times as high and wide."""
        scale = self.config.scale
        large = F.interpolate(pictures, scale_factor=scale, mode="bilinear", align_corners=False)
        change = convolved(self.conv2, F.relu(convolved(self.conv1, large)))
        return self.config.output(large + change)


def convolved(
    conv: nn.Conv2d, pictures: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """A convolution that keeps size and channels.

    On a CPU pictures of one channel are taken as the channels of one picture, each of which is
    convolved by itself: the same numbers, in a tenth of the time forward and back.
    """
    batch, channels, height, width = pictures.shape
    if channels > 1 or pictures.device.type != "cpu" or conv.bias is None:
        made: Tensor = conv(pictures)
        return made
    stacked = F.conv2d(
        pictures.view(1, batch, height, width),
        conv.weight.expand(batch, -1, -1, -1),
        conv.bias.expand(batch),
        padding=1,
        groups=batch,
    )
    return stacked.view(batch, 1, height, width)
