"""Classification through a pre-trained query network: KAD's and MedKLIP's own way."""

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
from carina.encoders.query_decoder import QueryDecoder, QueryDecoderConfig
from carina.errors import ConfigError
from carina.finetuning.outputs import check_outputs, columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@runtime_checkable
class HasQueryNetwork(Protocol):
    """A pre-trained model that asks the tokens of a radiograph about findings."""

    image_encoder: nn.Module
    decoder: QueryDecoder

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        ...

    @property
    def presence(self) -> nn.Linear:
        """Absent (0) and present (1), from what the query network found out."""
        ...

    def query_vectors(self, queries: Sequence[Query]) -> Float[Tensor, "queries dim"]:
        """Queries as the query network takes them."""
        ...


@dataclass(frozen=True, kw_only=True)
class QueryClassifierConfig:
    """Settings of a query classifier: `findings` are its outputs, in canonical form.

    `norms_inputs` is KAD's arrangement of the query network; MedKLIP's is without.
    """

    image: ImageConfig
    preprocessing: Preprocessing
    findings: tuple[str, ...]
    decoder: QueryDecoderConfig
    norms_inputs: bool = True

    def __post_init__(self) -> None:
        """Checks outputs and widths."""
        check_outputs("findings", self.findings)
        if self.image.dim != self.decoder.dim:
            raise ConfigError(
                "dim of the image encoder and of the decoder must be equal, got "
                f"{self.image.dim} and {self.decoder.dim}."
            )


class QueryClassifier(nn.Module):
    """A query network that asks about fixed findings, each with an output of its own.

    Source: Zhang et al., Nat Commun 2023 (KAD), whose few-label results (Fig. 3) fine-tune image
    encoder and query network. The embedded names of the findings are weights here, so the model
    needs no text encoder; before any training it answers as the model that it was made from,
    asked about these findings. Fulfils `ZeroShotModel`, for its own findings.
    """

    def __init__(self, config: QueryClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.decoder = QueryDecoder(config.decoder, norms_inputs=config.norms_inputs)
        self.dropout = nn.Dropout(config.decoder.dropout)
        self.queries = nn.Parameter(torch.randn(len(config.findings), config.decoder.dim))
        self.weight = nn.Parameter(torch.zeros(len(config.findings), config.decoder.dim))
        self.bias = nn.Parameter(torch.zeros(len(config.findings)))
        self._fused = Fused()

    @classmethod
    def from_config(cls, config: QueryClassifierConfig) -> "QueryClassifier":
        """A classifier with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    @torch.no_grad()
    def take_network(self, model: HasQueryNetwork) -> None:
        """Begins with the query network of a pre-trained model, asked about our findings.

        Two outputs under a softmax are one under a sigmoid: their difference.
        """
        self.decoder.load_state_dict(model.decoder.state_dict())
        self.queries.copy_(model.query_vectors([Query(name) for name in self.config.findings]))
        absent, present = model.presence.weight
        self.weight.copy_((present - absent).expand_as(self.weight))
        self.bias.fill_(float(model.presence.bias[1] - model.presence.bias[0]))

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch findings"]:
        """Logits of all findings, for training."""
        encoder: Any = self.image_encoder
        features: ImageFeatures = encoder.features(radiographs)
        return self.logits(self.dropout(self.decoder(features.tokens, self.queries).features))

    def logits(self, found: Float[Tensor, "batch findings dim"]) -> Float[Tensor, "batch findings"]:
        """The output of each finding, from what the query network found out about it."""
        return (found * self.weight).sum(2) + self.bias

    @torch.no_grad()
    def found(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch findings dim"], Float[Tensor, "batch findings rows cols"]]:
        """What the query network finds out about each finding, and where it looks."""
        with evaluating(self):
            fused: Any = self._fused.of(self.image_encoder)
            features: ImageFeatures = fused.features(radiographs)
            decoded = self.decoder.answer(features.tokens, self.decoder.prepare(self.queries))
        maps = decoded.cross_attention.mean(0).float()
        return decoded.features.float(), maps.unflatten(-1, features.grid.shape[1:3])

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
        """Probability of each finding, and where the query network looked for it."""
        columns = columns_of(queries, radiographs.device)
        found, maps = self.found(radiographs)
        return Answers(scores=self.logits(found).sigmoid()[:, columns], grids=maps[:, columns])
