"""A BERT whose first token, carried to the width of the images, is the report: MaCo's."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.bert import BertSizes, Embeddings, Layers
from carina.encoders.masked_vit import draw_xavier
from carina.encoders.modes import evaluating
from carina.encoders.tokens import Tokens, cut_tokens, special_id, warn_of_cut
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
        if min(self.vocabulary, self.width, self.layers, self.heads, self.hidden, self.dim) < 1:
            raise ConfigError(f"Every size of a report encoder must be at least 1, got {self}.")
        if self.width % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide width ({self.width}).")
        if not 3 <= self.max_tokens <= self.positions:
            raise ConfigError(
                f"max_tokens must be between 3 and positions ({self.positions}), got "
                f"{self.max_tokens}."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}.")


class ReportEncoder(nn.Module):
    """BERT and a pooler of another width; parameter names are transformers'."""

    def __init__(self, config: ReportEncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        if tokenizer.get_vocab_size() > config.vocabulary:
            raise ConfigError(
                f"The tokenizer has {tokenizer.get_vocab_size()} entries, more than the report "
                f"encoder's vocabulary of {config.vocabulary}."
            )
        special_id(tokenizer, "[PAD]")
        self.config = config
        self.tokenizer = tokenizer
        sizes = BertSizes(
            vocabulary=config.vocabulary,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            hidden=config.hidden,
            positions=config.positions,
            dropout=config.dropout,
        )
        self.embeddings = Embeddings(sizes)
        self.encoder = Layers(sizes)
        self.pooler = nn.Linear(config.width, config.dim)
        for table in self.embeddings.modules():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.02)
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
        different = sorted(set(texts), key=lambda text: (len(text), text))
        device = self.pooler.weight.device
        rows, cut = [torch.zeros(0, self.config.dim, device=device)], 0
        with torch.no_grad(), evaluating(self):
            for start in range(0, len(different), batch_size):
                tokens = self.tokenize(different[start : start + batch_size])
                cut += tokens.cut
                rows.append(self(tokens.to(device)))
        warn_of_cut(cut, len(different), self.config.max_tokens)
        places = {text: number for number, text in enumerate(different)}
        order = torch.tensor([places[text] for text in texts], dtype=torch.long, device=device)
        return torch.cat(rows)[order]
