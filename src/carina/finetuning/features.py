"""Features of a frozen encoder, computed once for each image."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.fusion import Fused
from carina.encoders.modes import evaluating
from carina.files import progress
from carina.imaging.preprocessing import Preprocessing, prepare
from carina.imaging.store import ImageStore

BATCH = 32


@torch.no_grad()
def frozen_features(
    encoder: nn.Module,
    preprocessing: Preprocessing,
    store: ImageStore,
    keys: Sequence[str],
    device: torch.device,
    title: str,
) -> Float[Tensor, "images dim"]:
    """The mean of the encoder's grid for every image, float32 on the CPU.

    Args:
        encoder: an image encoder; used in eval mode.
        preprocessing: what it takes.
        store: the pictures.
        keys: which, in this order.
        device: where the encoder is.
        title: of the progress bar.
    """
    fast: Any = Fused().of(encoder)

    def mean_of_grid(pictures: Tensor) -> Tensor:
        features: ImageFeatures = fast.features(pictures)
        return features.grid.float().mean((1, 2))

    with evaluating(encoder):
        return over_stored(mean_of_grid, preprocessing, store, keys, device, title)


@torch.no_grad()
def over_stored(
    of_pictures: Callable[[Tensor], Tensor],
    preprocessing: Preprocessing,
    store: ImageStore,
    keys: Sequence[str],
    device: torch.device,
    title: str,
) -> Float[Tensor, "images *features"]:
    """What a function says of every stored picture, in batches, on the CPU.

    Args:
        of_pictures: takes [batch channels size size] and gives a row for each.
        preprocessing: how pictures are prepared for it.
        store: the pictures.
        keys: which, in this order.
        device: where the function works.
        title: of the progress bar.
    """
    starts = range(0, len(keys), BATCH)
    parts: list[Tensor] = []
    for start in progress(starts, title, len(starts)):
        pictures = [
            prepare(store[key].astype("float32") / 255, preprocessing)[0]
            for key in keys[start : start + BATCH]
        ]
        parts.append(of_pictures(torch.stack(pictures).to(device)).cpu())
    return torch.cat(parts)
