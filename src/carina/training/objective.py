"""The signature of anything that can be trained, and of what it is trained on.

A loss is a sum and a count, never a mean: the sums and counts of several processes add up, so
their loss and gradient are exactly those of one process that saw the whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Term:
    """One part of an objective: the loss of this process's share of the batch.

    `sum` is differentiable; `count` is what it is divided by once both are added up over
    processes; `weight` multiplies the mean in the total.
    """

    sum: Float[Tensor, ""]
    count: Float[Tensor, ""]
    weight: float = 1.0


Losses = dict[str, Term]
"""The named terms of an objective."""


@runtime_checkable
class Batch(Protocol):
    """One process's share of a global batch."""

    @property
    def names(self) -> Sequence[str]:
        """What each row is called in an error message, such as its study."""
        ...

    def to(self, device: torch.device) -> "Batch":
        """Copies the tensors to a device."""
        ...


BatchT_contra = TypeVar("BatchT_contra", bound=Batch, contravariant=True)
MadeBatchT_co = TypeVar("MadeBatchT_co", bound=Batch, covariant=True)


@runtime_checkable
class Objective(Protocol[BatchT_contra]):
    """Anything that can be pre-trained or fine-tuned; also a `torch.nn.Module`."""

    def losses(self, batch: BatchT_contra) -> Losses:
        """The terms of the loss for this process's share of the global batch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a process stands: which share of each global batch is its own."""

    rank: int = 0
    processes: int = 1

    def rows(self, batch_size: int) -> range:
        """The rows of a global batch that this process works on.

        Raises:
            ValueError: the batch does not divide by the number of processes.
        """
        if batch_size % self.processes:
            raise ValueError(
                f"a batch of {batch_size} does not divide over {self.processes} processes"
            )
        share = batch_size // self.processes
        return range(self.rank * share, (self.rank + 1) * share)


@runtime_checkable
class Batches(Protocol[MadeBatchT_co]):
    """Makes the batch of any step: a pure function of its own seed, the step and the place."""

    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which each study is seen about once."""
        ...

    def batch(self, step: int, place: Place) -> MadeBatchT_co:
        """The share of `place` of the batch of `step` (from 0)."""
        ...
