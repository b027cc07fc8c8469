"""Which tokens of a text are entities, which describe them, and which deny them."""

import functools
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from carina.report.entities import RuleExtractor
from carina.report.entity_words import entity_names, entity_words, is_denied
from carina.report.lexicon import Lexicon

ENTITY, DESCRIPTOR, DENIED = 1, 2, 4
"""Bits of what a token is."""
FULL_STOP = "."
NEGATIVE_PHRASES = (("there", "is", "no", "evidence", "of"), ("there", "is", "no"))
UPPER_CASE = "COPD"
LOGGER = logging.getLogger(__name__)
Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Texts as arrays (texts, tokens): what each token is.

    Attributes:
        ids: of the tokens, [PAD] behind the text.
        present: where a token is.
        starts: the place of the first piece of the word that a token belongs to.
        entities: tokens of entities.
        descriptors: tokens that describe an entity.
        denied: tokens that deny one.
        limit: the most tokens that a text may have.
    """

    ids: Ids
    present: Flags
    starts: Ids
    entities: Flags
    descriptors: Flags
    denied: Flags
    limit: int


@dataclass(frozen=True, kw_only=True)
class WordMarks:
    """Entities are words with their inflections, descriptors the two words before them: the paper.

    Descriptors of what the sentence says is not there are the negative ones. The paper sorts them
    by lists of phrases; here the rules say it, of "no effusion or pneumothorax" for both.
    """

    def reader(self, tokenizer: Tokenizer) -> "WordMarkReader":
        """Reads marks off words."""
        return WordMarkReader()


@dataclass(frozen=True, kw_only=True)
class TokenMarks:
    """Entities, and what is negative, by their tokens: ECAMP's published code.

    An entity is one piece that is one of the 44 words, so that no plural is. Descriptors are the
    one or two pieces before it but for full stops. Negative are the pieces of "there is no" and
    "there is no evidence of".
    """

    def reader(self, tokenizer: Tokenizer) -> "TokenMarkReader":
        """Reads marks off tokens; entities that the vocabulary lacks are told once."""
        return TokenMarkReader(tokenizer)


class WordMarkReader:
    """Finds marks in the words of a text, before it is composed."""

    def __init__(self) -> None:
        self._extractor = RuleExtractor(Lexicon.default())

    def of_text(self, text: str, ends: Ids) -> NDArray[np.uint8]:
        """The bits of every token of a text, whose characters end at `ends`."""
        bits = np.zeros(len(ends), dtype=np.uint8)
        words = list(entity_words(text))
        if not words:
            return bits
        spans, values = [], []
        said = self._extractor.extract(text)
        for word in words:
            spans.append(word.span)
            values.append(ENTITY)
            value = DESCRIPTOR | DENIED if is_denied(word.span, said) else DESCRIPTOR
            spans.extend(word.before)
            values.extend(value for _ in word.before)
        edges = np.array(spans, dtype=np.int64)
        first = np.searchsorted(ends, edges[:, 0], side="right")
        last = np.searchsorted(ends, edges[:, 1], side="left") + 1
        for begin, end, value in zip(first.tolist(), last.tolist(), values, strict=True):
            bits[begin:end] |= value
        return bits

    def of_batch(self, ids: Ids, bits: NDArray[np.uint8]) -> tuple[Flags, Flags, Flags]:
        """Entities, descriptors and denied tokens of composed texts."""
        return (bits & ENTITY) != 0, (bits & DESCRIPTOR) != 0, (bits & DENIED) != 0


class TokenMarkReader:
    """Finds marks in the tokens of a composed text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        words = [word.upper() if word.upper() == UPPER_CASE else word for word in entity_names()]
        found = {word: tokenizer.token_to_id(word) for word in words}
        missing = [word for word, number in found.items() if number is None]
        if missing:
            LOGGER.warning(
                "The vocabulary lacks %d of %d entities, which are not met as one piece: %s.",
                len(missing),
                len(words),
                ", ".join(missing),
            )
        size = tokenizer.get_vocab_size()
        self._is_entity = np.zeros(size, dtype=bool)
        self._is_entity[[number for number in found.values() if number is not None]] = True
        self._stop = tokenizer.token_to_id(FULL_STOP)
        phrases = [[tokenizer.token_to_id(word) for word in words] for words in NEGATIVE_PHRASES]
        self._phrases = [phrase for phrase in phrases if None not in phrase]

    def of_text(self, text: str, ends: Ids) -> NDArray[np.uint8]:
        """None: what the code marks depends on what a text is composed of."""
        return np.zeros(len(ends), dtype=np.uint8)

    def of_batch(self, ids: Ids, bits: NDArray[np.uint8]) -> tuple[Flags, Flags, Flags]:
        """Entities, descriptors and denied tokens of composed texts."""
        entities = self._is_entity[ids]
        before = np.zeros_like(entities)
        before[:, :-1] |= entities[:, 1:]
        before[:, :-2] |= entities[:, 2:]
        before[:, 0] = False
        return entities, before & (ids != self._stop), self._negative(ids)

    def _negative(self, ids: Ids) -> Flags:
        """Tokens of negative phrases; none can overlap with itself: "there" stands in it once."""
        negative = np.zeros(ids.shape, dtype=bool)
        for phrase in self._phrases:
            places = ids.shape[1] - len(phrase) + 1
            if places < 1:
                continue
            here = functools.reduce(
                np.logical_and, (ids[:, n : n + places] == word for n, word in enumerate(phrase))
            )
            for n in range(len(phrase)):
                negative[:, n : n + places] |= here
        return negative
