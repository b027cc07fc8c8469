"""KAD: knowledge-enhanced auto diagnosis (Zhang et al., Nat Commun 2023), the model.

A text encoder that has learnt a knowledge graph embeds the names of findings; a query network
asks the tokens of a radiograph about each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.modes import evaluating
from carina.encoders.query_decoder import QueryDecoder, QueryDecoderConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.preprocessing import IMAGENET_224, Preprocessing
from carina.pretraining.query_side import (
    AllLayers,
    AsEmbedded,
    LastLayer,
    Standardised,
    encoded_queries,
    prepared_queries,
)
from carina.pretraining.two_encoders import TwoEncoders, check_image_side
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class KADConfig:
    """Settings of a KAD model. Defaults are those at true size with a ResNet-50 at 224 px.

    With `standardised_queries` the embeddings of queries are centred on the mean of those that
    are trained, and scaled to deviation 1, before the query network sees them. KAD does not.
    """

    image: ResNetConfig | ViTConfig = field(default_factory=ResNetConfig)
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    decoder: QueryDecoderConfig = field(default_factory=QueryDecoderConfig)
    preprocessing: Preprocessing = IMAGENET_224
    maps: AllLayers | LastLayer = AllLayers()
    standardised_queries: bool = False

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        if not self.image.dim == self.text.dim == self.decoder.dim:
            raise ConfigError(
                "dim of the image encoder, the text encoder and the decoder must be equal, got "
                f"{self.image.dim}, {self.text.dim} and {self.decoder.dim}."
            )
        check_image_side(self.image, self.preprocessing)


class KADModel(TwoEncoders[KADConfig]):
    """Asks a radiograph about findings by name; fulfils `ZeroShotModel`."""

    def __init__(self, config: KADConfig, text_encoder: TextEncoder) -> None:
        super().__init__(config, text_encoder)
        standardised = config.standardised_queries
        self.query_norm: AsEmbedded | Standardised = (
            Standardised(config.text.dim) if standardised else AsEmbedded()
        )
        self.decoder = QueryDecoder(config.decoder)
        self.dropout = nn.Dropout(config.decoder.dropout)
        self.head = nn.Linear(config.decoder.dim, 2)
        nn.init.normal_(self.head.weight, std=0.02)

    @classmethod
    def from_config(cls, config: KADConfig, tokenizer: Tokenizer) -> "KADModel":
        """A model with fresh weights."""
        return cls(config, TextEncoder(config.text, tokenizer))

    def logits(
        self, memory: Float[Tensor, "batch tokens dim"], queries: Float[Tensor, "queries dim"]
    ) -> Float[Tensor, "batch queries 2"]:
        """Absent (0) and present (1) of each query, seen in tokens of images or reports."""
        decoded = self.decoder(memory, self.query_norm(queries))
        logits: Tensor = self.head(self.dropout(decoded.features))
        return logits

    @property
    def presence(self) -> nn.Linear:
        """Absent (0) and present (1), from what the query network found out."""
        return self.head

    @torch.no_grad()
    def query_vectors(self, queries: Sequence[Query]) -> Float[Tensor, "queries dim"]:
        """Queries as the query network takes them."""
        vectors: Tensor = self.query_norm(
            self.text_encoder.encode([query.text for query in queries])
        )
        return vectors

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds queries and does all of the decoder that no picture is needed for."""
        features = self.text_encoder.encode([query.text for query in queries])
        with evaluating(self.decoder):
            prepared = self.decoder.prepare(self.query_norm(features))
        return encoded_queries(queries, features, prepared)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Probability that each finding is there, and where the decoder looked for it."""
        with evaluating(self):
            features = self._fused.of(self.image_encoder)(radiographs)
            decoded = self.decoder.answer(
                features.tokens, prepared_queries(queries, radiographs.device)
            )
            scores = self.head(decoded.features).float().softmax(-1)[..., 1]
        maps = self.config.maps.of(decoded.cross_attention).float()
        return Answers(scores=scores, grids=maps.unflatten(-1, features.grid.shape[1:3]))
