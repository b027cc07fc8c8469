"""Texts as numbers, which every text encoder reads."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor

from carina.errors import ConfigError, ModelError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Texts as numbers, padded to the longest of them.

    `mask` is 1 where a token is and 0 where there is padding; `cut` counts the texts that were
    longer than the encoder takes.
    """

    ids: Int[Tensor, "texts tokens"]
    mask: Int[Tensor, "texts tokens"]
    cut: int = 0

    def to(self, device: torch.device) -> "Tokens":
        """Copies the tensors to a device."""
        return Tokens(ids=self.ids.to(device), mask=self.mask.to(device), cut=self.cut)


def cut_tokens(
    tokenizer: Tokenizer, texts: Sequence[str], limit: int, *, last: int | None = None
) -> Tokens:
    """Texts as token ids, on the CPU; what is longer than `limit` is cut and counted.

    Args:
        tokenizer: puts its own tokens before and after a text.
        texts: at most `limit` tokens of each are kept.
        limit: with the tokens that stand before and after a text.
        last: ends a text that was cut, such as [SEP]; None where nothing does.

    Raises:
        ModelError: the tokenizer has no padding.
    """
    lists = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    longest = max((len(ids) for ids in lists), default=0)
    shape = (len(lists), min(limit, longest))
    ids = torch.full(shape, special_id(tokenizer, "[PAD]"), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, numbers in enumerate(lists):
        kept = numbers[:limit]
        if len(numbers) > limit and last is not None:
            kept[-1] = last
        ids[row, : len(kept)] = torch.tensor(kept)
        mask[row, : len(kept)] = 1
    return Tokens(ids=ids, mask=mask, cut=sum(len(numbers) > limit for numbers in lists))


def check_vocabulary(tokenizer: Tokenizer, vocabulary: int, reader: str) -> None:
    """Refuses a tokenizer whose entries an encoder has no rows for.

    Raises:
        ConfigError: it has more entries than the vocabulary of `reader`, such as "text encoder".
    """
    if tokenizer.get_vocab_size() > vocabulary:
        raise ConfigError(
            f"The tokenizer has {tokenizer.get_vocab_size()} entries, more than the {reader}'s "
            f"vocabulary of {vocabulary}."
        )


def special_id(tokenizer: Tokenizer, name: str) -> int:
    """The id of a special token.

    Raises:
        ModelError: the tokenizer lacks it.
    """
    number: int | None = tokenizer.token_to_id(name)
    if number is None:
        raise ModelError(f"The tokenizer lacks {name}; expected a WordPiece tokenizer of BERT.")
    return number


def warn_of_cut(cut: int, texts: int, limit: int) -> None:
    """Says how many of some texts were too long, if any."""
    if cut:
        LOGGER.warning(
            "%d of %d texts are longer than %d tokens; their ends were cut.", cut, texts, limit
        )
