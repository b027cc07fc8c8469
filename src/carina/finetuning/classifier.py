"""An image encoder with one output a finding: what classification and linear probe train."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.fusion import Fused
from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.errors import ConfigError
from carina.finetuning.outputs import columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

HEAD_DEVIATION = 2e-5
"""Of the head's first weights: every start begins by saying nothing (MaCo's fine-tuning code)."""


@runtime_checkable
class HasImageEncoder(Protocol):
    """A pre-trained model of any system, as fine-tuning sees it."""

    image_encoder: nn.Module

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Settings of a classifier: `findings` are its outputs, in canonical form."""

    image: ImageConfig
    preprocessing: Preprocessing
    findings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Checks the outputs."""
        if not self.findings or len(set(self.findings)) != len(self.findings):
            raise ConfigError(f"findings must be different names, got {self.findings}.")


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


def silent_head(dim: int, outputs: int) -> nn.Linear:
    """A linear layer that begins by saying almost nothing of any image."""
    head = nn.Linear(dim, outputs)
    nn.init.trunc_normal_(head.weight, std=HEAD_DEVIATION)
    nn.init.zeros_(head.bias)
    return head


class Classifier(nn.Module):
    """Mean of the encoder's grid, standardised, then one linear output a finding.

    Fulfils `ZeroShotModel`, for its own findings. The mean and the head are linear, so the head
    applied to every place is the exact share of that place in the score: the map.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.scale = Standardise(config.image.dim)
        self.head = silent_head(config.image.dim, len(config.findings))
        self._fused = Fused()

    @classmethod
    def from_config(cls, config: ClassifierConfig) -> "Classifier":
        """A classifier with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch findings"]:
        """Logits of all findings, for training."""
        encoder: Any = self.image_encoder
        features: ImageFeatures = encoder.features(radiographs)
        logits: Tensor = self.head(self.scale(features.grid.mean((1, 2))))
        return logits

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Finds the output of each query.

        Raises:
            QueryError: a finding that this classifier was not trained on.
        """
        return encoded_by_output(queries, self.config.findings)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Probability of each finding, and the share of each place in its logit."""
        columns = columns_of(queries, radiographs.device)
        with evaluating(self):
            fused: Any = self._fused.of(self.image_encoder)
            features: ImageFeatures = fused.features(radiographs)
        places = self.head(self.scale(features.grid.float()))[..., columns]
        scores = places.mean((1, 2)).sigmoid()
        return Answers(scores=scores, grids=places.permute(0, 3, 1, 2))
