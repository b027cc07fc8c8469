"""The image store: every radiograph of a manifest decoded once, small, ready to be mapped.

A folder with `store.json` (version, size, codec), `shards/` and `index.parquet`. The index is a
copy of what the shards say of themselves and is made anew when it is lost.
"""

import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carina.errors import StoreError
from carina.files import progress
from carina.imaging.entry_table import EntryTable, KeyList
from carina.imaging.shards import Place, read_entries
from carina.imaging.store_folder import StoreHeader, read_header, read_index

MOST_MAPPED = 256
"""Shards that are mapped at a time. Each holds a file open, of which many systems allow 1,024."""


@dataclass(frozen=True, kw_only=True)
class StoreDamage:
    """What is not whole in a store; false if all is.

    Attributes:
        images: keys of images whose bytes are damaged or gone, sorted.
        shards: (name, what is wrong) of files that do not say what the index says.
    """

    images: tuple[str, ...]
    shards: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.images or self.shards)


class ImageStore:
    """An image store, open for reading. It can be pickled, and shared by processes.

    Attributes:
        path: its folder.
        size: the shorter side of every image in pixels.
        keys: the keys of all images, sorted.
        mean: of all pixels of all images, in [0, 1].
        std: their standard deviation, in [0, 1].
    """

    path: Path
    size: int
    keys: KeyList
    mean: float
    std: float

    def __init__(self, path: Path, header: StoreHeader, entries: pl.DataFrame) -> None:
        """Holds what is known of a store; `ImageStore.open` reads it."""
        self._entries = EntryTable(entries)
        self._codec = header.codec
        self.path, self.size, self.keys = path, header.size, self._entries.keys
        self.mean, self.std = self._entries.mean, self._entries.std
        self._start_mapping()

    @classmethod
    def open(cls, path: Path) -> "ImageStore":
        """Opens a store.

        Raises:
            StoreError: there is none, it was never finished, or it is damaged.
        """
        return cls(path.absolute(), read_header(path), read_index(path))

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return self._entries.find(key) is not None

    def __getitem__(self, key: str) -> NDArray[np.uint8]:
        """The image of a key, uint8 [height, width], read-only where it need not be decoded.

        Raises:
            StoreError: the store has no such image, or its file is gone or damaged.
        """
        place = self._place(key)
        mapped = self._mapped(place.shard)
        end = place.offset + place.length
        if end > len(mapped):
            raise StoreError(f"{self.path}: {place.shard} is cut off. Pack again with --repair.")
        try:
            data = memoryview(mapped)[place.offset : end]
            return self._codec.decode(data, place.height, place.width)
        except ValueError as error:
            raise StoreError(
                f"{self.path}: the image {key!r} is damaged ({error}). Pack again with --repair."
            ) from error

    def shape(self, key: str) -> tuple[int, int]:
        """Height and width of a stored image, without reading it."""
        place = self._place(key)
        return place.height, place.width

    def source_shape(self, key: str) -> tuple[int, int]:
        """Height and width of the file that an image was made from."""
        place = self._place(key)
        return place.source_height, place.source_width

    def require(self, keys: Sequence[str]) -> None:
        """Checks that the store holds every one of some images.

        Raises:
            StoreError: it lacks some.
        """
        missing = [key for key in keys if key not in self]
        if missing:
            raise StoreError(
                f"The store lacks {len(missing)} of {len(keys)} images, such as {missing[0]!r}. "
                "Run `carina pack` again, or leave out the studies whose images cannot be read."
            )

    def verify(self) -> StoreDamage:
        """Reads every byte and names what is damaged or gone."""
        images: list[str] = []
        shards: list[tuple[str, str]] = []
        rows = self._verified(images, shards)
        for _ in progress(rows, "Verifying", len(self)):
            pass
        return StoreDamage(images=tuple(sorted(images)), shards=tuple(shards))

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._start_mapping()

    def _start_mapping(self) -> None:
        """Shards are mapped as they are asked for; those used last stay, whatever the thread."""
        self._mapped = lru_cache(MOST_MAPPED)(partial(_map_shard, self.path))

    def _place(self, key: str) -> Place:
        place = self._entries.find(key)
        if place is None:
            raise StoreError(
                f"{self.path}: the image store has no image {key!r}. It holds {len(self)} images, "
                "named as in the manifest that it was packed from; pack this manifest too."
            )
        return place

    def _verified(self, images: list[str], shards: list[tuple[str, str]]) -> Iterator[int]:
        """Passes over all rows and notes damaged images and shards."""
        for name, rows in self._entries.by_shard():
            places = {self.keys[row]: self._entries.place(row) for row in rows}
            path = self.path / "shards" / name
            try:
                listed = {entry.key: entry.place for entry in read_entries(path)}
                if not places.items() <= listed.items():
                    shards.append((name, "the index says otherwise than its own list"))
                images += _damaged(path, places)
            except StoreError:
                shards.append((name, "cut off, or its list is damaged"))
                images += _damaged(path, places)
            except OSError as error:
                shards.append((name, error.strerror or "cannot be read"))
                images += places
            yield from rows


def _damaged(path: Path, places: dict[str, Place]) -> list[str]:
    """The keys whose bytes differ from those that were written."""
    damaged = []
    with path.open("rb") as handle:
        for key, place in places.items():
            handle.seek(place.offset)
            data = handle.read(place.length)
            if len(data) != place.length or zlib.crc32(data) != place.crc32:
                damaged.append(key)
    return damaged


def _map_shard(store: Path, name: str) -> mmap.mmap:
    """Maps a shard; it stays mapped as long as an image of it is in use."""
    try:
        with (store / "shards" / name).open("rb") as handle:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{store}: {name} cannot be read ({error}). Pack again with --repair."
        ) from error
