"""What every image encoder returns, so that a system can be built on any of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ImageFeatures:
    """A grid of features over the whole input, and one vector for the picture.

    `grid` keeps the places: grounding needs to know where a feature came from.
    `pooled` is what the encoder calls its summary: the mean of the grid for a convolutional
    network, the class token for a transformer.
    """

    grid: Float[Tensor, "batch rows cols dim"]
    pooled: Float[Tensor, "batch dim"]

    @property
    def tokens(self) -> Float[Tensor, "batch tokens dim"]:
        """The grid as a list, row after row."""
        return self.grid.flatten(1, 2)


def join_features(parts: Sequence[ImageFeatures]) -> ImageFeatures:
    """Puts the features of consecutive pieces of a batch together again."""
    return ImageFeatures(
        grid=torch.cat([part.grid for part in parts]),
        pooled=torch.cat([part.pooled for part in parts]),
    )
