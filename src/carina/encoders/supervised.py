"""The two networks that radiographs were long classified with, for a supervised baseline.

Both end as they do for ImageNet, in a map whose mean is the feature; there is nothing of a
pre-training on reports about them.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.resnet import ResNetConfig, ResNetStages
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlainResNetConfig:
    """A residual network without projection: by default ResNet-50, features of length 2,048."""

    stages: ResNetConfig = ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512))

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self.stages.outputs

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return self.stages.channels

    @property
    def stride(self) -> int:
        """Pixels of the input per feature, down and across."""
        return self.stages.stride

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of every map of `pyramid`."""
        return self.stages.levels

    def build(self) -> "PlainResNet":
        """An encoder with fresh weights."""
        return PlainResNet(self)


class PlainResNet(nn.Module):
    """A residual network whose last map is the grid of features.

    Source: He et al., CVPR 2016, Table 1, in torchvision's arrangement and names (conv1,
    layer1.0.conv1 ..., here below `stages`).
    """

    def __init__(self, config: PlainResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = ResNetStages(config.stages)
        self.stages.draw_convolutions()

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The map of the stem (stride 2) and of every stage (4, 8, ...), the finest first."""
        return self.stages.pyramid(radiographs)

    def features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """Encodes standardised radiographs; `pooled` is the mean of the grid."""
        grid = self.stages.backbone(radiographs).permute(0, 2, 3, 1)
        return ImageFeatures(grid=grid, pooled=grid.mean((1, 2)))

    def forward(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """What `features` gives."""
        return self.features(radiographs)


@dataclass(frozen=True, kw_only=True)
class DenseNetConfig:
    """A densely connected network: by default DenseNet-121, features of length 1,024.

    `depths` has the layers of each block, each of which adds `growth` channels to the
    `stem_width` of the stem; between two blocks the channels and the side are halved.
    """

    depths: tuple[int, ...] = (6, 12, 24, 16)
    growth: int = 32
    stem_width: int = 64
    bottleneck: int = 4
    channels: int = 3

    def __post_init__(self) -> None:
        """Checks that the blocks can be built."""
        numbers = (*self.depths, self.growth, self.stem_width, self.bottleneck, self.channels)
        if not self.depths or min(numbers) < 1:
            raise ConfigError(f"Every size of a DenseNet must be at least 1, got {self}.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels behind each block."""
        widths, inputs = [], self.stem_width
        for depth in self.depths:
            widths.append(inputs + depth * self.growth)
            inputs = widths[-1] // 2
        return tuple(widths)

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self.widths[-1]

    @property
    def stride(self) -> int:
        """Pixels of the input per feature, down and across."""
        return 2 << len(self.depths)

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of every map of `DenseNet.pyramid`."""
        blocks = tuple((width, 4 << place) for place, width in enumerate(self.widths))
        return ((self.stem_width, 2), *blocks)

    def build(self) -> "DenseNet":
        """An encoder with fresh weights."""
        return DenseNet(self)


class DenseLayer(nn.Module):
    """Normalised 1 x 1 and 3 x 3 convolutions, whose result stands beside the input."""

    def __init__(self, inputs: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, bottleneck * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bottleneck * growth)
        self.conv2 = nn.Conv2d(bottleneck * growth, growth, 3, 1, 1, bias=False)

    def forward(self, maps: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        """The input with `growth` channels more."""
        new = self.conv1(F.relu(self.norm1(maps), inplace=True))
        new = self.conv2(F.relu(self.norm2(new), inplace=True))
        return torch.cat([maps, new], 1)


class DenseNet(nn.Module):
    """A densely connected network whose last map is the grid of features.

    Source: Huang et al., CVPR 2017, Table 1, in torchvision's arrangement and names
    (conv0, denseblock1.denselayer1.norm1 ..., here below `body`); CheXNet (Rajpurkar et al.,
    arXiv:1711.05225) is DenseNet-121.
    """

    def __init__(self, config: DenseNetConfig) -> None:
        super().__init__()
        self.config = config
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv0"] = nn.Conv2d(config.channels, config.stem_width, 7, 2, 3, bias=False)
        parts["norm0"] = nn.BatchNorm2d(config.stem_width)
        inputs = config.stem_width
        for number, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True), 1):
            parts[f"denseblock{number}"] = dense_block(config, inputs, depth)
            if number < len(config.depths):
                parts[f"transition{number}"] = transition(width)
            inputs = width // 2
        parts["norm5"] = nn.BatchNorm2d(config.dim)
        self.body = nn.ModuleDict(parts)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The map of the stem (stride 2) and of every block (4, 8, ...), the finest first."""
        maps: Tensor = F.relu(self.body["norm0"](self.body["conv0"](radiographs)))
        levels = [maps]
        maps = F.max_pool2d(maps, 3, 2, 1)
        numbers = range(1, len(self.config.depths) + 1)
        for number, after in pairwise((*numbers, 0)):
            maps = self.body[f"denseblock{number}"](maps)
            levels.append(maps)
            if after:
                maps = self.body[f"transition{number}"](maps)
        levels[-1] = F.relu(self.body["norm5"](levels[-1]))
        return levels

    def features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """Encodes standardised radiographs; `pooled` is the mean of the grid."""
        grid = self.pyramid(radiographs)[-1].permute(0, 2, 3, 1)
        return ImageFeatures(grid=grid, pooled=grid.mean((1, 2)))

    def forward(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """What `features` gives."""
        return self.features(radiographs)


def dense_block(config: DenseNetConfig, inputs: int, depth: int) -> nn.Sequential:
    """Layers that each see all the ones before them."""
    layers = (
        (
            f"denselayer{number + 1}",
            DenseLayer(inputs + number * config.growth, config.growth, config.bottleneck),
        )
        for number in range(depth)
    )
    return nn.Sequential(OrderedDict(layers))


def transition(width: int) -> nn.Sequential:
    """Halves the channels and the side."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(width),
            relu=nn.ReLU(),
            conv=nn.Conv2d(width, width // 2, 1, bias=False),
            pool=nn.AvgPool2d(2, 2),
        )
    )
