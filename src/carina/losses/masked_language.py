"""How well masked words are guessed, and how much each counts (ECAMP)."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from carina.losses.contrast import Summed

WORDS_AT_A_TIME = 8192
"""More logits are not kept: 8,192 words times a vocabulary of 30,000 are 1 GB in float32."""

WordLogits = Callable[[Tensor], Tensor]


def masked_word_loss(
    logits: WordLogits,
    tokens: Float[Tensor, "words width"],
    originals: Int[Tensor, " words"],
    weights: Float[Tensor, " words"],
) -> Summed:
    """Weighted cross-entropy of words.

    Source: Wang et al., arXiv:2312.13316, Eq. 4, which adds up over the masked words of a report;
    we divide by their number, as the published code divides by the number of positions. Logits
    are made for the words that count and no others, and for many words piece by piece.

    Args:
        logits: from tokens to a row of logits each, such as `WordHead`.
        tokens: of the words that count.
        originals: which words they are.
        weights: of `MaskedTextBatch`; >= 0.

    Returns:
        The sum over words, in nats, and their number.
    """
    count = torch.tensor(float(len(tokens)), device=tokens.device)
    if len(tokens) <= WORDS_AT_A_TIME:
        return _weighted(logits, tokens, originals, weights), count
    pieces = zip(
        *(part.split(WORDS_AT_A_TIME) for part in (tokens, originals, weights)), strict=True
    )
    sums = [checkpoint(partial(_weighted, logits), *piece, use_reentrant=False) for piece in pieces]
    return torch.stack(sums).sum(), count


def _weighted(
    logits: WordLogits,
    tokens: Float[Tensor, "words width"],
    originals: Int[Tensor, " words"],
    weights: Float[Tensor, " words"],
) -> Float[Tensor, ""]:
    losses = F.cross_entropy(logits(tokens).float(), originals, reduction="none")
    return (losses * weights).sum()
