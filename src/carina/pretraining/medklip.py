"""MedKLIP: knowledge-enhanced language-image pre-training (Wu et al., ICCV 2023), the model.

A finding is asked by what it looks like: its description, embedded by a text encoder that is
never trained here, is the query that a decoder puts to the tokens of a radiograph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.modes import evaluating
from carina.encoders.query_decoder import Decoded, QueryDecoder, QueryDecoderConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import FirstToken, Reading, TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.preprocessing import MEDKLIP_224, Preprocessing
from carina.pretraining.query_side import (
    AllLayers,
    AsEmbedded,
    Standardised,
    encoded_queries,
    prepared_queries,
)
from carina.pretraining.two_encoders import TwoEncoders, check_image_side
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

CLINICAL_BERT_TEXT = TextEncoderConfig(vocabulary=28996, max_tokens=128)
MAPS = AllLayers()


@dataclass(frozen=True, kw_only=True)
class TrainedFinding:
    """A finding that the model was trained to answer, and the text that it was asked by."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Described:
    """A finding is asked by its description: the paper's."""

    def text(self, query: Query, known: Mapping[str, str]) -> str:
        """The query's own description, else the one of the training, else one that we have.

        Args:
            query: what is asked.
            known: folded names of the findings of the training, and their texts.

        Raises:
            KnowledgeError: there is none.
        """
        if query.description is not None:
            return query.description
        if folded(query.name) in known:
            return known[folded(query.name)]
        # Imported here because it takes a while, and findings of the training do without.
        from carina.pretraining.finding_texts import KnownDescriptions, known_descriptions

        return KnownDescriptions(known_descriptions(None), known).text(query.name)


@dataclass(frozen=True, kw_only=True)
class BareName:
    """A finding is asked by its name: the paper's ablation without descriptions."""

    def text(self, query: Query, known: Mapping[str, str]) -> str:
        """The query's own description where it has one, else its name."""
        return query.name if query.description is None else query.description


def folded(name: str) -> str:
    """A name as names are compared: without regard to case, space and underscores."""
    return " ".join(name.replace("_", " ").casefold().split())


@dataclass(frozen=True, kw_only=True)
class MedKLIPConfig:
    """Settings of a MedKLIP model. Defaults are the paper's: ResNet-50 up to layer 3 at 224 px.

    `reading` is how the text encoder's output becomes the embedding of a text, `wording` the
    text that a finding is asked by. `findings` are those of the training: their embeddings are
    saved with the model. With `standardised_queries` embeddings are centred on the mean of
    those that are trained, and scaled to deviation 1; MedKLIP does not.
    """

    image: ResNetConfig | ViTConfig = ResNetConfig(dim=256)
    text: TextEncoderConfig = CLINICAL_BERT_TEXT
    reading: Reading = FirstToken()
    wording: Described | BareName = Described()
    decoder: QueryDecoderConfig = field(default_factory=lambda: QueryDecoderConfig(dim=256))
    preprocessing: Preprocessing = MEDKLIP_224
    standardised_queries: bool = False
    findings: tuple[TrainedFinding, ...] = ()

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        if self.image.dim != self.decoder.dim:
            raise ConfigError(
                "dim of the image encoder and of the decoder must be equal, got "
                f"{self.image.dim} and {self.decoder.dim}."
            )
        check_image_side(self.image, self.preprocessing)


class MedKLIPModel(TwoEncoders[MedKLIPConfig]):
    """Asks a radiograph about described findings; fulfils `ZeroShotModel`."""

    def __init__(self, config: MedKLIPConfig, text_encoder: TextEncoder) -> None:
        super().__init__(config, text_encoder)
        length, dim = config.reading.length(config.text), config.decoder.dim
        self.query_norm: AsEmbedded | Standardised = (
            Standardised(length) if config.standardised_queries else AsEmbedded()
        )
        self.embed_query = nn.Linear(length, dim)
        self.decoder = QueryDecoder(config.decoder, norms_inputs=False)
        self.dropout = nn.Dropout(config.decoder.dropout)
        self.existence = nn.Linear(dim, 2)
        self.position = nn.Linear(dim, length)
        for layer in (self.embed_query, self.existence, self.position):
            nn.init.normal_(layer.weight, std=config.decoder.initial_deviation)
        self.register_buffer("finding_features", torch.zeros(len(config.findings), length))

    @classmethod
    def from_config(cls, config: MedKLIPConfig, tokenizer: Tokenizer) -> "MedKLIPModel":
        """A model with fresh weights."""
        return cls(config, TextEncoder(config.text, tokenizer))

    def queries(self, features: Float[Tensor, "queries length"]) -> Float[Tensor, "queries dim"]:
        """Embedded texts as the decoder takes them."""
        queries: Tensor = self.embed_query(self.query_norm(features))
        return queries

    def ask(
        self, memory: Float[Tensor, "batch tokens dim"], features: Float[Tensor, "queries length"]
    ) -> Decoded:
        """Puts embedded texts to the tokens of pictures."""
        decoded: Decoded = self.decoder(memory, self.queries(features))
        return decoded

    @property
    def presence(self) -> nn.Linear:
        """Absent (0) and present (1), from what the query network found out."""
        return self.existence

    @torch.no_grad()
    def query_vectors(self, queries: Sequence[Query]) -> Float[Tensor, "queries dim"]:
        """Queries as the query network takes them.

        Raises:
            KnowledgeError: a finding has no description, neither its own nor one that is known.
        """
        return self.queries(self._embedded([self.query_text(query) for query in queries]))

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds queries and does all of the decoder that no picture is needed for.

        Raises:
            KnowledgeError: a finding has no description, neither its own nor one that is known.
        """
        features = self._embedded([self.query_text(query) for query in queries])
        with evaluating(self.decoder):
            prepared = self.decoder.prepare(self.queries(features))
        return encoded_queries(queries, features, prepared)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Probability that each finding is there, and where the decoder looked for it."""
        with evaluating(self):
            features = self._fused.of(self.image_encoder)(radiographs)
            prepared = prepared_queries(queries, radiographs.device)
            decoded = self.decoder.answer(features.tokens, prepared)
            scores = self.existence(decoded.features).float().softmax(-1)[..., 1]
        maps = MAPS.of(decoded.cross_attention).float()
        return Answers(scores=scores, grids=maps.unflatten(-1, features.grid.shape[1:3]))

    def query_text(self, query: Query) -> str:
        """What is read of a query: its description, or its bare name, as the model was trained.

        Raises:
            KnowledgeError: the finding has no description, neither its own nor a known one.
        """
        known = {folded(finding.name): finding.text for finding in self.config.findings}
        return self.config.wording.text(query, known)

    def _embedded(self, texts: Sequence[str]) -> Float[Tensor, "texts length"]:
        """Embeds texts; those of the training were embedded then."""
        kept = self.get_buffer("finding_features")
        known = dict(zip((finding.text for finding in self.config.findings), kept, strict=True))
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            encoded = self.text_encoder.encode(new, reading=self.config.reading)
            known |= dict(zip(new, encoded, strict=True))
        return torch.stack([known[text] for text in texts])
