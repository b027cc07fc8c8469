"""Checkpoints of Lightning: weights beside settings in classes of other libraries.

Such settings make a file that only unrestricted unpickling opens, which can run code. Here every
class that PyTorch does not know as harmless is replaced by one that holds nothing and does
nothing, so that the weights can be read and nothing in the file is executed.
"""

from pathlib import Path
from typing import Any

import torch

from carina.conversion.table import read_parts, shown
from carina.errors import ConversionError


class Nothing:
    """Stands for an object of another library: takes whatever it is given, keeps none of it."""

    def __new__(cls, *given: object) -> "Nothing":
        """An empty one."""
        return super().__new__(cls)

    def __init__(self, *given: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_lightning(path: Path) -> dict[str, Any]:
    """Reads a checkpoint of Lightning; its settings come back empty, its tensors whole.

    Returns:
        The parts; a bare state dict as `BARE`.

    Raises:
        ConversionError: the file is missing, damaged, or no checkpoint.
    """
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # missing, damaged, or in the format of before 2020
        unknown = []
    stands_for: list[Any] = [(Nothing, name) for name in unknown]
    try:
        with torch.serialization.safe_globals(stands_for):
            return read_parts(path)
    except ConversionError as error:
        if not unknown:
            raise
        raise ConversionError(
            f"{path}: names {shown(sorted(unknown), 3)}, and cannot be read without running it, "
            "which is refused. Save its state_dict alone, where you trust the file, and convert "
            "that."
        ) from error
