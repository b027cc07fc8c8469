"""What a release tells of an image's grey levels and its file does not, carried by the path.

A picture that was made from DICOM keeps its levels and loses what they mean: that only 12 of 16
bits are used, or that bone is low. A release may tell it in a table (PadChest's
`BitsStored_DICOM` and `PhotometricInterpretation_DICOM`). A manifest then names the picture as
`0/picture.png#bits=12` or `0/picture.png#bits=12,inverted`, and the reader reads it so.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

_TOLD = re.compile(r"(?P<file>.+)#(?:bits=(?P<bits>[1-9]\d?))?,?(?P<inverted>inverted)?")


@dataclass(frozen=True, kw_only=True)
class ToldLevels:
    """How many bits of a 16-bit picture are used, None where nobody tells; whether bone is low."""

    bits: int | None = None
    inverted: bool = False

    def after(self, path: str) -> str:
        """The path with this behind it; as it is where nothing is to be told."""
        told = [f"bits={self.bits}"] if self.bits is not None else []
        told += ["inverted"] if self.inverted else []
        return f"{path}#{','.join(told)}" if told else path

    def applied(
        self, table: Float32[np.ndarray, " levels"], levels_are_deep: bool
    ) -> Float32[np.ndarray, " levels"]:
        """The grey values of levels as the release tells them.

        Args:
            table: grey in [0, 1] of every level, from the file alone.
            levels_are_deep: the picture has 16 bits; a copy of 8 bits was brought to full range.
        """
        if self.bits is not None and levels_are_deep:
            highest = np.float32(2**self.bits - 1)
            table = np.minimum(np.arange(len(table), dtype=np.float32) / highest, np.float32(1))
        return 1 - table if self.inverted else table


def told_apart(path: Path) -> tuple[Path, ToldLevels]:
    """The file of a path, and what is told behind it; a path without is the file's."""
    match = _TOLD.fullmatch(path.name)
    if match is None or not (match["bits"] or match["inverted"]):
        return path, ToldLevels()
    bits = int(match["bits"]) if match["bits"] else None
    return path.with_name(match["file"]), ToldLevels(bits=bits, inverted=bool(match["inverted"]))
