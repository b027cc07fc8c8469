"""The files of an image store: shards that describe themselves.

A shard holds the encoded pictures one after the other, then a JSON list of its entries, then a
fixed tail (length and CRC-32 of the list, magic word). It is written under a temporary name and
moved into place, so a shard that exists is complete: after `kill -9` the folder tells by itself
what is done. Shards are never changed; a picture that is packed again goes into a later shard.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.errors import StoreError
from carina.files import atomic_path

TAIL = struct.Struct("<QI8s")
MAGIC = b"carina01"
SUFFIX = ".shard"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One picture of a shard: where its bytes lie and what they decode to.

    `source_height` and `source_width` are those of the file that it was made from. `total` and
    `squares` are the sums of its grey levels and of their squares.
    """

    key: str
    shard: str
    offset: int
    length: int
    crc32: int
    height: int
    width: int
    source_height: int
    source_width: int
    total: int
    squares: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A radiograph that is ready to be stored."""

    key: str
    pixels: NDArray[np.uint8]
    source_height: int
    source_width: int


@runtime_checkable
class Codec(Protocol):
    """How the pixels of one picture become bytes."""

    name: str

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """Turns a picture [height, width] into bytes."""
        ...

    def decode(self, data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
        """Turns the bytes back into the picture."""
        ...


class RawCodec:
    """Pixels as they are: nothing to decode, read straight from the mapped file."""

    name = "raw"

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """The pixels, row by row."""
        return pixels.tobytes()

    def decode(self, data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
        """A read-only view of the bytes."""
        return np.frombuffer(data, dtype=np.uint8).reshape(height, width)


class JpegCodec:
    """JPEG at quality 95: about a fifth of the space, a grey level or two off."""

    name = "jpeg"

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """A grey JPEG picture."""
        handle = io.BytesIO()
        Image.fromarray(pixels).save(handle, format="JPEG", quality=95)
        return handle.getvalue()

    def decode(self, data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
        """The decoded picture, a new array."""
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return np.asarray(image).reshape(height, width)


CODECS: dict[str, Codec] = {codec.name: codec for codec in (RawCodec(), JpegCodec())}


def write_shard(path: Path, pictures: Iterable[Picture], codec: Codec) -> list[Entry]:
    """Writes a shard, whole or not at all; without any picture no file is made.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    entries: list[Entry] = []
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        offset = 0
        for picture in pictures:
            data = codec.encode(picture.pixels)
            handle.write(data)
            entries.append(_describe(picture, data, path.name, offset))
            offset += len(data)
        listing = json.dumps([asdict(entry) for entry in entries]).encode()
        handle.write(listing)
        handle.write(TAIL.pack(len(listing), zlib.crc32(listing), MAGIC))
    if not entries:
        path.unlink()
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
        handle.seek(max(0, size - TAIL.size - length))
        listing = handle.read(length)
    if magic != MAGIC or zlib.crc32(listing) != crc:
        raise StoreError(
            f"{path}: this part of the image store is cut off or damaged. "
            "Run `carina pack` again with --repair."
        )
    names = [field.name for field in fields(Entry)]
    return [Entry(**{name: row[name] for name in names}) for row in json.loads(listing)]


def shard_number(path: Path) -> int:
    """The running number at the start of a shard's name; of two, the later one holds good."""
    number = path.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def grey_statistics(entries: Sequence[Entry]) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of all pictures, in [0, 1]."""
    pixels = sum(entry.height * entry.width for entry in entries)
    total = sum(entry.total for entry in entries)
    squares = sum(entry.squares for entry in entries)
    # Whole numbers up to here: the order of the pictures does not matter.
    variance = (squares * pixels - total * total) / (pixels * pixels)
    return total / pixels / 255, float(np.sqrt(variance)) / 255


def _describe(picture: Picture, data: bytes, shard: str, offset: int) -> Entry:
    """The entry of a picture whose bytes start at `offset`."""
    counts = np.bincount(picture.pixels.ravel(), minlength=256)
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
