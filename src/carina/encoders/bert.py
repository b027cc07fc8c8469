"""BERT with transformers' parameter names, so that published weights load as they are."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carina.errors import ConfigError

NORM_EPSILON = 1e-12
TOKEN_TYPES = 2  # first and second sentence; here every text is a first one
INITIAL_DEVIATION = 0.02


@dataclass(frozen=True, kw_only=True)
class BertSizes:
    """What a BERT is built of; the settings that make it check the sizes."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    dropout: float

    @classmethod
    def of(cls, config: object) -> "BertSizes":
        """Those among the settings of a config, which has them under the same names."""
        return cls(**{one.name: getattr(config, one.name) for one in fields(cls)})

    @property
    def counts(self) -> tuple[int, ...]:
        """What there must be at least one of."""
        return self.vocabulary, self.width, self.layers, self.heads, self.hidden

    def check(self, max_tokens: int) -> None:
        """Checks that the layers can be built and that texts of so many tokens fit.

        Raises:
            ConfigError: they cannot, or do not.
        """
        if self.width % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide width ({self.width}).")
        if not 3 <= max_tokens <= self.positions:
            raise ConfigError(
                f"max_tokens must be between 3 and positions ({self.positions}), got {max_tokens}."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}.")


class BertFeatures(NamedTuple):
    """What BERT makes of texts: each token's features, and the pooled first token's."""

    tokens: Float[Tensor, "texts tokens width"]
    pooled: Float[Tensor, "texts width"]


class Embeddings(nn.Module):
    """Word, position and type of each token, added up and normalised."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(sizes.vocabulary, sizes.width)
        self.position_embeddings = nn.Embedding(sizes.positions, sizes.width)
        self.token_type_embeddings = nn.Embedding(TOKEN_TYPES, sizes.width)
        self.LayerNorm = nn.LayerNorm(sizes.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, ids: Int[Tensor, "texts tokens"]) -> Float[Tensor, "texts tokens width"]:
        """Embeds token ids; the type is always the first."""
        positions = self.position_embeddings.weight[: ids.shape[1]]
        first_type = self.token_type_embeddings.weight[0]
        embedded: Tensor = self.LayerNorm(self.word_embeddings(ids) + first_type + positions)
        dropped: Tensor = self.dropout(embedded)
        return dropped

    def draw(self) -> None:
        """Draws the tables anew."""
        for table in self.modules():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=INITIAL_DEVIATION)


class Attention(nn.Module):
    """Multi-head attention with the fused kernel, without a projection behind it.

    What looks and what is looked at have one width.
    """

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.dropout = nn.Dropout(sizes.dropout)
        self.query = nn.Linear(sizes.width, sizes.width)
        self.key = nn.Linear(sizes.width, sizes.width)
        self.value = nn.Linear(sizes.width, sizes.width)

    def forward(
        self,
        tokens: Float[Tensor, "texts tokens width"],
        context: Float[Tensor, "texts places width"],
        seen: Bool[Tensor, "texts 1 1 places"] | None = None,
    ) -> Float[Tensor, "texts tokens width"]:
        """Every token looks at the places of its context that are `seen`; None is all."""
        mixed: Tensor = F.scaled_dot_product_attention(
            self._split(self.query(tokens)),
            self._split(self.key(context)),
            self._split(self.value(context)),
            attn_mask=seen,
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        return mixed.transpose(1, 2).flatten(2)

    def weights(
        self,
        tokens: Float[Tensor, "texts tokens width"],
        context: Float[Tensor, "texts places width"],
    ) -> Float[Tensor, "texts heads tokens places"]:
        """The attention that `forward` pays to a whole context: a token's weights sum to one."""
        query, key = self._split(self.query(tokens)), self._split(self.key(context))
        logits: Tensor = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        return logits.softmax(-1)

    def _split(
        self, features: Float[Tensor, "texts tokens width"]
    ) -> Float[Tensor, "texts heads tokens part"]:
        heads: Tensor = features.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class AddAndNorm(nn.Module):
    """A linear layer whose result is added to what came in, and normalised (post-norm)."""

    def __init__(self, size: int, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(size, sizes.width)
        self.LayerNorm = nn.LayerNorm(sizes.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(
        self,
        changed: Float[Tensor, "texts _ size"],
        tokens: Float[Tensor, "texts tokens width"],
    ) -> Float[Tensor, "texts tokens width"]:
        """Projects `changed`, one row a token or one for all, and adds it to `tokens`."""
        normed: Tensor = self.LayerNorm(self.dropout(self.dense(changed)) + tokens)
        return normed


class AttentionBlock(nn.Module):
    """Self-attention and what follows it; `self` and `output` are transformers' names."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.self = Attention(sizes)
        self.output = AddAndNorm(sizes.width, sizes)

    def forward(
        self,
        tokens: Float[Tensor, "texts tokens width"],
        seen: Bool[Tensor, "texts 1 1 tokens"],
    ) -> Float[Tensor, "texts tokens width"]:
        """Attends, adds, normalises."""
        attended: Tensor = self.output(self.self(tokens, tokens, seen), tokens)
        return attended


class Widening(nn.Module):
    """The first layer of the perceptron, with an exact GELU."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.width, sizes.hidden)

    def forward(
        self, tokens: Float[Tensor, "texts tokens width"]
    ) -> Float[Tensor, "texts tokens hidden"]:
        """Each token on its own."""
        return F.gelu(self.dense(tokens))


class Layer(nn.Module):
    """Post-norm transformer layer."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.attention = AttentionBlock(sizes)
        self.intermediate = Widening(sizes)
        self.output = AddAndNorm(sizes.hidden, sizes)

    def forward(
        self,
        tokens: Float[Tensor, "texts tokens width"],
        seen: Bool[Tensor, "texts 1 1 tokens"],
    ) -> Float[Tensor, "texts tokens width"]:
        """Attention, then the perceptron."""
        tokens = self.attention(tokens, seen)
        changed: Tensor = self.output(self.intermediate(tokens), tokens)
        return changed


class Layers(nn.Module):
    """All layers, one after the other."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))

    def forward(
        self,
        tokens: Float[Tensor, "texts tokens width"],
        seen: Bool[Tensor, "texts 1 1 tokens"],
    ) -> Float[Tensor, "texts tokens width"]:
        """The features after the last layer."""
        for layer in self.layer:
            tokens = layer(tokens, seen)
        return tokens


class Pooler(nn.Module):
    """A linear layer and a tanh on the first token."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.width, sizes.width)

    def forward(self, tokens: Float[Tensor, "texts tokens width"]) -> Float[Tensor, "texts width"]:
        """One vector a text."""
        return torch.tanh(self.dense(tokens[:, 0]))


class Bert(nn.Module):
    """A BERT with fresh weights.

    Source: Devlin et al., NAACL 2019 (arXiv:1810.04805). Parameter names are those of
    transformers' `BertModel` (embeddings.word_embeddings.weight,
    encoder.layer.0.attention.self.query.weight ... pooler.dense.weight) and so are the numbers.
    It is ours because importing theirs takes seconds, longer than asking about a radiograph.
    """

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.embeddings = Embeddings(sizes)
        self.encoder = Layers(sizes)
        self.pooler = Pooler(sizes)
        self.apply(draw_weights)

    def forward(
        self, ids: Int[Tensor, "texts tokens"], mask: Int[Tensor, "texts tokens"]
    ) -> BertFeatures:
        """Reads token ids.

        Args:
            ids: at most as many tokens as there are positions.
            mask: 1 where a token is, 0 where padding is; each text has at least one token.
        """
        tokens = self.encoder(self.embeddings(ids), mask.bool()[:, None, None])
        return BertFeatures(tokens=tokens, pooled=self.pooler(tokens))


def draw_weights(module: nn.Module) -> None:
    """BERT's start: weights with deviation 0.02, biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
