"""How GLoRIA's published code reads a text: which characters it keeps, and its sentences."""

import re
from dataclasses import dataclass

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
