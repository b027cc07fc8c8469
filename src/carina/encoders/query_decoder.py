"""A transformer decoder that asks a picture about findings."""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.attention import Attended, Attention
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Together:
    """Queries attend to one another, as in KAD: an answer depends on what else is asked."""

    def attend(self, attention: Attention, queries: Float[Tensor, "batch queries dim"]) -> Attended:
        """Attention among all queries."""
        attended: Attended = attention(queries, queries)
        return attended


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Each query attends to itself: its answer is the same whatever else is asked."""

    def attend(self, attention: Attention, queries: Float[Tensor, "batch queries dim"]) -> Attended:
        """Attention of each query to itself."""
        return attention.attend_itself(queries)


@dataclass(frozen=True, kw_only=True)
class QueryDecoderConfig:
    """Settings of a query decoder. Defaults are KAD's.

    `queries` says whether the queries of a list are asked together or each alone.

    `initial_deviation` is of the fresh weights. KAD's 0.02 is 0.55 / sqrt(768); at a smaller
    `dim` the same number makes every layer whisper, and learning slow.
    """

    dim: int = 768
    layers: int = 4
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    initial_deviation: float = 0.02
    queries: Together | Alone = Together()

    def __post_init__(self) -> None:
        """Checks that the layers can be built."""
        if min(self.dim, self.layers, self.heads, self.hidden) < 1 or self.dim % self.heads:
            raise ConfigError(
                "dim, layers, heads and hidden of a query decoder must be at least 1, and heads "
                f"must divide dim, got {self}."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}.")
        if not self.initial_deviation > 0:
            raise ConfigError(f"initial_deviation must be > 0, got {self.initial_deviation}.")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What the decoder found out about each query.

    The attentions are averaged over the heads; rows add up to one.
    """

    features: Float[Tensor, "batch queries dim"]
    cross_attention: Float[Tensor, "layers batch queries tokens"]
    self_attention: Float[Tensor, "layers batch queries queries"]


@dataclass(frozen=True, kw_only=True)
class PreparedQueries:
    """All that the decoder does before it looks at a picture.

    `states` are the queries after the first self-attention, `folded` what meets the tokens in
    the first cross attention, `self_attention` the weights of that first self-attention.
    """

    states: Float[Tensor, "1 queries dim"]
    folded: Float[Tensor, "1 heads queries dim"]
    self_attention: Float[Tensor, "1 queries queries"]


class QueryLayer(nn.Module):
    """Pre-norm decoder layer: queries attend to one another, then to the picture."""

    def __init__(self, config: QueryDecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, config.heads, config.dropout)
        self.multihead_attn = Attention(config.dim, config.heads, config.dropout)
        self.linear1 = nn.Linear(config.dim, config.hidden)
        self.linear2 = nn.Linear(config.hidden, config.dim)
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.norm3 = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self._queries = config.queries

    def ask_one_another(
        self, states: Float[Tensor, "batch queries dim"]
    ) -> tuple[Float[Tensor, "batch queries dim"], Float[Tensor, "batch queries queries"]]:
        """Self-attention of the queries."""
        attended = self._queries.attend(self.self_attn, self.norm1(states))
        return states + self.dropout(attended.features), attended.weights

    def ask_picture(
        self,
        states: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch tokens dim"],
        folded: Float[Tensor, "1 heads queries dim"] | None = None,
    ) -> tuple[Float[Tensor, "batch queries dim"], Float[Tensor, "batch queries tokens"]]:
        """Cross attention to the picture's tokens, then the feed-forward part.

        `folded` is the cross attention's view of `states` where it is known beforehand.
        """
        if folded is None:
            attended = self.multihead_attn(self.norm2(states), memory)
        else:
            attended = self.multihead_attn.attend_folded(folded, memory)
        states = states + self.dropout(attended.features)
        inner = self.dropout(F.relu(self.linear1(self.norm3(states))))
        return states + self.dropout(self.linear2(inner)), attended.weights


class QueryDecoder(nn.Module):
    """KAD's disease query network without its last linear layer; MedKLIP's fusion module.

    Source: Zhang et al., Nat Commun 2023, "Disease query network", arranged as the authors'
    code has it: pre-norm layers, and one LayerNorm for three uses: the picture's tokens, the
    queries before the first layer, and the states after the last. MedKLIP (Wu et al., ICCV 2023,
    section 3.2.3) has the same layers and uses that norm for the last of the three alone.
    """

    def __init__(self, config: QueryDecoderConfig, *, norms_inputs: bool = True) -> None:
        """Builds the layers; tokens and queries are normalised first where `norms_inputs`."""
        super().__init__()
        self.config = config
        self.norms_inputs = norms_inputs
        self.layers = nn.ModuleList(QueryLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and "norm" not in name:
                nn.init.normal_(parameter, std=config.initial_deviation)

    def forward(
        self,
        memory: Float[Tensor, "batch tokens dim"],
        queries: Float[Tensor, "queries dim"],
    ) -> Decoded:
        """Asks every picture of the batch about the same queries.

        Args:
            memory: features of the pictures (or of the reports).
            queries: embeddings of the queries.
        """
        states = self._seen(queries).unsqueeze(0).expand(len(memory), -1, -1)
        states, weights = self._stack[0].ask_one_another(states)
        return self._decode(self._seen(memory), states, None, weights)

    def prepare(self, queries: Float[Tensor, "queries dim"]) -> PreparedQueries:
        """Does all that depends on the queries alone. Right in eval mode only (no dropout)."""
        states, weights = self._stack[0].ask_one_another(self._seen(queries).unsqueeze(0))
        folded = self._stack[0].multihead_attn.fold(self._stack[0].norm2(states))
        return PreparedQueries(states=states, folded=folded, self_attention=weights)

    def answer(
        self, memory: Float[Tensor, "batch tokens dim"], prepared: PreparedQueries
    ) -> Decoded:
        """The same as `forward`, from queries that were prepared once."""
        batch = len(memory)
        states = prepared.states.expand(batch, -1, -1)
        weights = prepared.self_attention.expand(batch, -1, -1)
        return self._decode(self._seen(memory), states, prepared.folded, weights)

    def _seen(self, features: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        """What the layers get to see of tokens or queries."""
        seen: Tensor = self.norm(features) if self.norms_inputs else features
        return seen

    @property
    def _stack(self) -> list[QueryLayer]:
        return [cast(QueryLayer, layer) for layer in self.layers]

    def _decode(
        self,
        memory: Float[Tensor, "batch tokens dim"],
        states: Float[Tensor, "batch queries dim"],
        folded: Float[Tensor, "1 heads queries dim"] | None,
        first: Float[Tensor, "batch queries queries"],
    ) -> Decoded:
        """From the states after the first self-attention to the end."""
        states, seen = self._stack[0].ask_picture(states, memory, folded)
        cross, own = [seen], [first]
        for layer in self._stack[1:]:
            states, weights = layer.ask_one_another(states)
            own.append(weights)
            states, weights = layer.ask_picture(states, memory)
            cross.append(weights)
        return Decoded(
            features=self.norm(states),
            cross_attention=torch.stack(cross),
            self_attention=torch.stack(own),
        )
