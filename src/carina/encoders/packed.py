"""Convolutions as oneDNN likes them best on a CPU, for answering.

Weights lie in the order that the kernels read them in, and ReLU and the sum with the shortcut are
done while a result is still in the cache. The operators are those that `torch.compile` turns
convolutions into; called by themselves they cost no compilation.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PackedConvolution(nn.Module):
    """A convolution with bias, float32 on a CPU, in eval mode only."""

    def __init__(self, conv: nn.Conv2d, activation: str) -> None:
        """Takes over weights; `activation` follows the convolution: "relu" or "none"."""
        super().__init__()
        self.bias = conv.bias
        self._activation = activation
        self._layout = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self._plain = conv.weight.detach().contiguous()
        self._packed: Tensor | None = None

    def forward(
        self, maps: Float[Tensor, "batch _ _ _"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """The convolution and what follows it."""
        maps = maps.contiguous(memory_format=torch.channels_last)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, self._weight(maps), self.bias, *self._layout, self._activation, [], ""
        )
        return out

    def onto(
        self, maps: Float[Tensor, "batch _ _ _"], sum_: Float[Tensor, "batch channels rows cols"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Adds the convolution to `sum_`, which is overwritten, before what follows it."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            *(sum_, maps, self._weight(maps), self.bias, *self._layout),
            *("add", 1.0, self._activation, [], ""),
        )
        return out

    def _weight(self, maps: Tensor) -> Tensor:
        """Packed for the first input that comes; others give the same numbers, less quickly."""
        if self._packed is None:
            self._packed = torch.ops.aten.mkldnn_reorder_conv2d_weight(
                self._plain.to_mkldnn(), *self._layout, list(maps.shape)
            )
        return self._packed


class PackedBlock(nn.Module):
    """A residual block: convolutions one after the other, the last one onto the shortcut."""

    def __init__(self, convolutions: Sequence[nn.Conv2d], shortcut: nn.Conv2d | None) -> None:
        """Takes over weights; without a shortcut of its own the input is added as it is."""
        super().__init__()
        self.first = nn.ModuleList(PackedConvolution(conv, "relu") for conv in convolutions[:-1])
        self.last = PackedConvolution(convolutions[-1], "relu")
        self.shortcut: nn.Module = nn.Identity()
        if shortcut is not None:
            self.shortcut = PackedConvolution(shortcut, "none")

    def forward(
        self, maps: Float[Tensor, "batch _ _ _"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Adds the residual to the shortcut; the input may be overwritten."""
        residual = maps
        for convolution in self.first:
            residual = convolution(residual)
        return self.last.onto(residual, self.shortcut(maps))


def can_be_packed(conv: nn.Conv2d) -> bool:
    """Whether this PyTorch can do a convolution of this kind, where its weights are."""
    weight = conv.weight
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )
