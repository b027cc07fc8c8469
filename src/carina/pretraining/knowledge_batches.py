"""Batches of text pairs about concepts, for KAD's first stage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor

from carina.encoders.text import TextEncoder
from carina.encoders.tokenizer import SPECIAL
from carina.encoders.tokens import Tokens
from carina.errors import ConfigError
from carina.knowledge.pairs import PairSampler
from carina.pretraining.knowledge_contrast import Likeness, LikenessRule
from carina.training.objective import Place

PIECES = 4  # of a batch, by length: more save padding, fewer keep the matrices large
_CORRUPTION = 1  # the stream of random numbers beside the sampler's, which is 0


@dataclass(frozen=True)
class KnowledgeBatch:
    """One process's share of a batch of text pairs.

    The texts come sorted by length in pieces, so that little is spent on padding: row i of the
    first texts is at `places[i]` of all pieces together, row i of the second at
    `places[pairs + i]`. `likeness` is of the global batch: 1 where two pairs are about the same
    concept, 0 where they have nothing in common.
    """

    pieces: tuple[Tokens, ...]
    places: Int[Tensor, "texts"]
    likeness: Likeness
    names: tuple[str, ...]

    def to(self, device: torch.device) -> "KnowledgeBatch":
        """Copies the tensors to a device."""
        return KnowledgeBatch(
            pieces=tuple(tokens.to(device) for tokens in self.pieces),
            places=self.places.to(device),
            likeness=self.likeness.to(device),
            names=self.names,
        )


@dataclass(frozen=True, kw_only=True)
class NoNoise:
    """Texts as they are."""

    def corrupted(
        self, ids: list[list[int]], tokenizer: Tokenizer, random: np.random.Generator
    ) -> list[list[int]]:
        """The ids unchanged."""
        return ids


@dataclass(frozen=True, kw_only=True)
class BertNoise:
    """BERT's corruption, as noise alone: no word is to be guessed.

    Source: KAD's published code. With probability 0.5 a batch's side is corrupted: of its tokens
    (special ones apart) 15 % are chosen, of which 80 % become [MASK], 10 % any token, and 10 %
    stay.
    """

    def corrupted(
        self, ids: list[list[int]], tokenizer: Tokenizer, random: np.random.Generator
    ) -> list[list[int]]:
        """The ids of one side of a global batch, with noise or not."""
        if random.random() >= 0.5:
            return ids
        special = {_token(tokenizer, name) for name in SPECIAL}
        mask, size = _token(tokenizer, "[MASK]"), tokenizer.get_vocab_size()

        def noisy(token: int) -> int:
            if token in special or random.random() >= 0.15:
                return token
            fate = random.random()
            if fate < 0.8:
                return mask
            return int(random.integers(size)) if fate < 0.9 else token

        return [[noisy(token) for token in text] for text in ids]


Noise = NoNoise | BertNoise


def _token(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.token_to_id(name)
    if number is None:
        raise ConfigError(
            f"the tokenizer has no {name}, expected a WordPiece tokenizer of BERT. Use another."
        )
    return int(number)


class KnowledgeBatches:
    """Makes batches of text pairs; each text is tokenised once."""

    def __init__(
        self,
        sampler: PairSampler,
        encoder: TextEncoder,
        likeness: LikenessRule,
        noise: Noise,
        batch_size: int,
        seed: int,
    ) -> None:
        self.batch_size = batch_size
        self._sampler = sampler
        self._encoder = encoder
        self._likeness = likeness
        self._noise = noise
        self._seed = seed
        self._known: dict[str, list[int]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many pairs are drawn as there are facts."""
        return math.ceil(self._sampler.size / self.batch_size)

    def batch(self, step: int, place: Place) -> KnowledgeBatch:
        """The share of `place` of the batch of `step`."""
        pairs = self._sampler.draw(self._seed, step, self.batch_size)
        random = np.random.default_rng([self._seed, step, _CORRUPTION])
        rows = place.rows(self.batch_size)
        sides = [self._ids([pair.first for pair in pairs]), self._ids([p.second for p in pairs])]
        noisy = [self._noise.corrupted(ids, self._encoder.tokenizer, random) for ids in sides]
        pieces, places = by_length(
            [ids for side in noisy for ids in side[rows.start : rows.stop]],
            _token(self._encoder.tokenizer, "[PAD]"),
        )
        return KnowledgeBatch(
            pieces=pieces,
            places=places,
            likeness=torch.from_numpy(self._likeness(pairs)),
            names=tuple(pairs[row].concept for row in rows),
        )

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            tokens = self._encoder.tokenize(new)
            for text, ids, mask in zip(new, tokens.ids, tokens.mask, strict=True):
                self._known[text] = ids[: int(mask.sum())].tolist()
        return [self._known[text] for text in texts]


def by_length(
    texts: Sequence[Sequence[int]], padding: int
) -> tuple[tuple[Tokens, ...], Int[Tensor, "texts"]]:
    """Texts as a few tables of texts of like length, and where each text went.

    Returns:
        The tables, and for each text its row in all tables together.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    size = math.ceil(len(texts) / PIECES)
    pieces = [order[start : start + size] for start in range(0, len(order), size)]
    places = torch.empty(len(texts), dtype=torch.long)
    places[torch.tensor(order)] = torch.arange(len(texts))
    return tuple(padded([texts[place] for place in piece], padding) for piece in pieces), places


def padded(texts: Sequence[Sequence[int]], padding: int) -> Tokens:
    """Lists of token ids as one table, padded to the longest."""
    longest = max(len(ids) for ids in texts)
    ids = torch.tensor([[*ids, *[padding] * (longest - len(ids))] for ids in texts])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts])
    return Tokens(ids=ids, mask=mask)
