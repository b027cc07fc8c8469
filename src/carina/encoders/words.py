"""A BERT that gives a vector for each word of a text, and one for the text: GLoRIA's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.bert import BertSizes, Embeddings, Layer, Layers
from carina.encoders.masked_vit import draw_xavier
from carina.encoders.modes import evaluating
from carina.encoders.tokens import Tokens, check_vocabulary, cut_tokens, special_id, warn_of_cut
from carina.errors import ConfigError

CONTINUES = "##"  # begins a piece that goes on with a word


@dataclass(frozen=True, kw_only=True)
class WordEncoderConfig:
    """Settings of a word encoder. Defaults are GLoRIA's: ClinicalBERT, its last 4 layers.

    `max_tokens` is the longest text that is read, special tokens included: the rest is cut.
    `last_layers` is how many layers, from the last one, are added up.
    """

    vocabulary: int = 28_996
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    positions: int = 512
    max_tokens: int = 97
    dropout: float = 0.1
    last_layers: int = 4

    def __post_init__(self) -> None:
        """Checks that the layers can be built and that texts fit."""
        if min(*self.sizes.counts) < 1:
            raise ConfigError(f"Every size of a word encoder must be at least 1, got {self}.")
        self.sizes.check(self.max_tokens)
        if not 1 <= self.last_layers <= self.layers:
            raise ConfigError(
                f"last_layers must be between 1 and layers ({self.layers}), got {self.last_layers}."
            )

    @property
    def dim(self) -> int:
        """Length of a word's vector: there is no projection."""
        return self.width

    @property
    def sizes(self) -> BertSizes:
        """What its BERT is built of."""
        return BertSizes.of(self)


@dataclass(frozen=True, kw_only=True)
class Words:
    """Texts as vectors of their words.

    Entry 0 of a text is [CLS], its last one [SEP]; what is beyond `lengths` is 0. `reports` is
    the mean of all pieces of a text.
    """

    vectors: Float[Tensor, "texts entries dim"]
    lengths: Int[Tensor, " texts"]
    reports: Float[Tensor, "texts dim"]

    @property
    def counted(self) -> Bool[Tensor, "texts entries"]:
        """The entries that are contrasted: [CLS] and the words, not [SEP]."""
        entries = torch.arange(self.vectors.shape[1], device=self.vectors.device)
        return entries < self.lengths[:, None] - 1

    @property
    def named(self) -> Bool[Tensor, "texts entries"]:
        """The words alone."""
        counted = self.counted.clone()
        counted[:, 0] = False
        return counted

    def rows(self, rows: Int[Tensor, " rows"]) -> "Words":
        """Some of the texts."""
        return Words(
            vectors=self.vectors[rows], lengths=self.lengths[rows], reports=self.reports[rows]
        )


class WordEncoder(nn.Module):
    """BERT without a pooler, whose pieces are added up to words and whose layers are added up.

    Source: GLoRIA's published code; parameter names are transformers'.
    """

    def __init__(self, config: WordEncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        check_vocabulary(tokenizer, config.vocabulary, "word encoder")
        self.config = config
        self.tokenizer = tokenizer
        for name in ("[PAD]", "[SEP]"):
            special_id(tokenizer, name)
        self.embeddings = Embeddings(config.sizes)
        self.encoder = Layers(config.sizes)
        continues = torch.zeros(config.vocabulary, dtype=torch.bool)
        continues[
            [number for piece, number in tokenizer.get_vocab().items() if _goes_on(piece)]
        ] = True
        self.register_buffer("_continues", continues, persistent=False)
        self.embeddings.draw()
        draw_xavier(self.modules())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts as token ids, on the CPU; what is too long is cut before [SEP] and counted."""
        return cut_tokens(
            self.tokenizer, texts, self.config.max_tokens, last=special_id(self.tokenizer, "[SEP]")
        )

    def forward(self, tokens: Tokens) -> Words:
        """Reads token ids."""
        entries = self.entries(tokens)
        return gathered(self.pieces(tokens), entries, tokens.mask)

    def pieces(self, tokens: Tokens) -> Float[Tensor, "texts tokens dim"]:
        """Each piece as the sum of the last layers."""
        hidden = self.embeddings(tokens.ids)
        seen = tokens.mask.bool()[:, None, None]
        kept: list[Tensor] = []
        for layer in self.encoder.layer:
            hidden = cast(Layer, layer)(hidden, seen)
            kept.append(hidden)
        return torch.stack(kept[-self.config.last_layers :]).sum(0)

    def entries(self, tokens: Tokens) -> Int[Tensor, "texts tokens"]:
        """For each piece the word that it belongs to, from 0 ([CLS]); -1 of padding."""
        begins = ~self.get_buffer("_continues")[tokens.ids]
        return torch.where(tokens.mask.bool(), begins.long().cumsum(1) - 1, -1)

    def word_numbers(self, ids: Sequence[int]) -> list[int]:
        """The same for the pieces of one text."""
        continues = self.get_buffer("_continues").cpu()[list(ids)]
        numbers: list[int] = ((~continues).long().cumsum(0) - 1).tolist()
        return numbers

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Words:
        """Reads texts for good: eval mode, no gradient; too long ones are counted in a warning."""
        device = self.embeddings.word_embeddings.weight.device
        parts, cut = [], 0
        with torch.no_grad(), evaluating(self):
            for start in range(0, len(texts), batch_size):
                tokens = self.tokenize(texts[start : start + batch_size])
                cut += tokens.cut
                parts.append(self(tokens.to(device)))
        warn_of_cut(cut, len(texts), self.config.max_tokens)
        return joined(parts)


def gathered(
    pieces: Float[Tensor, "texts tokens dim"],
    entries: Int[Tensor, "texts tokens"],
    mask: Int[Tensor, "texts tokens"],
) -> Words:
    """Adds the pieces of each word up.

    Args:
        pieces: one vector a piece.
        entries: the word of each piece, from 0 on without a gap; -1 of padding.
        mask: 1 where a piece is.
    """
    texts, _, dim = pieces.shape
    lengths = entries.amax(1) + 1
    most = int(lengths.max()) if texts else 0
    seen = pieces * mask[..., None].to(pieces)
    # Padding goes to a last row, which is dropped.
    places = torch.where(entries < 0, most, entries) + torch.arange(texts, device=entries.device)[
        :, None
    ] * (most + 1)
    summed = seen.new_zeros(texts * (most + 1), dim)
    summed = summed.index_add(0, places.flatten(), seen.flatten(0, 1))
    return Words(
        vectors=summed.unflatten(0, (texts, most + 1))[:, :most],
        lengths=lengths,
        reports=seen.sum(1) / mask.sum(1, keepdim=True).to(seen),
    )


def joined(parts: Sequence[Words]) -> Words:
    """Texts of several batches, padded to the longest of them."""
    longest = max(part.vectors.shape[1] for part in parts)
    vectors = [F.pad(part.vectors, (0, 0, 0, longest - part.vectors.shape[1])) for part in parts]
    return Words(
        vectors=torch.cat(vectors),
        lengths=torch.cat([part.lengths for part in parts]),
        reports=torch.cat([part.reports for part in parts]),
    )


def _goes_on(piece: str) -> bool:
    return piece.startswith(CONTINUES)
