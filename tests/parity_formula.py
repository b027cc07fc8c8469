"""Recorded outputs of official implementations, with the weights and images they are of."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carina.conversion.formula import images, sample, weight

__all__ = ["Case", "images", "read_case", "read_slim", "sample", "weight"]


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


def read_slim(file: Path) -> Case:
    """A slice of recorded outputs that every clone has: names and sizes of weights, and outputs."""
    found = dict(np.load(file, allow_pickle=False))
    parts = {
        name.removesuffix(".keys"): {"entries": entries_of(found, name.removesuffix(".keys"))}
        for name in found
        if name.endswith(".keys")
    }
    return Case(
        manifest={"prefix": str(found["prefix"]), "parts": parts},
        scalars={},
        inputs={},
        outputs={
            name.removeprefix("outputs."): value
            for name, value in found.items()
            if name.startswith("outputs.")
        },
    )


def entries_of(found: dict[str, np.ndarray], part: str) -> list[dict[str, Any]]:
    """The weights of one part as a manifest lists them."""
    columns = (found[f"{part}.{name}"].tolist() for name in ("keys", "shapes", "kinds", "alias"))
    return [
        {
            "key": key,
            "shape": [int(size) for size in shape.split("x") if size],
            "kind": kind,
            "alias_of": alias or None,
        }
        for key, shape, kind, alias in zip(*columns, strict=True)
    ]
