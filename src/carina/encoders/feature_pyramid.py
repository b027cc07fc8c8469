"""A feature pyramid over the maps of any image encoder."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Maps of one width at strides 8, 16 and 32, whatever the encoder has.

    Source: Lin et al., CVPR 2017. From the encoder's map nearest to each stride: a finer one is
    averaged down, a coarser one enlarged, as in ViTDet's simple pyramid (Li et al., ECCV 2022)
    for an encoder of one resolution; then the coarser maps are added to the finer ones.

    Args:
        levels: channels and stride of every map of the encoder, finest first.
        width: channels of the pyramid.
    """

    STRIDES = (8, 16, 32)

    def __init__(self, levels: Sequence[tuple[int, int]], width: int) -> None:
        super().__init__()
        strides = [stride for _, stride in levels]
        self.sources = [nearest(strides, wanted) for wanted in self.STRIDES]
        self.lateral = nn.ModuleList(
            nn.Conv2d(levels[source][0], width, 1) for source in self.sources
        )
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.STRIDES)

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _ _ _"]], size: int
    ) -> list[Float[Tensor, "batch width _ _"]]:
        """The pyramid of pictures whose side is `size` pixels, the finest map first."""
        made: list[Tensor] = []
        for source, lateral, stride in zip(self.sources, self.lateral, self.STRIDES, strict=True):
            side = max(1, -(-size // stride))
            made.append(resized(lateral(maps[source]), side))
        for place in range(len(made) - 2, -1, -1):
            coarser = F.interpolate(made[place + 1], size=made[place].shape[2:], mode="nearest")
            made[place] = made[place] + coarser
        return [smooth(level) for smooth, level in zip(self.smooth, made, strict=True)]


def nearest(strides: Sequence[int], wanted: int) -> int:
    """The map whose stride is nearest to the wanted one in octaves; of two the finer."""
    octaves = [abs(stride.bit_length() - wanted.bit_length()) for stride in strides]
    return octaves.index(min(octaves))


def resized(maps: Float[Tensor, "batch width _ _"], side: int) -> Float[Tensor, "batch width _ _"]:
    """Averaged down, or enlarged bilinearly, to a side."""
    if maps.shape[2] > side:
        return F.adaptive_avg_pool2d(maps, side)
    if maps.shape[2] < side:
        return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
    return maps


def centres(side: int, stride: int, size: int, device: torch.device) -> Float[Tensor, "places 2"]:
    """The centre (x, y) of every place of a map, in pixels of the input, row after row."""
    line = (torch.arange(side, device=device) + 0.5) * stride
    line = line.clamp(max=size)
    down, across = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([across.flatten(), down.flatten()], 1)
