"""Key tables: how the names of an official checkpoint become ours, every one accounted for."""

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carina.conversion.wrong_files import named_classes, told
from carina.errors import ConversionError

SCALAR = np.float64(0).__reduce__()[0]  # makes a number of numpy out of its bytes
PLAIN: list[Any] = [
    argparse.Namespace,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")),
    *((SCALAR, f"numpy.{home}.multiarray.scalar") for home in ("core", "_core")),
]
"""What training scripts keep beside the weights: their options, and numbers of numpy."""


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
        with torch.serialization.safe_globals(PLAIN):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise ConversionError(f"{path}: {told(path) or untold(path, error)}") from error
    if not isinstance(checkpoint, dict):
        raise ConversionError(
            f"{path}: holds a {type(checkpoint).__name__}, expected a dictionary of weights. "
            "Where that is a whole model, save its state_dict() and convert that."
        )
    return checkpoint


def untold(path: Path, error: Exception) -> str:
    """What is wrong with a file that might be a checkpoint."""
    classes = named_classes(path)
    if classes:
        return (
            f"names {', '.join(sorted(classes)[:3])}, expected tensors and plain values alone: a "
            "file that runs code when it is opened is refused. Save its state_dict alone, where "
            "you trust the file, and convert that."
        )
    return (
        f"cannot be read as a checkpoint of tensors ({first_line(error)}). Download it again; a "
        "file that runs code when it is opened is refused."
    )


def shown(names: Iterable[object], most: int = 5) -> str:
    """The first of some names."""
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


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
        names = shown(checkpoint) or "nothing"
        raise ConversionError(
            f"{where}: has no weights {name!r}; found {names}. The checkpoint is of another system "
            "or version."
        )
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
        raise ConversionError(
            f"{where}: {len(unknown)} keys are in no table, such as {shown(sorted(unknown))}. The "
            "checkpoint is of another system or version."
        )
    check_numbers(ours, where)
    return ours


def check_numbers(state: Mapping[str, Tensor], where: str) -> None:
    """Refuses weights that are no numbers: one such weight makes every answer nan.

    Raises:
        ConversionError: names one that is infinite or nan, or packed.
    """
    for name, value in state.items():
        if value.is_quantized or value.is_complex():
            raise ConversionError(
                f"{where}: the weight that becomes {name} is of kind {value.dtype}, expected plain "
                "numbers. Give the file as it was before it was made smaller."
            )
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ConversionError(
                f"{where}: the weight that becomes {name} holds numbers that are infinite or nan, "
                "as after a training that failed, or in half precision where it is too narrow. "
                "Give another file."
            )


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Loads a state dict that has to hold every tensor of the module and no other.

    Raises:
        ConversionError: tensors are missing, too many, or of another shape.
    """
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:4])
        raise ConversionError(
            f"{where}: does not fit: {lines} The file is only a part of a checkpoint, or of "
            "another version."
        ) from error
