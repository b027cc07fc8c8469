"""Contrast of places with words: each word of a caption looks for its places in each image.

Source: GLoRIA (Huang et al., ICCV 2021) as its published code computes it. Captions of different
length are padded; what a mask does not count takes no part.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from carina.errors import ConfigError
from carina.losses.contrast import Summed

ALIKE = 8  # captions of like length that are taken together: fewer words are padding
SHORTEST = 1e-8  # norms are held above it, as the published code holds them


@dataclass(frozen=True, kw_only=True)
class SummedWords:
    """log sum exp over the words: GLoRIA's. It grows with the logarithm of their number."""

    temperature: float = 5.0

    def __post_init__(self) -> None:
        """Checks the temperature."""
        check_factor(self.temperature)

    def __call__(
        self,
        cosines: Float[Tensor, "images captions words"],
        counted: Bool[Tensor, "captions words"],
    ) -> Float[Tensor, "images captions"]:
        """One likeness a pair."""
        scaled = (self.temperature * cosines).masked_fill(~counted, -torch.inf)
        likeness: Tensor = scaled.logsumexp(2)
        return likeness


@dataclass(frozen=True, kw_only=True)
class AveragedWords:
    """log mean exp over the words: captions of any length are alike."""

    temperature: float = 5.0

    def __post_init__(self) -> None:
        """Checks the temperature."""
        check_factor(self.temperature)

    def __call__(
        self,
        cosines: Float[Tensor, "images captions words"],
        counted: Bool[Tensor, "captions words"],
    ) -> Float[Tensor, "images captions"]:
        """One likeness a pair."""
        summed = SummedWords(temperature=self.temperature)(cosines, counted)
        return summed - counted.sum(1).to(summed).log()


@dataclass(frozen=True, kw_only=True)
class BestWord:
    """The word that fits best: how GLoRIA's published code compares prompts."""

    temperature: float = 5.0

    def __post_init__(self) -> None:
        """Checks the temperature."""
        check_factor(self.temperature)

    def __call__(
        self,
        cosines: Float[Tensor, "images captions words"],
        counted: Bool[Tensor, "captions words"],
    ) -> Float[Tensor, "images captions"]:
        """One likeness a pair."""
        best: Tensor = cosines.masked_fill(~counted, -torch.inf).amax(2)
        return self.temperature * best


WordPooling = SummedWords | AveragedWords | BestWord


def word_maps(
    places: Float[Tensor, "images cells dim"],
    words: Float[Tensor, "captions words dim"],
    counted: Bool[Tensor, "captions words"],
    temperature: float,
) -> Float[Tensor, "images captions words cells"]:
    """Where each word of each caption looks in each image.

    The products of places and words, neither of them normalised, go through a softmax over the
    words of the caption, then through one over the places. The first bounds what the second sees:
    no cell gets more than exp(temperature) times what another one gets.

    Args:
        places: the features of each image's cells.
        words: the features of each caption's words, padded.
        counted: which words there are; each caption has at least one. Others' maps mean nothing.
        temperature: multiplies the shares of the first softmax, > 0.

    Returns:
        Maps that sum to 1 over the cells.
    """
    # Cells last: they are many, and a softmax over what lies together in memory is the fast one.
    products = (words.flatten(0, 1) @ places.transpose(1, 2)).unflatten(1, words.shape[:2])
    shares = products.masked_fill(~counted[:, :, None], -torch.inf).softmax(2)
    maps: Tensor = (temperature * shares).softmax(3)
    return maps


def paired_maps(
    places: Float[Tensor, "pairs cells dim"],
    words: Float[Tensor, "pairs words dim"],
    counted: Bool[Tensor, "pairs words"],
    temperature: float,
) -> Float[Tensor, "pairs words cells"]:
    """The same, each image with its own caption only."""
    products = words @ places.transpose(1, 2)
    shares = products.masked_fill(~counted[:, :, None], -torch.inf).softmax(1)
    maps: Tensor = (temperature * shares).softmax(2)
    return maps


def word_cosines(
    places: Float[Tensor, "images cells dim"],
    words: Float[Tensor, "captions words dim"],
    counted: Bool[Tensor, "captions words"],
    temperature: float,
) -> Float[Tensor, "images captions words"]:
    """The cosine of each word with what it finds in each image; arguments as of `word_maps`."""
    maps = word_maps(places, words, counted, temperature)
    found = (maps.flatten(1, 2) @ places).unflatten(1, maps.shape[1:3])
    products = torch.linalg.vecdot(found, words.expand_as(found))
    lengths = torch.linalg.vector_norm(found, dim=3).clamp_min(SHORTEST)
    cosines: Tensor = products / (lengths * words.norm(dim=2).clamp_min(SHORTEST))
    return cosines


def local_likeness(
    places: Float[Tensor, "images cells dim"],
    words: Float[Tensor, "captions words dim"],
    counted: Bool[Tensor, "captions words"],
    *,
    temperature: float,
    pooling: WordPooling,
    captions_at_once: int,
) -> Float[Tensor, "images captions"]:
    """How well the words of each caption are found in each image.

    Args:
        places: the features of each image's cells.
        words: the features of each caption's words, padded.
        counted: which words there are; each caption has at least one.
        temperature: of `word_maps`.
        pooling: makes one number of the cosines of a caption's words.
        captions_at_once: where there are more captions, their maps are computed again for the
            gradient instead of kept, a few of like length at a time.
    """
    lengths = counted.long() * torch.arange(1, counted.shape[1] + 1, device=counted.device)
    ends = lengths.amax(1)
    order = ends.argsort(stable=True)
    pieces = order.split(min(captions_at_once, ALIKE))
    one = partial(_likeness, temperature=temperature, pooling=pooling)
    again = len(order) > captions_at_once and torch.is_grad_enabled()
    found = []
    for rows in pieces:
        longest = int(ends[rows].max())
        given = (places, words[rows, :longest], counted[rows, :longest])
        found.append(checkpoint(one, *given, use_reentrant=False) if again else one(*given))
    return torch.cat(found, 1)[:, order.argsort()]


def _likeness(
    places: Float[Tensor, "images cells dim"],
    words: Float[Tensor, "captions words dim"],
    counted: Bool[Tensor, "captions words"],
    *,
    temperature: float,
    pooling: WordPooling,
) -> Float[Tensor, "images captions"]:
    return pooling(word_cosines(places, words, counted, temperature), counted)


def matched(logits: Float[Tensor, "local all"], *, first: int) -> Summed:
    """Cross entropy of rows whose partners stand on a diagonal.

    Args:
        logits: a row for each of this process's, a column for each of all.
        first: the partner of row i is column first + i.

    Returns:
        The sum over rows, in nats, and their number.
    """
    rows = torch.arange(first, first + len(logits), device=logits.device)
    count = torch.tensor(float(len(logits)), device=logits.device)
    return F.cross_entropy(logits, rows, reduction="sum"), count


def check_factor(temperature: float) -> None:
    """Refuses a factor that turns likeness into its opposite.

    Raises:
        ConfigError: it is not above 0.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be > 0, got {temperature}: it multiplies likeness.")
