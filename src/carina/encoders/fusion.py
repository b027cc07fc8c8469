"""Batch norms folded into the convolutions before them, packed where that helps, for answering."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from carina.encoders.packed import PackedBlock, PackedConvolution, can_be_packed
from carina.encoders.resnet import BasicBlock, BottleneckBlock, ResNetStages

Versions = tuple[tuple[int, int], ...]


class Fused:
    """Keeps a module's fused copy for as long as its weights stay the same."""

    def __init__(self) -> None:
        self._versions: Versions = ()
        self._module: nn.Module | None = None

    def __reduce__(self) -> tuple[type["Fused"], tuple[()]]:
        return Fused, ()  # a copy of the owner makes a fused copy of its own

    def of(self, module: nn.Module) -> nn.Module:
        """An equal module for eval mode whose convolutions hold their batch norms."""
        versions = _versions(module)
        if self._module is None or versions != self._versions:
            self._module = fused(module)
            self._versions = versions
        return self._module


def _versions(module: nn.Module) -> Versions:
    """Changes when a tensor is replaced or written to."""
    tensors = (*module.parameters(), *module.buffers())
    return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)


@torch.no_grad()
def fused(module: nn.Module) -> nn.Module:
    """A copy of an image encoder in eval mode, without batch norms where they can be folded.

    (w x - m) / s * g + b is a convolution again: its weights are w g / s.
    """
    if not isinstance(module, ResNetStages):
        return module
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for part in list(module.modules()):
        if isinstance(part, ResNetStages):
            _fuse(part, "conv1", "bn1")
        elif isinstance(part, BasicBlock):
            _fuse(part, "conv1", "bn1")
            _fuse(part, "conv2", "bn2")
        elif isinstance(part, BottleneckBlock):
            _fuse(part, "conv1", "bn1")
            _fuse(part, "conv2", "bn2")
            _fuse(part, "conv3", "bn3")
        elif isinstance(part, nn.Sequential) and _is_shortcut(part):
            _fuse(part, "0", "1")
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
    return _packed(module) if can_be_packed(module.conv1) else module


def _packed(encoder: ResNetStages) -> ResNetStages:
    """Puts packed convolutions into an encoder whose batch norms are folded."""
    encoder.add_module("conv1", PackedConvolution(encoder.conv1, "none"))
    for number in range(len(encoder.config.depths)):
        layer = encoder.get_submodule(f"layer{number + 1}")
        for name, block in list(layer.named_children()):
            layer.add_module(name, _packed_block(block))
    return encoder


def _packed_block(block: nn.Module) -> PackedBlock:
    assert isinstance(block, BasicBlock | BottleneckBlock)
    convolutions = [part for part in block.children() if isinstance(part, nn.Conv2d)]
    shortcut = block.downsample[0] if isinstance(block.downsample, nn.Sequential) else None
    assert shortcut is None or isinstance(shortcut, nn.Conv2d)
    return PackedBlock(convolutions, shortcut)


def _is_shortcut(part: nn.Sequential) -> bool:
    return len(part) == 2 and isinstance(part[1], nn.BatchNorm2d)


def _fuse(owner: nn.Module, convolution: str, norm: str) -> None:
    """Folds the owner's norm into its convolution and puts nothing in its place."""
    conv, batch_norm = owner.get_submodule(convolution), owner.get_submodule(norm)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(batch_norm, nn.BatchNorm2d)
    assert batch_norm.running_mean is not None
    assert batch_norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        batch_norm.running_mean,
        batch_norm.running_var,
        batch_norm.eps,
        batch_norm.weight,
        batch_norm.bias,
    )
    conv.weight, conv.bias = weight, bias
    owner.add_module(norm, nn.Identity())
