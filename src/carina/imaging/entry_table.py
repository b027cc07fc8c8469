"""What an image store knows of its pictures, as columns.

Nothing here is an object a picture: 377,110 entries take some 60 MB, and processes that are forked
go on sharing them.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import overload

import numpy as np
import polars as pl

from carina.imaging.shards import Entry, Place

SCHEMA = pl.Schema(
    {each.name: pl.String if each.type is str else pl.Int64 for each in fields(Entry)}
)
NUMBERS = tuple(each.name for each in fields(Place) if each.type is int)
"""What says where a picture is in its shard."""


class KeyList(Sequence[str]):
    """Texts in one block of bytes; compares equal to any sequence of the same texts."""

    def __init__(self, texts: Sequence[str] | pl.Series) -> None:
        """Takes the texts over, in their order."""
        series = texts if isinstance(texts, pl.Series) else pl.Series(list(texts), dtype=pl.String)
        joined = series.str.join("").item() if len(series) else ""
        self._bytes = joined.encode()
        self._ends = array("q", series.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy())

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"There are {len(self)} keys, number {place} is none of them.")
        return self._encoded(place % len(self)).decode()

    def __iter__(self) -> Iterator[str]:
        return (self._encoded(i).decode() for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        more = ", ..." if len(self) > 3 else ""
        return f"KeyList({', '.join(map(repr, self[:3]))}{more})"

    def place_in_order(self, text: str) -> int | None:
        """Where a text is, if the texts are sorted; None if it is nowhere."""
        wanted, low, high = text.encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._encoded(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        found = low < len(self) and self._encoded(low) == wanted
        return low if found else None

    def _encoded(self, place: int) -> bytes:
        return self._bytes[self._ends[place - 1] if place else 0 : self._ends[place]]


class EntryTable:
    """The entries of a store, sorted by key.

    Attributes:
        keys: sorted.
        mean: of all pixels of all pictures, in [0, 1].
        std: their standard deviation, in [0, 1].
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        """Takes over rows in the columns of `SCHEMA`; each key stands once."""
        frame = frame.sort("key")
        self.keys = KeyList(frame["key"])
        self.mean, self.std = grey_statistics(frame)
        self._shards = tuple(frame["shard"].unique().sort())
        codes = frame["shard"].cast(pl.Enum(self._shards)).to_physical().cast(pl.Int64)
        self._numbers = frame.select(codes.alias("shard"), *NUMBERS).to_numpy(order="c")

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, key: str) -> Place | None:
        """The place of a key."""
        row = self.keys.place_in_order(key)
        return None if row is None else self.place(row)

    def place(self, row: int) -> Place:
        """The place of the key in a row."""
        shard, *numbers = self._numbers[row].tolist()
        return Place(shard=self._shards[shard], **dict(zip(NUMBERS, numbers, strict=True)))

    def by_shard(self) -> Iterator[tuple[str, list[int]]]:
        """Each shard and its rows, in the order in which they lie on the disk."""
        shards = self._numbers[:, 0]
        order = np.lexsort((self._numbers[:, 1], shards))
        bounds = np.searchsorted(shards[order], np.arange(len(self._shards) + 1))
        for name, start, end in zip(self._shards, bounds[:-1], bounds[1:], strict=True):
            yield name, order[start:end].tolist()


def grey_statistics(frame: pl.DataFrame) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of all pictures, in [0, 1]."""
    total, squares = int(frame["total"].sum()), int(frame["squares"].sum())
    pixels = int((frame["height"] * frame["width"]).sum())
    # Whole numbers up to here: the order of the pictures does not matter.
    variance = (squares * pixels - total * total) / (pixels * pixels)
    return total / pixels / 255, float(np.sqrt(variance)) / 255
