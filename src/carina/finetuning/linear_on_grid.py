"""What classifiers and graders have in common: linear outputs on the mean of an encoder's grid."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.fusion import Fused
from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.zeroshot.protocol import Answers

HEAD_DEVIATION = 2e-5
"""Of the head's first weights: every start begins by saying nothing (MaCo's fine-tuning code)."""


class Standardise(nn.Module):
    """Brings each feature to mean 0 and deviation 1 over the training images.

    The features of one start are a thousand times those of another; behind this all heads see
    the same scale, and one search over their settings is fair to all.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    @torch.no_grad()
    def fit(self, features: Float[Tensor, "images dim"]) -> None:
        """Measures the training images; a feature that never changes keeps its scale."""
        deviation = features.double().std(0, unbiased=False)
        flat = deviation < 1e-6 * features.double().abs().amax(0).clamp(min=1e-30)
        self.get_buffer("mean").copy_(features.double().mean(0))
        self.get_buffer("deviation").copy_(torch.where(flat, 1.0, deviation))

    def forward(self, features: Float[Tensor, "*places dim"]) -> Float[Tensor, "*places dim"]:
        """Centred and scaled."""
        return (features - self.get_buffer("mean")) / self.get_buffer("deviation")


class LinearOnGrid(nn.Module):
    """Mean of the encoder's grid, standardised, then linear outputs.

    The mean and the head are linear, so the head applied to every place is the exact share of
    that place in each output.
    """

    def __init__(self, image: ImageConfig, outputs: int) -> None:
        super().__init__()
        self.image_encoder: nn.Module = image.build()
        self.scale = Standardise(image.dim)
        self.head = silent_head(image.dim, outputs)
        self._fused = Fused()

    def outputs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs"]:
        """Every output of each radiograph, for training."""
        encoder: Any = self.image_encoder
        features: ImageFeatures = encoder.features(radiographs)
        outputs: Tensor = self.head(self.scale(features.grid.mean((1, 2))))
        return outputs

    def shares(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch rows cols outputs"]:
        """The share of each place in every output, in eval mode; their mean is the output."""
        with evaluating(self):
            fused: Any = self._fused.of(self.image_encoder)
            features: ImageFeatures = fused.features(radiographs)
        shares: Tensor = self.head(self.scale(features.grid.float()))
        return shares


def silent_head(dim: int, outputs: int) -> nn.Linear:
    """A linear layer that begins by saying almost nothing of any image."""
    head = nn.Linear(dim, outputs)
    nn.init.trunc_normal_(head.weight, std=HEAD_DEVIATION)
    nn.init.zeros_(head.bias)
    return head


def chosen(
    scores: Float[Tensor, "batch outputs"],
    shares: Float[Tensor, "batch rows cols outputs"],
    columns: Tensor,
) -> Answers:
    """The outputs that were asked for, with the share of each place as their map."""
    return Answers(scores=scores[:, columns], grids=shares[..., columns].permute(0, 3, 1, 2))
