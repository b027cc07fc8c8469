"""A BERT whose first token, carried to the width of the images, is the report: MaCo's."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.bert import BertSizes, Embeddings, Layers
from carina.encoders.embedding import embedded_once
from carina.encoders.masked_vit import draw_xavier
from carina.encoders.tokens import Tokens, check_vocabulary, cut_tokens, special_id
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Tanh:
    """The first token through a linear layer and a tanh, BERT's pooler: MaCo's published code."""

    def __call__(self, pooled: Float[Tensor, "texts dim"]) -> Float[Tensor, "texts dim"]:
        """Values in (-1, 1)."""
        return torch.tanh(pooled)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """The first token through a linear layer alone: fc_t of MaCo's paper."""

    def __call__(self, pooled: Float[Tensor, "texts dim"]) -> Float[Tensor, "texts dim"]:
        """The same."""
        return pooled


@dataclass(frozen=True, kw_only=True)
class ReportEncoderConfig:
    """Settings of a report encoder. Defaults are MaCo's: 384 wide, its pooler gives 768.

    `max_tokens` is the longest text that is read, special tokens included: the rest is cut.
    """

    vocabulary: int = 30_000
    width: int = 384
    layers: int = 6
    heads: int = 6
    hidden: int = 1536
    positions: int = 100
    max_tokens: int = 100
    dim: int = 768
    dropout: float = 0.1
    pooling: Tanh | Linear = Tanh()

    def __post_init__(self) -> None:
        """Checks that the layers can be built and that texts fit."""
        if min(*self.sizes.counts, self.dim) < 1:
            raise ConfigError(f"Every size of a report encoder must be at least 1, got {self}.")
        self.sizes.check(self.max_tokens)

    @property
    def sizes(self) -> BertSizes:
        """What its BERT is built of."""
        return BertSizes.of(self)


class ReportEncoder(nn.Module):
    """BERT and a pooler of another width; parameter names are transformers'."""

    def __init__(self, config: ReportEncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        check_vocabulary(tokenizer, config.vocabulary, "report encoder")
        special_id(tokenizer, "[PAD]")
        self.config = config
        self.tokenizer = tokenizer
        self.embeddings = Embeddings(config.sizes)
        self.encoder = Layers(config.sizes)
        self.pooler = nn.Linear(config.width, config.dim)
        self.embeddings.draw()
        draw_xavier(self.modules())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts as token ids, on the CPU; what is too long is cut and counted."""
        return cut_tokens(self.tokenizer, texts, self.config.max_tokens)

    def hidden(self, tokens: Tokens) -> Float[Tensor, "texts tokens width"]:
        """Each token after the last layer; padding's mean nothing."""
        seen = tokens.mask.bool()[:, None, None]
        hidden: Tensor = self.encoder(self.embeddings(tokens.ids), seen)
        return hidden

    def forward(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        """One embedding a text, not normalised."""
        pooled: Tensor = self.pooler(self.hidden(tokens)[:, 0])
        return self.config.pooling(pooled)

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Float[Tensor, "texts dim"]:
        """Embeds texts for good: eval mode, no gradient, each different text once.

        How many were too long is logged as one warning.
        """
        return embedded_once(
            self,
            texts,
            self,
            length=self.config.dim,
            limit=self.config.max_tokens,
            batch_size=batch_size,
        )
