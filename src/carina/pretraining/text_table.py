"""Many strings as tokens in flat arrays, and texts composed of slices of them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from carina.errors import ModelError
from carina.files import progress
from carina.pretraining.text_composition import SLICES, Composed
from carina.pretraining.text_marks import Ids, TokenMarkReader, WordMarkReader

AT_ONCE = 2048
HELD = 2  # [PAD] and [CLS] stand in front
MarkReader = WordMarkReader | TokenMarkReader


class TokenTable:
    """Tokens of different strings, one behind another, with the bits of each.

    Attributes:
        ids: of all tokens; [PAD] is the first, [CLS] the second.
        bits: of all tokens, as the mark reader gives them.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], marks: MarkReader) -> None:
        """Reads the strings, which must differ.

        Raises:
            ModelError: the tokenizer lacks [PAD] or [CLS].
        """
        self._first: dict[str, int] = {}
        self._ends: dict[str, list[int]] = {}
        ids: list[NDArray[np.int32]] = [special(tokenizer, "[PAD]", "[CLS]")]
        bits = [np.zeros(HELD, dtype=np.uint8)]
        place = HELD
        for text, read, ends in encoded(tokenizer, texts):
            self._first[text], self._ends[text] = place, ends.tolist()
            ids.append(read)
            bits.append(marks.of_text(text, ends))
            place += len(read)
        self.ids: NDArray[np.int32] = np.concatenate(ids)
        self.bits: NDArray[np.uint8] = np.concatenate(bits)

    def places(self, composed: Composed) -> list[tuple[int, int]]:
        """First token and number of tokens of each slice; `SLICES` of them."""
        found = []
        for text, start, end in composed:
            ends = self._ends[text]
            begin = bisect_right(ends, start)
            found.append((self._first[text] + begin, bisect_right(ends, end) - begin))
        return found + [(0, 0)] * (SLICES - len(found))

    def settle(self) -> None:
        """Forgets where characters are, once every place is known."""
        self._first, self._ends = {}, {}


def encoded(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.int32], Ids]]:
    """Each text with its ids, and with the character at which each token ends."""
    for start in progress(range(0, len(texts), AT_ONCE), "Reading texts"):
        piece = list(texts[start : start + AT_ONCE])
        for text, read in zip(
            piece, tokenizer.encode_batch(piece, add_special_tokens=False), strict=True
        ):
            ends = np.fromiter((end for _, end in read.offsets), np.int64, len(read))
            yield text, np.asarray(read.ids, dtype=np.int32), ends


def special(tokenizer: Tokenizer, *names: str) -> NDArray[np.int32]:
    """The ids of special tokens.

    Raises:
        ModelError: the tokenizer lacks one of them.
    """
    found = [tokenizer.token_to_id(name) for name in names]
    if None in found:
        raise ModelError(
            f"The tokenizer lacks {names[found.index(None)]}; expected a WordPiece tokenizer of "
            "BERT."
        )
    return np.array(found, dtype=np.int32)
