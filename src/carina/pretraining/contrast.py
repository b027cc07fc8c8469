"""Contrast alone: two encoders and no query network, the paper's ablation "KAD w/o DQN".

It is asked as CLIP is: is the image closer to the finding, or to its absence?
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from carina.encoders.modes import evaluating
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.preprocessing import Preprocessing
from carina.pretraining.kad import IMAGENET_224
from carina.pretraining.kad_objective import (
    PairsObjective,
    contrast_batch,
    encode_batch,
)
from carina.pretraining.two_encoders import TwoEncoders, check_image_side
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """Settings of a model that is trained by contrast alone.

    `temperature` divides the cosines to a finding and to its absence before the softmax.
    """

    image: ResNetConfig | ViTConfig = field(default_factory=ResNetConfig)
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    preprocessing: Preprocessing = IMAGENET_224
    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        if self.image.dim != self.text.dim:
            raise ConfigError(
                "dim of the image encoder and the text encoder must be equal, got "
                f"{self.image.dim} and {self.text.dim}."
            )
        if not self.temperature > 0:
            raise ConfigError(
                f"temperature must be > 0, got {self.temperature}: it divides the similarities."
            )
        check_image_side(self.image, self.preprocessing)


class ContrastModel(TwoEncoders[ContrastConfig]):
    """Compares a radiograph with "X" and with "no X"; fulfils `ZeroShotModel`."""

    @classmethod
    def from_config(cls, config: ContrastConfig, tokenizer: Tokenizer) -> "ContrastModel":
        """A model with fresh weights."""
        return cls(config, TextEncoder(config.text, tokenizer))

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds each finding and its absence, as unit vectors."""
        present = [query.text for query in queries]
        absent = [f"no {query.text}" for query in queries]
        return EncodedQueries(
            queries=tuple(queries),
            features={
                "present": F.normalize(self.text_encoder.encode(present), dim=1),
                "absent": F.normalize(self.text_encoder.encode(absent), dim=1),
            },
        )

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """How much closer image and places are to the finding than to its absence."""
        present = queries.features["present"].to(radiographs.device)
        absent = queries.features["absent"].to(radiographs.device)
        with evaluating(self):
            features = self._fused.of(self.image_encoder)(radiographs)
        pooled = F.normalize(features.pooled.float(), dim=1)
        margin = pooled @ (present - absent).T / self.config.temperature
        places = F.normalize(features.grid.float(), dim=-1)
        grids = (places @ (present - absent).T).permute(0, 3, 1, 2)
        return Answers(scores=margin.sigmoid(), grids=grids)


class ContrastObjective(PairsObjective[ContrastModel]):
    """Contrast between image and report; an `Objective`."""

    def losses(self, batch: ImageBatch) -> Losses:
        """The contrast of this process's share of the batch."""
        features = encode_batch(
            self.model.image_encoder, batch, self.settings, self.model.config.preprocessing
        )
        reports = self.text.reports(self.model.text_encoder, batch.rows)
        total, count = contrast_batch(self.settings, features.pooled, reports, batch)
        return {"contrast": Term(sum=total, count=count, weight=self.settings.contrast_weight)}
