"""Checkpoints: weights and optimiser state in one safetensors file, written whole or not at all.

Nothing is pickled, so reading one executes nothing. The file's own metadata holds the step.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from carina.errors import CheckpointError
from carina.files import atomic_path


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training has come: optimiser steps done, and seconds spent in them."""

    step: int
    seconds: float


def save_checkpoint(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Writes weights, buffers, optimiser state and progress."""
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    tensors |= optimiser_tensors(optimiser)
    # Tied weights share memory, which the format refuses; a copy of each is what it wants.
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {"step": str(progress.step), "seconds": repr(progress.seconds)}
    with atomic_path(path) as temporary:
        save_file(copies, temporary, metadata)


def load_checkpoint(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Puts a checkpoint's state into `module` and `optimiser`.

    Raises:
        CheckpointError: the file is damaged, or of another module.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: is no checkpoint that can be read ({error}). Remove the stage's folder to "
            "train it again."
        ) from error
    weights = {name[7:]: value for name, value in tensors.items() if name.startswith("module.")}
    try:
        module.load_state_dict(weights)
        restore_optimiser(optimiser, tensors)
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{path}: belongs to another model. Resume with the recipe and settings it was "
            "made with, or train into another folder."
        ) from error
    return Progress(step=int(metadata["step"]), seconds=float(metadata["seconds"]))


def read_progress(path: Path) -> Progress:
    """How far the training of a checkpoint had come.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: is no checkpoint that can be read ({error}). Remove the stage's folder to "
            "train it again."
        ) from error
    return Progress(step=int(metadata["step"]), seconds=float(metadata["seconds"]))


def trained_parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters of an optimiser, in the order of its groups."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by place of the parameter and name of the value."""
    return {
        f"optimiser.{place}.{name}": torch.as_tensor(value)
        for place, parameter in enumerate(trained_parameters(optimiser))
        for name, value in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Puts back what `optimiser_tensors` took out."""
    parameters = trained_parameters(optimiser)
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, place, name = key.split(".", 2)
            parameter = parameters[int(place)] if int(place) < len(parameters) else None
            if parameter is None:
                raise KeyError(key)
            # Adam counts its steps on the CPU whatever the device of the parameter.
            device = torch.device("cpu") if name == "step" else parameter.device
            optimiser.state[parameter][name] = value.to(device)
