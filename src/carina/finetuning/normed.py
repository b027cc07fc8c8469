"""Classifiers that norm the mean of each image, as MaCo's and ECAMP's fine-tuning code does.

They come out of published files; those that `finetune` trains standardise by the training images.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.modes import evaluating
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.linear_on_grid import LinearOnGrid
from carina.finetuning.multiclass import MultiClassClassifier, MultiClassConfig

EPSILON = 1e-6


class NormedPlaces(nn.Module):
    """Centres and scales every place so that the mean of all is the layer norm of their mean.

    Behind it the head, applied to every place, gives the exact share of that place in an output.
    The norm is timm's `fc_norm` behind an average pooling.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(
        self, grid: Float[Tensor, "batch rows cols dim"]
    ) -> Float[Tensor, "batch rows cols dim"]:
        """Each place less its own mean, over the deviation of the mean place."""
        whole = grid.mean((1, 2), keepdim=True)
        deviation = (whole.var(-1, unbiased=False, keepdim=True) + EPSILON).sqrt()
        return (grid - grid.mean(-1, keepdim=True)) / deviation * self.weight + self.bias


class NormedOutputs(LinearOnGrid):
    """Linear outputs on the normed mean: what the two classifiers below have in common.

    Their `scale` is left as it begins, and does nothing.
    """

    norm: NormedPlaces

    def outputs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs"]:
        """Every output of each radiograph."""
        return self._normed_shares(radiographs).mean((1, 2))

    def shares(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch rows cols outputs"]:
        """The share of each place in every output, in eval mode; their mean is the output."""
        with evaluating(self):
            return self._normed_shares(radiographs)

    def _normed_shares(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch rows cols outputs"]:
        encoder: Any = self.image_encoder
        shares: Tensor = self.head(self.norm(encoder.features(radiographs).grid.float()))
        return shares


class NormedClassifier(NormedOutputs, Classifier):
    """A classifier whose head sees the normed mean: a class of its own, so its folder tells."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        self.norm = NormedPlaces(config.image.dim)


class NormedMultiClassClassifier(NormedOutputs, MultiClassClassifier):
    """The same for classes of which one is true of every image."""

    def __init__(self, config: MultiClassConfig) -> None:
        super().__init__(config)
        self.norm = NormedPlaces(config.image.dim)
