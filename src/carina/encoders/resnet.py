"""Residual networks whose grid of features is kept, with torchvision's parameter names."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.errors import ConfigError


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(
        self, maps: Float[Tensor, "batch _ _ _"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Adds the residual to the shortcut."""
        residual = F.relu(self.bn1(self.conv1(maps)), inplace=True)
        residual = self.bn2(self.conv2(residual))
        return F.relu(residual.add_(self.downsample(maps)), inplace=True)


class BottleneckBlock(nn.Module):
    """1 x 1, 3 x 3 (which holds the stride) and 1 x 1 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(
        self, maps: Float[Tensor, "batch _ _ _"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Adds the residual to the shortcut."""
        residual = F.relu(self.bn1(self.conv1(maps)), inplace=True)
        residual = F.relu(self.bn2(self.conv2(residual)), inplace=True)
        residual = self.bn3(self.conv3(residual))
        return F.relu(residual.add_(self.downsample(maps)), inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


@dataclass(frozen=True, kw_only=True)
class Basic:
    """ResNet-18 and ResNet-34 are made of this block."""

    def build(self, inputs: int, width: int, stride: int) -> BasicBlock:
        """One block."""
        return BasicBlock(inputs, width, stride)

    def outputs(self, width: int) -> int:
        """Channels that a block of `width` gives."""
        return width


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """ResNet-50 and deeper are made of this block."""

    def build(self, inputs: int, width: int, stride: int) -> BottleneckBlock:
        """One block."""
        return BottleneckBlock(inputs, width, stride)

    def outputs(self, width: int) -> int:
        """Channels that a block of `width` gives."""
        return 4 * width


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Settings of a residual network. Defaults are KAD's at 224 px: ResNet-50 up to layer 3.

    `depths` and `widths` have one entry a stage: as many stages are built as are listed. The
    first stage keeps the stem's size (a quarter of the input), each later one halves it.
    `dim` is the length of a feature after the projection. With `output_norm` a batch norm over
    all places follows it: what all radiographs share then stands in the way of no one, which
    a network with minutes to learn in feels. KAD has none. With `channels_last` training, too,
    keeps the channels of a place together in memory: up to a fifth faster on a CPU, with batch
    statistics that are summed up less exactly (features differ by some 3e-5).
    """

    block: Basic | Bottleneck = Bottleneck()
    depths: tuple[int, ...] = (3, 4, 6)
    widths: tuple[int, ...] = (64, 128, 256)
    stem_width: int = 64
    channels: int = 3
    dim: int = 768
    output_norm: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        """Checks that the stages can be built."""
        if not 1 <= len(self.depths) == len(self.widths) <= 4:
            raise ConfigError(
                f"depths and widths must both list 1 to 4 stages, got {self.depths} and "
                f"{self.widths}."
            )
        numbers = (*self.depths, *self.widths, self.stem_width, self.channels, self.dim)
        if min(numbers) < 1:
            raise ConfigError(f"Every size of a ResNet must be at least 1, got {self}.")

    @property
    def stride(self) -> int:
        """Pixels of the input per feature, down and across."""
        return 2 << len(self.depths)

    @property
    def outputs(self) -> int:
        """Channels of the last stage, before the projection."""
        return self.block.outputs(self.widths[-1])

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of every map of `ResNetEncoder.pyramid`."""
        stages = enumerate(self.widths)
        return (
            (self.stem_width, 2),
            *((self.block.outputs(width), 4 << number) for number, width in stages),
        )

    def build(self) -> "ResNetEncoder":
        """An encoder with fresh weights."""
        return ResNetEncoder(self)


class ResNetStages(nn.Module):
    """The stem and the stages of a residual network, and nothing behind them.

    Source: He et al., CVPR 2016, in torchvision's arrangement (the stride sits on the 3 x 3
    convolution) and with its parameter names (conv1, bn1, layer1 ...).
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(config.channels, config.stem_width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.stem_width)
        inputs = config.stem_width
        for number, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True)):
            layer = _layer(config.block, inputs, width, depth, 1 if number == 0 else 2)
            self.add_module(f"layer{number + 1}", layer)
            inputs = config.block.outputs(width)

    def draw_convolutions(self) -> None:
        """Draws fresh weights; whoever builds on the stages calls it once all is built."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if self.config.channels_last:  # as its gradient comes: processes compare the two
                    weight = module.weight.data
                    module.weight.data = weight.clone(memory_format=torch.channels_last)

    def backbone(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs rows cols"]:
        """The map of the last stage, one place per `config.stride` pixels."""
        maps: Tensor = self.conv1(radiographs)
        if self.config.channels_last or not self.training:
            maps = maps.contiguous(memory_format=torch.channels_last)
        maps = self.bn1(maps)
        maps = F.max_pool2d(F.relu(maps, inplace=True), 3, 2, 1)
        for number in range(len(self.config.depths)):
            maps = self.get_submodule(f"layer{number + 1}")(maps)
        return maps

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The map of the stem (stride 2) and of every stage (4, 8, ...), the finest first."""
        maps: Tensor = F.relu(self.bn1(self.conv1(radiographs)))
        levels = [maps]
        maps = F.max_pool2d(maps, 3, 2, 1)
        for number in range(len(self.config.depths)):
            maps = self.get_submodule(f"layer{number + 1}")(maps)
            levels.append(maps)
        return levels


class ResNetEncoder(ResNetStages):
    """Turns radiographs into a grid of features.

    Each place of the last map goes through a two-layer perceptron, as in KAD.
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
        inputs = config.outputs
        self.hidden = nn.Linear(inputs, inputs)
        self.project = nn.Linear(inputs, config.dim)
        self.norm = nn.BatchNorm2d(config.dim) if config.output_norm else nn.Identity()
        self.draw_convolutions()

    def features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """What `forward` gives: every image encoder can be asked for it by this name."""
        features: ImageFeatures = self(radiographs)
        return features

    def forward(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """Encodes standardised radiographs; `pooled` is the mean of the grid.

        Returns:
            A grid with rows = height / stride and cols = width / stride, rounded up.
        """
        places = self.backbone(radiographs).permute(0, 2, 3, 1)
        maps = self.project(F.relu(self.hidden(places))).permute(0, 3, 1, 2)
        grid = self.norm(maps).permute(0, 2, 3, 1)
        return ImageFeatures(grid=grid, pooled=grid.mean((1, 2)))


def _layer(
    block: Basic | Bottleneck, inputs: int, width: int, depth: int, stride: int
) -> nn.Sequential:
    """A stage: the first block changes the size, the others keep it."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(depth):
        blocks[str(number)] = block.build(inputs, width, stride if number == 0 else 1)
        inputs = block.outputs(width)
    return nn.Sequential(blocks)
