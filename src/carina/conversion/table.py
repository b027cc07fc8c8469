"""Key tables: how the names of an official checkpoint become ours, every one accounted for."""

import argparse
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from carina.conversion.wrong_files import beginning_of, is_safetensors, told, untold
from carina.errors import ConversionError

BARE = ""
"""The part that stands for a whole file, where nothing is around the state dict."""
WRAPS = (BARE, "state_dict", "model")
"""Where a file of one state dict keeps it: the first that is there."""
WRAPPED = "module."
"""What several GPUs put before every key."""
COUNTER = ".num_batches_tracked"
"""What batch norms count, not in files of before 2018, and used by nothing of ours."""

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
    """Reads an official checkpoint, a pickle or safetensors; nothing in it is executed.

    Raises:
        ConversionError: the file is missing, damaged, or holds more than tensors and numbers.
    """
    wrong = told(path)
    if wrong is not None:
        raise ConversionError(f"{path}: {wrong}")
    if is_safetensors(beginning_of(path)):
        return read_tensors(path)
    try:
        with torch.serialization.safe_globals(PLAIN), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how the file was pickled
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise ConversionError(f"{path}: {untold(path, error)}") from error
    if not isinstance(checkpoint, dict):
        raise ConversionError(
            f"{path}: holds a {type(checkpoint).__name__}, expected a dictionary of weights. "
            "Where that is a whole model, save its state_dict() and convert that."
        )
    return checkpoint


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads weights that somebody keeps as safetensors: a state dict and nothing around it."""
    try:
        weights: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConversionError(
            f"{path}: is cut short or damaged ({error}). Download it again, and compare its size "
            "with the published one."
        ) from error
    return weights


def read_parts(path: Path) -> dict[str, Any]:
    """Reads a file whose state dict may have nothing around it; nothing in it is executed.

    Returns:
        The parts; a bare state dict as `BARE`.

    Raises:
        ConversionError: see `read_checkpoint`.
    """
    checkpoint = read_checkpoint(path)
    bare = bool(checkpoint) and all(isinstance(value, Tensor) for value in checkpoint.values())
    return {BARE: checkpoint} if bare else checkpoint


def shown(names: Iterable[object], most: int = 5) -> str:
    """The first of some names."""
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


def part(checkpoint: Mapping[str, Any], name: str, where: str) -> dict[str, Tensor]:
    """The state dict of one part of a checkpoint.

    Raises:
        ConversionError: there is no such part, or it holds something else.
    """
    found = checkpoint.get(name)
    if found is not None and not isinstance(found, dict):
        raise ConversionError(
            f"{where}: {name!r} is a {type(found).__name__}, expected names and their weights. "
            "The checkpoint is of another system or version."
        )
    if found is None:
        names = shown(checkpoint.get(BARE, checkpoint)) or "nothing"
        raise ConversionError(
            f"{where}: has no weights {name!r}; found {names}. The checkpoint is of another system "
            "or version."
        )
    for key, value in found.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise ConversionError(
                f"{where}: {name!r} holds {key!r}, a {type(value).__name__}, expected names and "
                "their weights alone. Save the state_dict alone, and convert that."
            )
    return {key.removeprefix(WRAPPED): value for key, value in found.items()}


def only_part(checkpoint: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The state dict of a file that holds one, whatever is around it.

    Raises:
        ConversionError: there is none.
    """
    name = next((name for name in WRAPS if name in checkpoint), WRAPS[-1])
    return part(checkpoint, name, where)


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
        plain = value.layout == torch.strided and not (value.is_quantized or value.is_meta)
        if not plain or value.is_complex():
            raise ConversionError(
                f"{where}: the weight that becomes {name} is of kind {value.dtype}, "
                f"{value.layout}, expected plain numbers. Give the file as it was before it was "
                "made smaller."
            )
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ConversionError(
                f"{where}: the weight that becomes {name} holds numbers that are infinite or nan, "
                "as after a training that failed, or in half precision where it is too narrow. "
                "Give another file."
            )


def check_fits(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Makes sure that a state dict holds every tensor of the module and no other.

    Raises:
        ConversionError: tensors are missing, too many, or of another shape.
    """
    own = module.state_dict()
    sizes = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    lacking = [key for key in own if key not in state and not key.endswith(COUNTER)]
    for what, keys in (
        ("missing", lacking),
        ("without a place", [key for key in state if key not in own]),
        ("of other sizes", sizes),
    ):
        if keys:
            raise ConversionError(
                f"{where}: does not fit: {len(keys)} weights are {what}, those that become "
                f"{shown(keys)}. The file is only a part of a checkpoint, or of another version."
            )


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Loads a state dict that has to hold every tensor of the module and no other.

    Raises:
        ConversionError: see `check_fits`.
    """
    check_fits(module, state, where)
    module.load_state_dict(dict(state))
