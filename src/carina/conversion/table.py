"""Key tables: how the names of an official checkpoint become ours, every one accounted for."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carina.errors import ConversionError


@dataclass(frozen=True)
class Rule:
    r"""One line of a key table.

    `pattern` is a regular expression for a whole official key, `name` ours with its groups
    (`\1`), or None where the tensor is left out, for `reason`. Two keys that become one name
    are the same tensor under two names, and have to be equal.
    """

    pattern: str
    name: str | None
    reason: str = ""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads an official checkpoint; nothing in it is executed.

    Raises:
        ConversionError: the file is missing, damaged, or holds more than tensors and numbers.
    """
    try:
        # Training scripts keep their options with the weights, as a plain holder of values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConversionError(f"{path}: no such file; expected a checkpoint.") from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise ConversionError(
            f"{path}: cannot be read as a checkpoint of tensors ({first_line(error)}). "
            "Download it again; a file that runs code when it is opened is refused."
        ) from error
    if not isinstance(checkpoint, dict):
        raise ConversionError(
            f"{path}: holds a {type(checkpoint).__name__}, expected a dictionary of weights."
        )
    return checkpoint


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def part(checkpoint: Mapping[str, Any], name: str, where: str) -> dict[str, Tensor]:
    """The state dict of one part of a checkpoint.

    Raises:
        ConversionError: there is no such part, or it holds something else.
    """
    found = checkpoint.get(name)
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        names = ", ".join(map(str, checkpoint)) or "nothing"
        raise ConversionError(f"{where}: has no weights {name!r}; found {names}.")
    return {key.removeprefix("module."): value for key, value in found.items()}


def translate(state: Mapping[str, Tensor], table: Sequence[Rule], where: str) -> dict[str, Tensor]:
    """Gives every tensor our name.

    Raises:
        ConversionError: keys that the table does not know, or two names of what should be one
            tensor that differ.
    """
    ours: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        rule = next((rule for rule in table if re.fullmatch(rule.pattern, key)), None)
        if rule is None:
            unknown.append(key)
        elif rule.name is not None:
            name = re.fullmatch(rule.pattern, key).expand(rule.name)  # type: ignore[union-attr]
            if name in ours and not torch.equal(ours[name], value):
                raise ConversionError(
                    f"{where}: {key} and another key both are {name}, but their values differ."
                )
            ours[name] = value
    if unknown:
        shown = ", ".join(sorted(unknown)[:5])
        raise ConversionError(
            f"{where}: {len(unknown)} keys are in no table, such as {shown}. The checkpoint is of "
            "another system or version."
        )
    return ours


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Loads a state dict that has to hold every tensor of the module and no other.

    Raises:
        ConversionError: tensors are missing, too many, or of another shape.
    """
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:4])
        raise ConversionError(f"{where}: does not fit: {lines}") from error
