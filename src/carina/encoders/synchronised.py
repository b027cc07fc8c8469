"""Batch normalisation with the statistics of the global batch, on any device."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """What `nn.BatchNorm2d` is to one process, over the batches of all processes together.

    torch's own `SyncBatchNorm` refuses tensors that are not on a GPU.
    """

    def forward(
        self, input: Float[Tensor, "batch channels rows cols"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Normalises each channel; in eval mode, or alone, exactly as `nn.BatchNorm2d`."""
        return _normalised(self, input) if _is_shared(self) else super().forward(input)


class SynchronisedVectorNorm(nn.BatchNorm1d):
    """The same for vectors: what `nn.BatchNorm1d` is to one process."""

    def forward(self, input: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch channels"]:
        """Normalises each channel; in eval mode, or alone, exactly as `nn.BatchNorm1d`."""
        return _normalised(self, input) if _is_shared(self) else super().forward(input)


def synchronised(module: nn.Module) -> nn.Module:
    """A module whose batch norms, with their weights and statistics, are synchronised ones."""
    if isinstance(module, nn.BatchNorm2d):
        return _with_state_of(module, SynchronisedBatchNorm(module.num_features, module.eps))
    if isinstance(module, nn.BatchNorm1d):
        return _with_state_of(module, SynchronisedVectorNorm(module.num_features, module.eps))
    for name, child in module.named_children():
        setattr(module, name, synchronised(child))
    return module


def _with_state_of(norm: _BatchNorm, made: _BatchNorm) -> _BatchNorm:
    made.momentum = norm.momentum
    made.load_state_dict(norm.state_dict())
    made.weight.requires_grad_(norm.weight.requires_grad)
    made.bias.requires_grad_(norm.bias.requires_grad)
    return made.to(norm.weight.device, norm.weight.dtype).train(norm.training)


def _is_shared(norm: _BatchNorm) -> bool:
    return norm.training and dist.is_available() and dist.is_initialized()


def _normalised(norm: _BatchNorm, input: Tensor) -> Tensor:
    """Normalises the channels of a batch of vectors or maps by the statistics of all batches."""
    wide = input.to(torch.promote_types(input.dtype, torch.float32))
    others = [axis for axis in range(wide.ndim) if axis != 1]
    places = (-1, *[1] * (wide.ndim - 2))  # lays one value a channel over the other axes
    count = _summed(wide.new_tensor([wide.numel() / wide.shape[1]]))
    mean = _summed(wide.sum(others)) / count
    centred = wide - mean.view(places)
    variance = _summed(centred.square().sum(others)) / count
    _remember(norm, mean.detach(), variance.detach() * count / (count - 1))
    scale = (variance + norm.eps).rsqrt() * norm.weight
    normalised = centred * scale.view(places) + norm.bias.view(places)
    return normalised.to(input.dtype)


def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Moves the running statistics; the variance is the unbiased one."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), norm.momentum)


class _SumOverProcesses(torch.autograd.Function):
    """The sum over processes; so is the gradient, since each process used it."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(values)
    return total
