"""Which tokens of a text are masked; each way is a class. [CLS] and padding never are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carina.pretraining.text_composition import check_share
from carina.pretraining.text_marks import Flags, Marked

Draws = NDArray[np.float64]
"""Numbers in [0, 1), one a token: (texts, tokens). A word goes by that of its first piece."""


@dataclass(frozen=True, kw_only=True)
class DescriptorsAlways:
    """Descriptors are always masked, every other word with `ratio`: ECAMP's paper, section 3.2."""

    ratio: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratio."""
        check_share("ratio", self.ratio)

    def chosen(self, marked: Marked, words: Draws, entities: Draws) -> Flags:
        """The masked tokens; `entities` is not needed."""
        return maskable(marked) & (marked.descriptors | drawn_words(marked, words < self.ratio))


@dataclass(frozen=True, kw_only=True)
class EveryWord:
    """Every word with `ratio`, whatever it is: ECAMP's Table 4 without DM."""

    ratio: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratio."""
        check_share("ratio", self.ratio)

    def chosen(self, marked: Marked, words: Draws, entities: Draws) -> Flags:
        """The masked tokens; `entities` is not needed."""
        return maskable(marked) & drawn_words(marked, words < self.ratio)


@dataclass(frozen=True, kw_only=True)
class DescriptorsNever:
    """What ECAMP's published code does: descriptors are masked as often as other words.

    Of a text that names an entity, entities are masked with `entities` and other words with
    `ratio`; of any other, words are masked with `without_entities`. The further pieces of an
    entity's word, and the last place of a full text, are never masked.
    """

    ratio: float = 0.7
    entities: float = 0.75
    without_entities: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratios."""
        check_share("ratio", self.ratio)
        check_share("entities", self.entities)
        check_share("without_entities", self.without_entities)

    def chosen(self, marked: Marked, words: Draws, entities: Draws) -> Flags:
        """The masked tokens."""
        told = marked.entities.any(axis=1, keepdims=True)
        ratio = np.where(told, self.ratio, self.without_entities)
        others = drawn_words(marked, (words < ratio) & ~marked.entities)
        chosen = others | (marked.entities & (entities < self.entities))
        chosen[:, marked.limit - 1 :] = False
        return maskable(marked) & chosen


def maskable(marked: Marked) -> Flags:
    """All tokens but [CLS]."""
    tokens = marked.present.copy()
    tokens[:, 0] = False
    return tokens


def drawn_words(marked: Marked, firsts: Flags) -> Flags:
    """What is true of the first piece of each token's word."""
    return np.take_along_axis(firsts, marked.starts, axis=1)
