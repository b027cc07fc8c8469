"""Weights and images that recorded outputs of official implementations were made with.

Each is a pure function of a name: a normal sample from a generator that is seeded with the
name's CRC-32. So no weights have to be kept beside the outputs.
"""

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def sample(name: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers that belong to a name."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator)


def weight(name: str, shape: tuple[int, ...], kind: str, prefix: str = "") -> Tensor:
    """The tensor of one key: fan-in scaled, near one for norms, fresh statistics."""
    if kind == "bn_mean":
        return torch.zeros(shape)
    if kind == "bn_var":
        return torch.ones(shape)
    if kind == "bn_count":
        return torch.zeros(shape, dtype=torch.long)
    scale = math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.02
    return sample(prefix + name, shape) * scale + (1.0 if kind == "norm_weight" else 0.0)


def images(name: str, batch: int, size: int, prefix: str = "") -> Tensor:
    """Pictures of a level of their own, coarse squares and noise."""
    level = torch.linspace(-1.5, 1.5, batch).reshape(batch, 1, 1, 1)
    coarse = sample(f"{prefix}input:{name}.coarse", (batch, 1, 14, 14))
    squares = coarse.repeat_interleave(size // 14, 2).repeat_interleave(size // 14, 3)
    return level + squares + 0.5 * sample(f"{prefix}input:{name}.noise", (batch, 3, size, size))


@dataclass(frozen=True)
class Case:
    """A folder of recorded outputs."""

    manifest: dict[str, Any]
    scalars: dict[str, Any]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def prefix(self) -> str:
        """What is put before every name, so that another case has other weights."""
        return self.manifest.get("seed_prefix") or self.manifest.get("prefix") or ""

    def state(self, part: str) -> dict[str, Tensor]:
        """The official state dict of one part, aliases included."""
        entries = {entry["key"]: entry for entry in self.manifest["parts"][part]["entries"]}
        made: dict[str, Tensor] = {}
        for key, entry in entries.items():
            source = entries[entry.get("alias_of") or key]
            if source["kind"] == "keep":
                continue
            if source["key"] not in made:
                made[source["key"]] = weight(
                    source["key"], tuple(source["shape"]), source["kind"], self.prefix
                )
            made[key] = made[source["key"]]
        return made

    def pictures(self, name: str) -> Tensor:
        """An image input, cropped as recorded."""
        spec = self.manifest["inputs"]["images"][name]
        height, width = spec["crop"]
        return images(spec["name"], spec["batch"], spec["size"], self.prefix)[..., :height, :width]

    def output(self, name: str) -> Tensor:
        """A recorded output."""
        return torch.from_numpy(self.outputs[name])

    def input(self, name: str) -> Tensor:
        """A recorded input as integers."""
        return torch.from_numpy(self.inputs[name]).long()


def read_case(folder: Path) -> Case:
    """Reads a folder of recorded outputs."""
    return Case(
        manifest=json.loads((folder / "manifest.json").read_text()),
        scalars=json.loads((folder / "scalars.json").read_text()),
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )
