"""What of a phrase a model's text encoder can read, before it is embedded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tokenizers import Tokenizer

from carina.encoders.tokenizer import SPECIAL
from carina.errors import QueryError
from carina.report.sentences import split_sentences
from carina.zeroshot.protocol import Query
from carina.zeroshot.queries import one_line

SHOWN = 80
WORDS = re.compile(r"[^\W\d_]{3,}")  # of two letters: too many are abbreviations
FRAME = 2  # [CLS] before a text and, in most encoders, [SEP] after it


@runtime_checkable
class TextReader(Protocol):
    """A model that tells what its text encoder can read: pieces of words, and how many."""

    tokenizer: Tokenizer
    max_tokens: int


@runtime_checkable
class QueryReader(Protocol):
    """A model that reads something else of a query than its name and description."""

    def query_text(self, query: Query) -> str:
        """What it reads."""
        ...


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A phrase as it was given and as it is read; `note` says what was left out, if anything."""

    given: str
    read: str
    note: str | None = None

    @property
    def short(self) -> str:
        """As it is read, in one line of at most `SHOWN` letters."""
        return self.read if len(self.read) <= SHOWN else self.read[: SHOWN - 1] + "…"


def check_phrases(phrases: Sequence[str]) -> tuple[str, ...]:
    """The phrases, each on one line, none of them blank or given twice.

    Raises:
        QueryError: there is none, or one is blank or given twice.
    """
    if isinstance(phrases, str):
        raise QueryError(f"Phrases are one string, {phrases!r}; expected a list of phrases.")
    lines = tuple(one_line(phrase) for phrase in phrases)
    if not lines or not all(lines):
        raise QueryError("A phrase is empty; expected words such as 'small left pleural effusion'.")
    for place, line in enumerate(lines):
        if line.casefold() in (before.casefold() for before in lines[:place]):
            raise QueryError(f"The phrase {line!r} is given twice. Leave one out.")
    return lines


def readable_phrase(model: object, phrase: str) -> Phrase:
    """The phrase as far as the model's text encoder reads it.

    One that is too long ends with the last sentence that fits whole; if its first sentence is too
    long, the encoder cuts that one. A model that does not tell what it reads gets the phrase.

    Raises:
        QueryError: the encoder knows no word of it.
    """
    if not isinstance(model, TextReader):
        return Phrase(given=phrase, read=phrase)
    if not known_pieces(model.tokenizer, phrase):
        raise QueryError(
            f"The phrase {phrase!r} has no word that this model's text encoder knows; expected "
            "English words, as reports have them."
        )
    if length(model.tokenizer, phrase) <= model.max_tokens:
        return Phrase(given=phrase, read=phrase)
    longest = f"it is longer than the {model.max_tokens} pieces of words that the model reads"
    sentences = split_sentences(phrase)
    for last in reversed(sentences[:-1]):
        start = phrase[: last.end]
        if length(model.tokenizer, start) <= model.max_tokens:
            kept = sentences.index(last) + 1
            note = f"{longest}; read: the first {kept} of {len(sentences)} sentences"
            return Phrase(given=phrase, read=start, note=note)
    return Phrase(
        given=phrase, read=phrase, note=f"{longest}; read: the beginning of its first sentence"
    )


def check_readable(model: object, queries: Sequence[Query]) -> None:
    """Refuses queries that a model's text encoder cannot read: their score would be any number.

    A model that does not tell what it reads is asked as it is.

    Raises:
        QueryError: the encoder knows no word of one.
        KnowledgeError: a finding has no description, which is what the model reads.
    """
    if not isinstance(model, TextReader):
        return
    for query in queries:
        text = model.query_text(query) if isinstance(model, QueryReader) else query.text
        if not known_pieces(model.tokenizer, text):
            raise QueryError(
                f"The query {query.name!r} has no word that this model's text encoder knows; "
                "expected English words, as reports have them. Write it in other words, or "
                "describe it: NAME=DESCRIPTION."
            )


def known_pieces(tokenizer: Tokenizer, text: str) -> int:
    """How many pieces with a letter or a digit the vocabulary has for a text.

    Special tokens that a text spells out, such as [MASK], say nothing.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return sum(
        piece not in SPECIAL and any(letter.isalnum() for letter in piece)
        for piece in encoding.tokens
    )


def names_read(model: object, queries: Sequence[Query]) -> tuple[str, ...]:
    """Names that a model reads as they are: without a description, unless it looks one up."""
    if isinstance(model, QueryReader):
        return ()
    return tuple(query.name for query in queries if query.description is None)


def unknown_words(model: object, text: str) -> tuple[str, ...]:
    """The words of a text, in lower case, of which a model's vocabulary has pieces at best.

    A model that learnt its vocabulary from its reports has not met such a word often, or not at
    all; in a larger vocabulary rare words of medicine, too, are made of pieces. None of a model
    that does not tell what it reads.
    """
    if not isinstance(model, TextReader):
        return ()
    words = dict.fromkeys(WORDS.findall(text.casefold()))
    return tuple(
        word
        for word in words
        if length(model.tokenizer, word) > 1 + FRAME or not known_pieces(model.tokenizer, word)
    )


def length(tokenizer: Tokenizer, text: str) -> int:
    """How many pieces a text has, with those that stand before and after it."""
    return len(tokenizer.encode(text, add_special_tokens=False).ids) + FRAME
