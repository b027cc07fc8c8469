"""Texts embedded for good, as every encoder that gives one vector a text does it."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.modes import evaluating
from carina.encoders.tokens import Tokens, warn_of_cut
from carina.files import progress


@runtime_checkable
class Tokenizes(Protocol):
    """An encoder of texts, as far as its texts go."""

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts as token ids, on the CPU."""
        ...


def embedded_once(
    encoder: nn.Module,
    texts: Sequence[str],
    embed: Callable[[Tokens], Float[Tensor, "some length"]],
    *,
    length: int,
    limit: int,
    batch_size: int,
    bar: str | None = None,
) -> Float[Tensor, "texts length"]:
    """Embeds texts for good: eval mode, no gradient, each different text once.

    Texts of like length go together, so that little is spent on padding. How many were too long
    is logged as one warning.

    Args:
        encoder: fulfils `Tokenizes`.
        texts: a row each of what is returned.
        embed: one embedding a text, from tokens where the encoder is.
        length: numbers of an embedding.
        limit: tokens of the longest text that is read.
        batch_size: texts that are read together.
        bar: shown under this name; None shows none.
    """
    assert isinstance(encoder, Tokenizes)
    different = sorted(set(texts), key=lambda text: (len(text), text))
    device = next(encoder.parameters()).device
    rows, cut = [torch.zeros(0, length, device=device)], 0
    starts = range(0, len(different), batch_size)
    pieces = [different[start : start + batch_size] for start in starts]
    with torch.no_grad(), evaluating(encoder):
        for piece in pieces if bar is None else progress(pieces, bar, len(pieces)):
            tokens = encoder.tokenize(piece)
            cut += tokens.cut
            rows.append(embed(tokens.to(device)))
    warn_of_cut(cut, len(different), limit)
    places = {text: number for number, text in enumerate(different)}
    order = torch.tensor([places[text] for text in texts], dtype=torch.long, device=device)
    return torch.cat(rows)[order]
