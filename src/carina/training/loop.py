"""The loop: the same for every stage of every system.

Dropout and every other random number of a step come from (seed, step, rank), so a run resumed
at a step is the run that was never stopped: bit for bit on CPU with the same processes and
threads.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from carina.errors import TrainingError
from carina.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from carina.training.distributed import sum_over_processes
from carina.training.interruption import Interruption
from carina.training.log import CsvLog, Log
from carina.training.objective import Batch, Batches, Losses, Place, Term
from carina.training.prefetch import prefetched
from carina.training.progress import TrainingBar
from carina.training.schedule import Length
from carina.training.settings import TrainingSettings

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.csv"


@runtime_checkable
class Watcher(Protocol):
    """Looks at the module before each checkpoint that is due, and at the end: to validate it."""

    def look(self, step: int) -> None:
        """Is told how many steps are done; may put the module in eval mode, and must put back."""
        ...


class Unwatched:
    """Looks at nothing."""

    def look(self, step: int) -> None:
        """Does nothing."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training: what is trained, on what, how, and where its files go."""

    objective: nn.Module
    batches: Batches[Any]
    settings: TrainingSettings
    folder: Path
    seed: int
    title: str
    logs: tuple[type, ...] = ()
    watcher: Watcher = field(default_factory=Unwatched)


def train(training: Training, fabric: Fabric) -> Progress:
    """Trains from the folder's checkpoint, or from the start where there is none, to the end.

    Files in the folder: `checkpoint.safetensors` and `metrics.csv`. Ctrl-C lets the step end and
    writes a checkpoint before it goes on as KeyboardInterrupt.

    Returns:
        The steps done and the seconds they took, those before a stop included.

    Raises:
        TrainingError: the loss is not finite; the message names the step and its studies.
        CheckpointError: the folder's checkpoint does not fit.
    """
    settings = training.settings
    length = settings.length(training.batches.steps_per_epoch)
    optimiser = settings.optimiser.build(training.objective)
    training.objective.to(fabric.device)
    done = resume_point(training, optimiser)
    if done.step >= length.steps:
        return done
    wrapped = wrap(training.objective, optimiser, fabric)
    return run_steps(training, wrapped, fabric, length, done)


@dataclass(frozen=True)
class Wrapped:
    """Module and optimiser as Fabric wants them, and the module itself."""

    module: Any
    optimiser: Any
    plain: nn.Module
    plain_optimiser: torch.optim.Optimizer


def resume_point(training: Training, optimiser: torch.optim.Optimizer) -> Progress:
    """Loads the folder's checkpoint, if there is one."""
    path = training.folder / CHECKPOINT
    if not path.exists():
        return Progress(step=0, seconds=0.0)
    return load_checkpoint(path, training.objective, optimiser)


class _Held:
    """Carries a batch past Fabric, which takes dataclasses apart and refuses frozen ones."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class _Forward(nn.Module):
    """An objective as the wrappers want it: called, and giving plain tensors."""

    def __init__(self, objective: nn.Module) -> None:
        super().__init__()
        self.objective: Any = objective

    def forward(self, held: _Held) -> dict[str, tuple[Tensor, Tensor, float]]:
        losses: Losses = self.objective.losses(held.batch)
        return {name: (term.sum, term.count, term.weight) for name, term in losses.items()}


def wrap(objective: nn.Module, optimiser: torch.optim.Optimizer, fabric: Fabric) -> Wrapped:
    """Hands module and optimiser to Fabric."""
    module, wrapped_optimiser = fabric.setup(_Forward(objective), optimiser)
    return Wrapped(module, wrapped_optimiser, objective, optimiser)


def losses_of(wrapped: Wrapped, batch: Batch) -> Losses:
    """The objective's losses, through what Fabric has put around it."""
    plain = wrapped.module(_Held(batch))
    return {
        name: Term(sum=total, count=count, weight=weight)
        for name, (total, count, weight) in plain.items()
    }


def run_steps(
    training: Training, wrapped: Wrapped, fabric: Fabric, length: Length, done: Progress
) -> Progress:
    """Takes all steps that are left."""
    place = Place(rank=fabric.global_rank, processes=fabric.world_size)
    logs = open_logs(training, done.step) if fabric.is_global_zero else ()
    started = time.monotonic() - done.seconds
    progress = done
    steps = range(done.step, length.steps)
    wrapped.module.train()
    bar = TrainingBar(training.title, length.steps, done.step, fabric.is_global_zero)
    with bar, Interruption() as interruption:
        for step, batch in prefetched(training.batches, steps, place):
            values = take_step(training, wrapped, fabric, length, step, batch)
            progress = Progress(step=step + 1, seconds=time.monotonic() - started)
            bar.advance(values, training.settings.batch_size)
            if is_logged(step, length, training.settings):
                for log in logs:
                    log.write(step, values)
            stopped = interruption.asked_of_any(place, fabric.device)
            due = is_due(progress, training.settings)
            if stopped or due:  # a run that is never stopped is watched where one is due alone
                keep(training, wrapped, fabric, progress, watched=due)
            if stopped:
                raise KeyboardInterrupt
    if not is_due(progress, training.settings):
        keep(training, wrapped, fabric, progress, watched=True)
    return progress


def is_due(progress: Progress, settings: TrainingSettings) -> bool:
    """Whether a checkpoint is written after this step, whatever happens."""
    return progress.step % settings.checkpoint_every == 0


def open_logs(training: Training, first_step: int) -> tuple[Log, ...]:
    """The CSV log, and the others that were asked for."""
    others = tuple(log(training.folder, first_step) for log in training.logs)
    return (CsvLog(training.folder / METRICS, first_step), *others)


def is_logged(step: int, length: Length, settings: TrainingSettings) -> bool:
    """Every so many steps, and the last."""
    return step % settings.log_every == 0 or step == length.steps - 1


def keep(
    training: Training, wrapped: Wrapped, fabric: Fabric, progress: Progress, *, watched: bool
) -> None:
    """Writes the checkpoint from the first process, after the watcher's look where one is due.

    Raises:
        TrainingError: a weight is not finite; the checkpoint before is kept.
    """
    broken = [n for n, w in wrapped.plain.named_parameters() if not torch.isfinite(w).all()]
    if broken:
        raise TrainingError(
            f"After step {progress.step}: weights are not finite ({broken[0]} and "
            f"{len(broken) - 1} more), although the loss was. The last checkpoint is from before; "
            "resume it with a lower rate, a clip_norm, or in fp32."
        )
    if fabric.is_global_zero:
        path = training.folder / CHECKPOINT
        if watched:
            training.watcher.look(progress.step)  # first: a stop between the two repeats both
        save_checkpoint(path, wrapped.plain, wrapped.plain_optimiser, progress)


def take_step(
    training: Training, wrapped: Wrapped, fabric: Fabric, length: Length, step: int, batch: Batch
) -> dict[str, float]:
    """Forward, backward and update; returns the numbers of the step, over all processes."""
    settings = training.settings
    rate = settings.schedule.rate(step, settings.optimiser.rate, length)
    for group in wrapped.plain_optimiser.param_groups:
        group["lr"] = rate * group["rate_share"]
    torch.manual_seed(step_seed(training.seed, step, fabric.global_rank))
    losses = losses_of(wrapped, batch.to(fabric.device))
    total, values = reduce_losses(losses, fabric.world_size)
    refuse_non_finite(values, step, batch.names)
    wrapped.plain_optimiser.zero_grad(set_to_none=True)
    fabric.backward(total)
    if settings.clip_norm is not None:
        fabric.clip_gradients(
            wrapped.module,
            wrapped.optimiser,
            max_norm=settings.clip_norm,
            error_if_nonfinite=False,  # `keep` finds weights that are no numbers, and says where
        )
    wrapped.optimiser.step()
    return {**values, "rate": rate}


def step_seed(seed: int, step: int, rank: int) -> int:
    """A seed for the random numbers of one step of one process (dropout)."""
    return (seed * 1_000_003 + step * 8191 + rank) % (2**63)


def reduce_losses(losses: Losses, processes: int) -> tuple[Tensor, dict[str, float]]:
    """The total to differentiate, and each term's mean over the global batch.

    Every term is divided by its count over all processes. Data-parallel wrappers average
    gradients over processes, hence the factor `processes`: the average is then the gradient of
    the sum.
    """
    names = list(losses)
    counts = sum_over_processes(torch.stack([losses[name].count.float() for name in names]))
    sums = sum_over_processes(torch.stack([losses[name].sum.float() for name in names]))
    counts = counts.clamp(min=1.0)  # a term that counts nothing has the sum 0
    weights = torch.tensor([losses[name].weight for name in names], device=counts.device)
    local = torch.stack([losses[name].sum.float() for name in names])
    total = processes * (weights * local / counts).sum()
    means = sums / counts
    values = dict(zip(names, means.tolist(), strict=True))
    return total, {"loss": float((weights * means).sum()), **values}


def refuse_non_finite(values: dict[str, float], step: int, names: Sequence[str]) -> None:
    """Stops a training whose loss is not a number, before the weights are touched.

    Raises:
        TrainingError: a term is nan or infinite.
    """
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        shown = ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")
        raise TrainingError(
            f"Step {step}: the loss is not finite ({', '.join(broken)}), expected a number. "
            f"Studies of the batch: {shown}. The last checkpoint is from before this step; look "
            "at these studies, or resume with a lower rate or in fp32."
        )
