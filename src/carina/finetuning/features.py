"""Features of a frozen encoder, computed once for each image."""

from collections.abc import Sequence
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
    starts = range(0, len(keys), BATCH)
    parts: list[Tensor] = []
    with evaluating(encoder):
        for start in progress(starts, title, len(starts)):
            pictures = [
                prepare(store[key].astype("float32") / 255, preprocessing)[0]
                for key in keys[start : start + BATCH]
            ]
            features: ImageFeatures = fast.features(torch.stack(pictures).to(device))
            parts.append(features.grid.float().mean((1, 2)).cpu())
    return torch.cat(parts)
