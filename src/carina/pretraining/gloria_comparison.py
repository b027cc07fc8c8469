"""How prompts are compared with a radiograph by GLoRIA; each way is a class."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carina.encoders.words import Words
from carina.losses.local_alignment import AveragedWords, BestWord

OFFICIAL_ENTRIES = 97  # of every text in the published code, padding included


@dataclass(frozen=True, kw_only=True)
class CharacterLengths:
    """As many entries of a prompt are compared as it has characters: GLoRIA's published code.

    A slip: [SEP] and padding are compared, too, so that no word fits worse than the zeros do. From
    97 characters on that code stops; here the number is held at its 96.
    """

    def counted(self, words: Words, texts: Sequence[str]) -> Bool[Tensor, "texts entries"]:
        """Which entries are compared, [CLS] not among them."""
        characters = [len(text) - text.count("[") for text in texts]
        lengths = torch.tensor(characters, device=words.lengths.device)
        entries = torch.arange(OFFICIAL_ENTRIES, device=words.lengths.device)
        return (entries >= 1) & (entries <= lengths[:, None])


@dataclass(frozen=True, kw_only=True)
class WordLengths:
    """The words of a prompt are compared, and nothing else."""

    def counted(self, words: Words, texts: Sequence[str]) -> Bool[Tensor, "texts entries"]:
        """Which entries are compared: a text without words compares [CLS]."""
        named = words.named
        named[:, 0] = ~named.any(1)
        return named


@dataclass(frozen=True, kw_only=True)
class PublishedComparison:
    """A prompt fits as its best word does and as the whole does, half each: the published code."""

    lengths: CharacterLengths | WordLengths = CharacterLengths()
    pooling: BestWord = BestWord()

    def counted(self, words: Words, texts: Sequence[str]) -> Bool[Tensor, "texts entries"]:
        """Which entries are compared."""
        return self.lengths.counted(words, texts)

    def score(
        self,
        local: Float[Tensor, "batch prompts"],
        whole: Float[Tensor, "batch prompts"],
    ) -> Float[Tensor, "batch prompts"]:
        """From the likeness of words and the cosine of the whole."""
        return (local + whole) / 2


@dataclass(frozen=True, kw_only=True)
class TrainedComparison:
    """A prompt is compared as a caption is in training, by the mean of its words: ours."""

    pooling: AveragedWords = AveragedWords()

    def counted(self, words: Words, texts: Sequence[str]) -> Bool[Tensor, "texts entries"]:
        """Which entries are compared."""
        return words.counted

    def score(
        self,
        local: Float[Tensor, "batch prompts"],
        whole: Float[Tensor, "batch prompts"],
    ) -> Float[Tensor, "batch prompts"]:
        """From the likeness of words and the cosine of the whole."""
        return local + whole


Comparison = PublishedComparison | TrainedComparison


def best_of(
    fitting: Float[Tensor, "batch prompts"], owners: Int[Tensor, " prompts"], count: int
) -> Float[Tensor, "batch owners"]:
    """The largest value of each owner's prompts; 0 of an owner without any."""
    start = fitting.new_zeros(len(fitting), count)
    places = owners.expand(len(fitting), -1)
    return start.scatter_reduce(1, places, fitting, "amax", include_self=False)


def filled(entries: Tensor, longest: int) -> Tensor:
    """Pads with zeros so that each text has at least so many entries."""
    missing = max(0, longest - entries.shape[1])
    padding = entries.new_zeros(len(entries), missing, *entries.shape[2:])
    return torch.cat([entries, padding], 1)


def standardised(scores: Float[Tensor, "images queries"]) -> Float[Tensor, "images queries"]:
    """Each query's scores by their mean and deviation over the images given: GLoRIA's.

    So classes can be compared with one another; a score then depends on the other images. One
    image alone keeps its scores; a query whose scores are all the same has 0.
    """
    if len(scores) == 1:
        return scores
    spread: Tensor = scores.std(0, correction=0)
    return (scores - scores.mean(0)) / spread.clamp_min(torch.finfo(scores.dtype).tiny)
