"""What official implementations were asked and gave, as every installation carries it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carina.conversion.formula import images, weight
from carina.encoders.tokens import Tokens

Numbers = Mapping[str, np.ndarray]
Checkpoint = dict[str, dict[str, Tensor]]
Answers = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One published network: its checkpoint, the model made of it, and what it is asked.

    Attributes:
        name: what people call it.
        recorded: the file of `recorded/`.
        checkpoint: of the official names, filled by the formula.
        model: what a conversion makes of it.
        answers: to what the official implementation was asked, under the names in the file.
    """

    name: str
    recorded: str
    checkpoint: Callable[[Numbers], Checkpoint]
    model: Callable[[Checkpoint], nn.Module]
    answers: Callable[[Any, Numbers], Answers]


def recorded_answers(name: str) -> Numbers:
    """A file of `recorded/`: questions and answers, and the official names and sizes."""
    source = files("carina.conversion") / "recorded" / f"{name}.npz"
    with source.open("rb") as handle:
        return dict(np.load(handle, allow_pickle=False))


def official_state(recorded: Numbers, part: str) -> dict[str, Tensor]:
    """The official state dict of one part, filled by the formula; aliases share a tensor."""
    columns = (recorded[f"{part}.{name}"].tolist() for name in ("keys", "shapes", "kinds", "alias"))
    rows = {key: (shape, kind, alias) for key, shape, kind, alias in zip(*columns, strict=True)}
    prefix, made = str(recorded["prefix"]), dict[str, Tensor]()
    for key, (_, _, alias) in rows.items():
        source = alias or key
        shape, kind, _ = rows[source]
        if source not in made:
            sizes = tuple(int(size) for size in shape.split("x") if size)
            made[source] = weight(source, sizes, kind, prefix)
        made[key] = made[source]
    return made


def tokens_of(recorded: Numbers, ids: str, mask: str) -> Tokens:
    """Recorded tokens."""
    return Tokens(
        ids=torch.from_numpy(recorded[ids]).long(), mask=torch.from_numpy(recorded[mask]).long()
    )


def pictures_of(
    recorded: Numbers, size: int, *, name: str = "picture", batch: int = 2, crop: int | None = None
) -> Tensor:
    """Pictures of a side in pixels, of which the upper left `crop` pixels are taken."""
    made = images(str(recorded[name]), batch, size, str(recorded["prefix"]))
    return made[..., :crop, :crop]
