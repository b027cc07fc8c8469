"""An image encoder with one output a finding: what classification and linear probe train."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.image_configs import ImageConfig
from carina.finetuning.linear_on_grid import LinearOnGrid, chosen
from carina.finetuning.outputs import check_outputs, columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


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
        check_outputs("findings", self.findings)


class Classifier(LinearOnGrid):
    """Mean of the encoder's grid, standardised, then one linear output a finding.

    Fulfils `ZeroShotModel`, for its own findings. The mean and the head are linear, so the head
    applied to every place is the exact share of that place in the score: the map.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config.image, len(config.findings))
        self.config = config

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
        return self.outputs(radiographs)

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
        shares = self.shares(radiographs)
        scores = shares.mean((1, 2)).sigmoid()
        return chosen(scores, shares, columns_of(queries, radiographs.device))
