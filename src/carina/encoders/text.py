"""A BERT that turns a text into one vector."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.bert import Bert, BertSizes
from carina.encoders.embedding import embedded_once
from carina.encoders.published_bert import read_bert
from carina.encoders.tokenizer import load_tokenizer
from carina.encoders.tokens import Tokens, check_vocabulary, cut_tokens, special_id
from carina.errors import ConfigError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig:
    """Settings of a text encoder. Defaults are BERT-base with PubMedBERT's vocabulary size.

    `max_tokens` is the longest text that is read, special tokens included: the rest is cut.
    `positions` is how many the BERT was built for. `dim` is the length of the embedding.
    """

    vocabulary: int = 30522
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    positions: int = 512
    max_tokens: int = 256
    dim: int = 768
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Checks that the layers can be built and that texts fit."""
        if min(*self.sizes.counts, self.dim) < 1:
            raise ConfigError(f"Every size of a text encoder must be at least 1, got {self}.")
        self.sizes.check(self.max_tokens)

    @property
    def sizes(self) -> BertSizes:
        """What its BERT is built of."""
        return BertSizes.of(self)


@dataclass(frozen=True, kw_only=True)
class Projected:
    """A text is BERT's pooled first token through the projection: KAD's."""

    def length(self, config: TextEncoderConfig) -> int:
        """Numbers an embedding has."""
        return config.dim

    def read(self, encoder: "TextEncoder", tokens: Tokens) -> Float[Tensor, "texts length"]:
        """One embedding a text."""
        embedding: Tensor = encoder(tokens)
        return embedding


@dataclass(frozen=True, kw_only=True)
class FirstToken:
    """A text is the first token after BERT's last layer, no pooler, no projection: MedKLIP's."""

    def length(self, config: TextEncoderConfig) -> int:
        """Numbers an embedding has."""
        return config.width

    def read(self, encoder: "TextEncoder", tokens: Tokens) -> Float[Tensor, "texts length"]:
        """One embedding a text."""
        first: Tensor = encoder.bert(tokens.ids, tokens.mask).tokens[:, 0]
        return first


Reading = Projected | FirstToken
"""How a text becomes one vector."""

AS_PROJECTED = Projected()


class TextEncoder(nn.Module):
    """BERT, its pooled first token, and a two-layer projection.

    Source: KAD's knowledge encoder (Zhang et al., Nat Commun 2023).
    """

    def __init__(self, config: TextEncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        check_vocabulary(tokenizer, config.vocabulary, "text encoder")
        self.config = config
        self.tokenizer = tokenizer
        self.bert = Bert(config.sizes)
        self.project = nn.Sequential(
            nn.Linear(config.width, config.dim), nn.GELU(), nn.Linear(config.dim, config.dim)
        )
        for name in ("[PAD]", "[SEP]"):
            special_id(tokenizer, name)
        for layer in self.project:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=config.width**-0.5)

    @classmethod
    def from_config(cls, config: TextEncoderConfig, tokenizer: Tokenizer) -> "TextEncoder":
        """An encoder with fresh weights."""
        return cls(config, tokenizer)

    @classmethod
    def from_bert(
        cls, source: str | Path, *, dim: int = 768, max_tokens: int = 256
    ) -> "TextEncoder":
        """A published BERT from a local folder or a hub, with a fresh projection.

        Raises:
            ModelError: the folder holds no BERT in safetensors, or the hub cannot be reached.
        """
        tokenizer = load_tokenizer(source)
        published = read_bert(source)
        if published.fresh_pooler:
            LOGGER.warning("The BERT was published without a pooler; a fresh one was drawn.")
        encoder = cls(_config_of(published.sizes, dim, max_tokens), tokenizer)
        encoder.bert = published.bert
        return encoder

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts as token ids, on the CPU; what is too long is cut and counted."""
        return cut_tokens(
            self.tokenizer, texts, self.config.max_tokens, last=special_id(self.tokenizer, "[SEP]")
        )

    def forward(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        """One embedding a text, not normalised."""
        embedding: Tensor = self.project(self.bert(tokens.ids, tokens.mask).pooled)
        return embedding

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 64,
        bar: str | None = None,
        reading: Reading = AS_PROJECTED,
    ) -> Float[Tensor, "texts length"]:
        """Embeds texts for good: eval mode, no gradient, each different text once.

        Texts of like length go together, so that little is spent on padding. How many were
        too long is logged as one warning. With `bar` a bar of that name is shown.
        """
        return embedded_once(
            self,
            texts,
            partial(reading.read, self),
            length=reading.length(self.config),
            limit=self.config.max_tokens,
            batch_size=batch_size,
            bar=bar,
        )


def _config_of(sizes: BertSizes, dim: int, max_tokens: int) -> TextEncoderConfig:
    return TextEncoderConfig(
        vocabulary=sizes.vocabulary,
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.heads,
        hidden=sizes.hidden,
        positions=sizes.positions,
        max_tokens=max_tokens,
        dim=dim,
        dropout=sizes.dropout,
    )
