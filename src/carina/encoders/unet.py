"""The decoder of a U-Net over the maps of any image encoder: back to the pixels of the input."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NARROWEST = 8
"""Channels that no map of the decoder goes below."""


def halved_widths(deepest: int, doublings: int) -> tuple[int, ...]:
    """Channels after each doubling of the size: half of those before.

    From ResNet-50's layer 3 with 1,024: 512, 256, 128, 64, as in MedKLIP's fine-tuning code.
    """
    return tuple(max(NARROWEST, deepest >> (place + 1)) for place in range(doublings))


class ConvolutionBlock(nn.Module):
    """3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(
        self, maps: Float[Tensor, "batch _ rows cols"]
    ) -> Float[Tensor, "batch outputs rows cols"]:
        """The same size."""
        return F.relu(self.bn(self.conv(maps)))


class UpBlock(nn.Module):
    """Doubles the size, joins a finer map where there is one, and mixes them."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.conv_block_1 = ConvolutionBlock(outputs + skip, outputs)
        self.conv_block_2 = ConvolutionBlock(outputs, outputs)

    def forward(
        self,
        maps: Float[Tensor, "batch _ rows cols"],
        skip: Float[Tensor, "batch _ _ _"] | None,
    ) -> Float[Tensor, "batch outputs _ _"]:
        """Twice the size; `skip` has that size."""
        large: Tensor = self.upsample(maps)
        joined = large if skip is None else torch.cat([large, skip], 1)
        mixed: Tensor = self.conv_block_2(self.conv_block_1(joined))
        return mixed


class UNetDecoder(nn.Module):
    """Maps of an encoder, finest first, and the input itself, to one logit a pixel and output.

    An encoder of one resolution (a ViT) has no finer map to join but the input: the decoder is
    then SETR's progressive upsampling (Zheng et al., CVPR 2021). Source of the U-Net:
    Ronneberger et al., MICCAI 2015, in the arrangement of MedKLIP's fine-tuning code.

    Args:
        levels: channels and stride of every map, finest first; strides are powers of 2.
        channels: of the input.
        outputs: maps to make.
        dropout: before the last layer.
    """

    def __init__(
        self,
        levels: Sequence[tuple[int, int]],
        channels: int,
        outputs: int,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        deepest, stride = levels[-1]
        doublings = stride.bit_length() - 1
        widths = halved_widths(deepest, doublings)
        at_stride = {level_stride: place for place, (_, level_stride) in enumerate(levels[:-1])}
        self.skips = [at_stride.get(stride >> (place + 1)) for place in range(doublings)]
        self.bridge = nn.Sequential(
            ConvolutionBlock(deepest, deepest), ConvolutionBlock(deepest, deepest)
        )
        blocks = []
        inputs = deepest
        for place, width in enumerate(widths):
            level = self.skips[place]
            skip = channels if place == doublings - 1 else 0 if level is None else levels[level][0]
            blocks.append(UpBlock(inputs, skip, width))
            inputs = width
        self.up_blocks = nn.ModuleList(blocks)
        self.dropout = nn.Dropout(dropout)
        self.seg_classifier = nn.Conv2d(inputs, outputs, 1)

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch _ _ _"]],
        radiographs: Float[Tensor, "batch channels size size"],
    ) -> Float[Tensor, "batch outputs size size"]:
        """Logits on the pixels of the input."""
        deep: Tensor = self.bridge(maps[-1])
        for place, block in enumerate(self.up_blocks):
            level = self.skips[place]
            last = place == len(self.up_blocks) - 1
            deep = block(deep, radiographs if last else None if level is None else maps[level])
        logits: Tensor = self.seg_classifier(self.dropout(deep))
        return logits
