"""Which weights the authors' networks have, so that a file that lacks some is told of.

Sizes are told by tensors: a file without its last layers would pass as a smaller network.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from carina.conversion.layout import LAYOUTS, Layout, our_name
from carina.conversion.recorded_answers import Numbers, recorded_answers
from carina.conversion.table import BARE, COUNTER, part

Parts = Mapping[str, tuple[str, ...]]
"""Part of a checkpoint -> what of a recorded file holds its keys."""


def kad(image: str) -> Parts:
    """KAD's checkpoint with one of its image encoders."""
    return {"image_encoder": (image,), "text_encoder": ("text_encoder",), "model": ("model",)}


PUBLISHED: Mapping[str, tuple[str, tuple[Parts, ...]]] = {
    "kad": ("kad", tuple(kad(f"image_encoder_{kind}") for kind in ("224", "512", "vit"))),
    "kad-text": ("kad", ({BARE: ("text_encoder",)},)),
    "medklip": ("medklip", ({BARE: ("model",)},)),
    "maco": ("maco", ({BARE: ("pretrain",)},)),
    "ecamp": ("ecamp", ({BARE: ("pretrain",)},)),
    "gloria": ("gloria", ({BARE: ("image_encoder", "text_encoder")},)),
    "maco-classification": ("maco-classification", ({BARE: ("model",)},)),
    "ecamp-classification": ("ecamp-classification", ({BARE: ("model",)},)),
    "ecamp-multiclass": ("ecamp-classification", ({BARE: ("model",)},)),
    "ecamp-segmentation": ("ecamp-segmentation", ({BARE: ("model",)},)),
    "ecamp-detection": ("ecamp-detection", ({BARE: ("model",)},)),
}
"""System -> the recorded file, and every network of it."""


def lacking(system: str, checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """Our names of the weights that a published network has and a checkpoint lacks.

    Args:
        system: of `LAYOUTS`.
        checkpoint: its keys are all in the tables.

    Returns:
        Of several published networks those of the one that lacks fewest; none of a whole file.
    """
    layout, (file, networks) = LAYOUTS[system], PUBLISHED[system]
    recorded = recorded_answers(file)
    names = {one.name_in(checkpoint) for one in layout.parts}
    found = names_of(layout, {name: part(checkpoint, name, system) for name in names})
    absent = [
        names_of(layout, {name: keys_of(recorded, held) for name, held in parts.items()}) - found
        for parts in networks
    ]
    fewest = min(absent, key=len)
    return tuple(sorted(fewest))


def keys_of(recorded: Numbers, held: Iterable[str]) -> list[str]:
    """The official keys of some parts of a recorded file."""
    return [str(key) for one in held for key in recorded[f"{one}.keys"]]


def names_of(layout: Layout, keys: Mapping[str, Iterable[str]]) -> set[str]:
    """Our names of the keys of a checkpoint's parts."""
    found = set()
    for one in layout.parts:
        state = {key: torch.empty(0) for key in keys[one.name_in(keys)]}
        table = one.table(state)
        found |= {our_name(key, one, table, "published") for key in state}
    return {name for name in found if name is not None and not name.endswith(COUNTER)}
