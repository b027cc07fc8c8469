"""How GLoRIA's published code reads a text: which characters it keeps, and its sentences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carina.study import Entity, Report

NUMBERING = re.compile(r"[0-9]+\.")
WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class AsWritten:
    """A text as it is; the tokenizer makes it lower case."""

    def of(self, text: str) -> str:
        """The same."""
        return text


@dataclass(frozen=True, kw_only=True)
class OfficialCleaning:
    """Words in lower case and nothing else; sentences of one word are left out.

    So numbering is cut away, and of "3.5 cm" is left "5 cm". A text of which nothing would be
    left keeps its words: that code then compares a picture with no text at all.
    """

    def of(self, text: str) -> str:
        """The words, one space between two of them."""
        return " ".join(official_sentences(text)) or " ".join(WORD.findall(text.lower()))


@dataclass(frozen=True, kw_only=True)
class OfficialSentences:
    """The sentences of a report, each a caption: GLoRIA's published code.

    It compares a count of words with the number of captions that it wants, 5: a report whose
    first sentences have exactly so many words together is cut after them.
    """

    words: int = 5

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """The sentences; a report without any gives its own words."""
        found, count = [], 0
        for sentence in official_sentences(report.text):
            found.append(sentence)
            count += len(sentence.split())
            if count == self.words:
                break
        return tuple(found) or (" ".join(WORD.findall(report.text.lower())),)


def official_sentences(text: str) -> list[str]:
    """The sentences of a text, cut after numbering and at full stops, those of one word left out.

    Source: GLoRIA's published code.
    """
    pieces = [
        piece for part in NUMBERING.split(text.replace("\n", " ")) for piece in part.split(".")
    ]
    worded = [WORD.findall(piece.lower()) for piece in pieces]
    kept = [[ascii_of(word) for word in words] for words in worded if len(words) > 1]
    return [" ".join(filter(None, words)) for words in kept]


def ascii_of(word: str) -> str:
    """A word without what is not ASCII."""
    return word.encode("ascii", "ignore").decode("ascii")
