"""Decoders from the last maps of an encoder back to the pixels of the input, without a U."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.feature_pyramid import FeaturePyramid
from carina.errors import ConfigError

NARROWEST = 64
"""Channels that no map of progressive upsampling goes below."""


@dataclass(frozen=True, kw_only=True)
class ProgressiveUpsampling:
    """Doubles the last map until it has the size of the input: SETR's, in ECAMP's arrangement.

    `widest` are the channels after the first doubling; every further one halves them.
    """

    widest: int = 512

    def __post_init__(self) -> None:
        """Checks the width."""
        check_width(self.widest)

    def build(self, levels: Sequence[tuple[int, int]], outputs: int) -> "ProgressiveDecoder":
        """The decoder over the maps of an encoder."""
        return ProgressiveDecoder(self, levels, outputs)


@dataclass(frozen=True, kw_only=True)
class PyramidUpsampling:
    """Adds up the maps of a feature pyramid at the finest one's size; `width` are its channels."""

    width: int = 128

    def __post_init__(self) -> None:
        """Checks the width."""
        check_width(self.width)

    def build(self, levels: Sequence[tuple[int, int]], outputs: int) -> "PyramidDecoder":
        """The decoder over the maps of an encoder."""
        return PyramidDecoder(self, levels, outputs)


def check_width(width: int) -> None:
    """Refuses a decoder without channels.

    Raises:
        ConfigError: fewer than one.
    """
    if width < 1:
        raise ConfigError(f"The decoder's width must be at least 1, got {width}.")


class ProgressiveDecoder(nn.Module):
    """A linear layer a place, then convolution, batch norm, ReLU and doubling, and a last mix.

    Source: Zheng et al., CVPR 2021 (SETR-PUP), as ECAMP's segmentation code has it: 512, 256,
    128, 64 channels, bilinear doubling from corner to corner.
    """

    def __init__(
        self, config: ProgressiveUpsampling, levels: Sequence[tuple[int, int]], outputs: int
    ) -> None:
        super().__init__()
        inputs, stride = levels[-1]
        self.head = nn.Linear(inputs, inputs)
        steps = []
        for place in range(stride.bit_length() - 1):
            width = max(min(NARROWEST, config.widest), config.widest >> place)
            steps.append(
                nn.Sequential(
                    nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()
                )
            )
            inputs = width
        self.steps = nn.ModuleList(steps)
        self.last = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch _ _ _"]],
        radiographs: Float[Tensor, "batch channels size size"],
    ) -> Float[Tensor, "batch outputs size size"]:
        """Logits on the pixels of the input."""
        deep: Tensor = self.head(maps[-1].movedim(1, 3)).movedim(3, 1)
        for step in self.steps:
            deep = F.interpolate(step(deep), scale_factor=2, mode="bilinear", align_corners=True)
        return at_size(self.last(deep), radiographs)


class PyramidDecoder(nn.Module):
    """A feature pyramid whose maps, each mixed, are added up and enlarged.

    Source: Kirillov et al., CVPR 2019 (Panoptic FPN), section 3, over strides 8, 16 and 32. A ViT
    has one map; its pyramid is ViTDet's simple one.
    """

    def __init__(
        self, config: PyramidUpsampling, levels: Sequence[tuple[int, int]], outputs: int
    ) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(levels, config.width)
        groups = 8 if config.width % 8 == 0 else 1
        self.mixes = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(config.width, config.width, 3, padding=1),
                nn.GroupNorm(groups, config.width),
                nn.ReLU(),
            )
            for _ in FeaturePyramid.STRIDES
        )
        self.last = nn.Conv2d(config.width, outputs, 1)

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch _ _ _"]],
        radiographs: Float[Tensor, "batch channels size size"],
    ) -> Float[Tensor, "batch outputs size size"]:
        """Logits on the pixels of the input."""
        levels = cast(list[Tensor], self.pyramid(maps, radiographs.shape[2]))
        mixed = [mix(level) for mix, level in zip(self.mixes, levels, strict=True)]
        side = mixed[0].shape[2:]
        total = torch.stack(
            [F.interpolate(one, size=side, mode="bilinear", align_corners=False) for one in mixed]
        ).sum(0)
        return at_size(self.last(total), radiographs)


def at_size(
    logits: Float[Tensor, "batch outputs rows cols"],
    radiographs: Float[Tensor, "batch channels size size"],
) -> Float[Tensor, "batch outputs size size"]:
    """Logits at the size of the pictures."""
    if logits.shape[2:] == radiographs.shape[2:]:
        return logits
    return F.interpolate(logits, size=radiographs.shape[2:], mode="bilinear", align_corners=False)
