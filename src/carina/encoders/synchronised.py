"""Batch normalisation with the statistics of the global batch, on any device."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """What `nn.BatchNorm2d` is to one process, over the batches of all processes together.

    torch's own `SyncBatchNorm` refuses tensors that are not on a GPU.
    """

    def forward(
        self, input: Float[Tensor, "batch channels rows cols"]
    ) -> Float[Tensor, "batch channels rows cols"]:
        """Normalises each channel; in eval mode, or alone, exactly as `nn.BatchNorm2d`."""
        if not (self.training and dist.is_available() and dist.is_initialized()):
            return super().forward(input)
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        count = _summed(wide.new_tensor([wide.numel() / wide.shape[1]]))
        mean = _summed(wide.sum((0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = _summed(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt() * self.weight
        normalised = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics; the variance is the unbiased one."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def synchronised(module: nn.Module) -> nn.Module:
    """A module whose batch norms, with their weights and statistics, are synchronised ones."""
    if isinstance(module, nn.BatchNorm2d):
        return _replacement(module)
    for name, child in module.named_children():
        setattr(module, name, synchronised(child))
    return module


def _replacement(norm: nn.BatchNorm2d) -> SynchronisedBatchNorm:
    made = SynchronisedBatchNorm(norm.num_features, norm.eps, norm.momentum)
    made.load_state_dict(norm.state_dict())
    made.weight.requires_grad_(norm.weight.requires_grad)
    made.bias.requires_grad_(norm.bias.requires_grad)
    return made.to(norm.weight.device, norm.weight.dtype).train(norm.training)


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
