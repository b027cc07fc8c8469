"""ECAMP's detection network: three maps from the one of a ViT, and YOLOv3's head over them."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions with batch norms, added to what came in."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        inner = max(1, width // expansion)
        self.conv1 = nn.Conv2d(width, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(
        self, maps: Float[Tensor, "batch width rows cols"]
    ) -> Float[Tensor, "batch width rows cols"]:
        """The same size."""
        inner = F.relu(self.bn1(self.conv1(maps)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + maps)


class ThreeMaps(nn.Module):
    """The map of a ViT, mixed, at twice, once and half its resolution.

    Channels are `width`, 2 and 4 times it; ECAMP's are 512, 1024 and 2048, with an `expansion` of
    its bottlenecks of 4 where all labels are used and of 8 where 1 or 10% are.
    """

    def __init__(self, inputs: int, width: int, expansion: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, inputs)
        self.fine = nn.Conv2d(inputs, width, 1)
        self.middle = nn.Conv2d(inputs, 2 * width, 1)
        self.coarse = nn.Conv2d(inputs, 4 * width, 1, stride=2, bias=False)
        self.mix_fine = Bottleneck(width, expansion)
        self.mix_middle = Bottleneck(2 * width, expansion)
        self.mix_coarse = Bottleneck(4 * width, expansion)

    def forward(
        self, grid: Float[Tensor, "batch _ rows cols"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """The three maps, the coarsest first."""
        mixed: Tensor = self.head(grid.movedim(1, 3)).movedim(3, 1)
        twice = F.interpolate(self.fine(mixed), scale_factor=2, mode="bilinear", align_corners=True)
        return (
            self.mix_coarse(self.coarse(mixed)),
            self.mix_middle(self.middle(mixed)),
            self.mix_fine(twice),
        )


def convolved(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution without bias, batch norm, leaky ReLU of 0.1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


class ScaleHead(nn.Module):
    """Six convolutions of turning width and a last one; the fifth is passed to the finer scale."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        widths = [inputs, width, 2 * width, width, 2 * width, width, 2 * width]
        self.steps = nn.ModuleList(
            convolved(before, after, 1 if place % 2 == 0 else 3)
            for place, (before, after) in enumerate(itertools.pairwise(widths))
        )
        self.last = nn.Conv2d(2 * width, outputs, 1)

    def forward(
        self, maps: Float[Tensor, "batch _ rows cols"]
    ) -> tuple[Float[Tensor, "batch outputs rows cols"], Float[Tensor, "batch width rows cols"]]:
        """The outputs of this scale, and what the finer one gets to see."""
        for step in self.steps[:5]:
            maps = step(maps)
        outputs: Tensor = self.last(self.steps[5](maps))
        return outputs, maps


class YOLOHead(nn.Module):
    """YOLOv3's head: each scale sees what the coarser one has found.

    Source: Redmon and Farhadi, 2018 (arXiv:1804.02767), section 2.3.

    Args:
        width: of the finest of `ThreeMaps`.
        outputs: of every place of every scale.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        widths = (width, width // 2, width // 4)
        inputs = (4 * width, 2 * width + widths[1], width + widths[2])
        self.scales = nn.ModuleList(
            ScaleHead(before, inner, outputs) for before, inner in zip(inputs, widths, strict=True)
        )
        self.passes = nn.ModuleList(
            convolved(coarser, finer, 1) for coarser, finer in itertools.pairwise(widths)
        )

    def forward(
        self, maps: Sequence[Float[Tensor, "batch _ _ _"]]
    ) -> list[Float[Tensor, "batch outputs _ _"]]:
        """The outputs of the three scales, the coarsest first."""
        made, found = self.scales[0](maps[0])
        outputs = [made]
        for passed, scale, level in zip(self.passes, self.scales[1:], maps[1:], strict=False):
            enlarged = F.interpolate(passed(found), size=level.shape[2:], mode="nearest")
            made, found = scale(torch.cat([enlarged, level], 1))
            outputs.append(made)
        return outputs
