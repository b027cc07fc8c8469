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

from carina.encoders.features import ImageFeatures
from carina.encoders.modes import evaluating
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.preprocessing import IMAGENET_224, Preprocessing
from carina.pretraining.image_side import encode_batch
from carina.pretraining.pair_contrast import contrast_batch
from carina.pretraining.pairs_objective import PairsObjective
from carina.pretraining.two_encoders import TwoEncoders, check_image_side
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term
from carina.zeroshot.prompts import DEFAULT_PROMPTS, PromptSet, encode_prompts
from carina.zeroshot.protocol import Answers, EncodedPhrases, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """Settings of a model that is trained by contrast alone.

    `temperature` divides the cosines to a finding and to its absence before the softmax;
    `prompts` say how both are put into words.
    """

    image: ResNetConfig | ViTConfig = field(default_factory=ResNetConfig)
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    preprocessing: Preprocessing = IMAGENET_224
    temperature: float = 0.07
    prompts: PromptSet = DEFAULT_PROMPTS

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
    """Compares a radiograph with "X" and with "no X".

    Fulfils `ZeroShotModel`, `PromptedModel`, `ImageTextModel` and `PhraseGrounder`.

    Attributes:
        prompts: the words of a query; the config's, until others are chosen.
    """

    def __init__(self, config: ContrastConfig, text_encoder: TextEncoder) -> None:
        super().__init__(config, text_encoder)
        self.prompts = config.prompts

    @classmethod
    def from_config(cls, config: ContrastConfig, tokenizer: Tokenizer) -> "ContrastModel":
        """A model with fresh weights."""
        return cls(config, TextEncoder(config.text, tokenizer))

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds the prompts of each finding and of its absence, as unit vectors."""
        present, absent = encode_prompts(self.embed_reports, queries, self.prompts, unit=True)
        return EncodedQueries(
            queries=tuple(queries), features={"present": present, "absent": absent}
        )

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """How much closer image and places are to the finding than to its absence."""
        present = queries.features["present"].to(radiographs.device)
        absent = queries.features["absent"].to(radiographs.device)
        features = self._features(radiographs)
        pooled = F.normalize(features.pooled.float(), dim=1)
        margin = pooled @ (present - absent).T / self.config.temperature
        grids = cosines_of_places(features, present - absent)
        return Answers(scores=margin.sigmoid(), grids=grids)

    @torch.no_grad()
    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        """The pooled features of each radiograph, as unit vectors."""
        return F.normalize(self._features(radiographs).pooled.float(), dim=1)

    @torch.no_grad()
    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Each text, as a unit vector."""
        return F.normalize(self.text_encoder.encode(texts), dim=1)

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """Each phrase, as a unit vector."""
        return EncodedPhrases(phrases=tuple(phrases), vectors=self.embed_reports(phrases))

    @torch.no_grad()
    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """The cosine of every place with every phrase."""
        vectors = phrases.vectors.to(radiographs.device)
        return cosines_of_places(self._features(radiographs), vectors)

    def _features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        with evaluating(self):
            features: ImageFeatures = self._fused.of(self.image_encoder)(radiographs)
        return features


def cosines_of_places(
    features: ImageFeatures, vectors: Float[Tensor, "queries dim"]
) -> Float[Tensor, "batch queries rows cols"]:
    """The inner product of every place, as a unit vector, with every vector."""
    places = F.normalize(features.grid.float(), dim=-1)
    return (places @ vectors.T).permute(0, 3, 1, 2)


class ContrastObjective(PairsObjective[ContrastModel]):
    """Contrast between image and report; an `Objective`."""

    def losses(self, batch: ImageBatch) -> Losses:
        """The contrast of this process's share of the batch."""
        features = encode_batch(
            self.model.image_encoder, batch, self.settings, self.model.config.preprocessing
        )
        reports = self.text.reports(self.model.text_encoder, batch.rows)
        total, count = contrast_batch(self.settings.contrast, features.pooled, reports, batch)
        return {"contrast": Term(sum=total, count=count, weight=self.settings.contrast_weight)}
