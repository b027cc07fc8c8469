"""The files of an image store: shards that describe themselves.

A shard holds the encoded pictures one after the other, then a JSON list of its entries, then a
fixed tail (length and CRC-32 of the list, magic word). It is written under a temporary name and
moved into place, so a shard that exists is complete: after `kill -9` the folder tells by itself
what is done. Pictures are never changed; one that is packed again goes into a later shard.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.errors import ConfigError, StoreError
from carina.files import atomic_path

TAIL = struct.Struct("<QI8s")
MAGIC = b"carina01"
SUFFIX = ".shard"
COPIED_AT_ONCE = 2**20


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the bytes of a picture are, and what they decode to.

    `source_height` and `source_width` are those of the file that it was made from.
    """

    shard: str
    offset: int
    length: int
    crc32: int
    height: int
    width: int
    source_height: int
    source_width: int


@dataclass(frozen=True, kw_only=True)
class Entry(Place):
    """One picture of a shard; `total` and `squares` sum its grey levels and their squares."""

    key: str
    total: int
    squares: int

    @property
    def place(self) -> Place:
        """The place alone."""
        return Place(**{each.name: getattr(self, each.name) for each in fields(Place)})


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A radiograph that is ready to be stored."""

    key: str
    pixels: NDArray[np.uint8]
    source_height: int
    source_width: int


@dataclass(frozen=True, kw_only=True)
class RawCodec:
    """Pixels as they are: nothing to decode, read straight from the mapped file."""

    name: ClassVar[str] = "raw"

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """The pixels [height, width], row by row."""
        return pixels.tobytes()

    def decode(self, data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
        """A read-only view of the bytes."""
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width)


@dataclass(frozen=True, kw_only=True)
class JpegCodec:
    """Grey JPEG: less space, each reading decodes, and pixels are a few grey levels off.

    `quality` is libjpeg's, 1 to 100; above 95 files grow and pictures hardly gain.
    """

    name: ClassVar[str] = "jpeg"
    quality: int = 95

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ConfigError(
                f"The quality of a JPEG store must be from 1 to 100, got {self.quality}."
            )

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """A grey JPEG picture."""
        handle = io.BytesIO()
        Image.fromarray(pixels).save(handle, format="JPEG", quality=self.quality)
        return handle.getvalue()

    def decode(self, data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
        """The decoded picture, a new array.

        Raises:
            ValueError: the bytes are no such picture.
        """
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                return np.asarray(image).reshape(height, width)
        except (OSError, SyntaxError) as error:  # Pillow's words for data that are damaged
            raise ValueError(str(error)) from error


Codec = RawCodec | JpegCodec
"""How the pixels of one picture become bytes: a class for each form of a store."""
CODECS: dict[str, type[Codec]] = {RawCodec.name: RawCodec, JpegCodec.name: JpegCodec}


def codec_values(codec: Codec) -> dict[str, int | str]:
    """A codec as plain values, for a file; `codec_of` is the way back."""
    return {"codec": codec.name, **asdict(codec)}


def codec_of(values: Mapping[str, Any]) -> Codec:
    """The codec that `codec_values` described.

    Raises:
        KeyError: there is none of this name.
        TypeError: it has other settings.
    """
    settings = {name: value for name, value in values.items() if name != "codec"}
    return CODECS[str(values["codec"])](**settings)


def write_shard(path: Path, pictures: Iterable[Picture], codec: Codec) -> list[Entry]:
    """Writes a shard, whole or not at all; without any picture no file is made.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    entries: list[Entry] = []
    waiting = iter(pictures)
    first = next(waiting, None)
    if first is None:
        return entries
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        offset = 0
        for picture in chain((first,), waiting):
            data = codec.encode(picture.pixels)
            handle.write(data)
            entries.append(_describe(picture, data, path.name, offset))
            offset += len(data)
        _write_list(handle, entries)
    return entries


def read_entries(path: Path) -> list[Entry]:
    """Reads the list at the end of a shard.

    Raises:
        StoreError: the shard was cut off or overwritten.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.seek(max(0, size - TAIL.size))
        tail = handle.read(TAIL.size)
        length, crc, magic = TAIL.unpack(tail) if len(tail) == TAIL.size else (0, 0, b"")
        length = min(length, max(0, size - TAIL.size))  # a damaged one may ask for any memory
        handle.seek(size - TAIL.size - length if magic == MAGIC else 0)
        listing = handle.read(length)
    if magic != MAGIC or zlib.crc32(listing) != crc:
        raise StoreError(
            f"{path}: this part of the image store is cut off, or its list is damaged. "
            "Run `carina pack` again with --repair."
        )
    names = [field.name for field in fields(Entry)]
    return [Entry(**{name: row[name] for name in names}) for row in json.loads(listing)]


def rewrite_list(path: Path, entries: Sequence[Entry]) -> None:
    """Writes the list of a shard anew behind its pictures, which stay as they are.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        with path.open("rb") as old:
            left = max(entry.offset + entry.length for entry in entries)
            while left and (data := old.read(min(left, COPIED_AT_ONCE))):
                handle.write(data)
                left -= len(data)
        _write_list(handle, entries)


def shard_number(name: str) -> int:
    """The running number at the start of a shard's name; of two, the later one holds good."""
    number = name.split("-", maxsplit=1)[0]
    return int(number) if number.isdigit() else 0


def _write_list(handle: BinaryIO, entries: Sequence[Entry]) -> None:
    listing = json.dumps([asdict(entry) for entry in entries]).encode()
    handle.write(listing)
    handle.write(TAIL.pack(len(listing), zlib.crc32(listing), MAGIC))


def _describe(picture: Picture, data: bytes, shard: str, offset: int) -> Entry:
    """The entry of a picture whose bytes start at `offset`."""
    counts = np.array(Image.fromarray(picture.pixels).histogram())
    levels = np.arange(256)
    return Entry(
        key=picture.key,
        shard=shard,
        offset=offset,
        length=len(data),
        crc32=zlib.crc32(data),
        height=picture.pixels.shape[0],
        width=picture.pixels.shape[1],
        source_height=picture.source_height,
        source_width=picture.source_width,
        total=int(counts @ levels),
        squares=int(counts @ levels**2),
    )
