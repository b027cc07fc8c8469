"""Several processes as one: rows gathered with their gradient, numbers added up."""

import os
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from carina.training.objective import Place


def place() -> Place:
    """Where this process stands; alone where no process group was started."""
    if not (dist.is_available() and dist.is_initialized()):
        return Place()
    return Place(rank=dist.get_rank(), processes=dist.get_world_size())


def started_by_hand() -> bool:
    """Whether this process was not started by another one of the same training."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


class _GatherRows(torch.autograd.Function):
    """Stacks every process's rows; the gradient of a row is summed over all who used it."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        context.local_rows = len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)  # not ours to change
        dist.all_reduce(gradient)
        start = dist.get_rank() * context.local_rows
        return gradient[start : start + context.local_rows]


def gather_rows(rows: Float[Tensor, "local dim"]) -> Float[Tensor, "all dim"]:
    """The rows of all processes, in order of rank, with their gradient.

    Every process must hold the same number of rows. One process gets its own rows back.
    """
    if place().processes == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows)
    return gathered


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of `values` over all processes, without gradient."""
    total = values.detach().clone()
    if place().processes > 1:
        dist.all_reduce(total)
    return total
