"""The image store: every radiograph of a manifest decoded once, small, ready to be mapped.

A folder with `store.json` (version, size, codec), `shards/` and `index.parquet`. The index is a
copy of what the shards say of themselves and is made anew when it is lost.
"""

import fcntl
import json
import mmap
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carina.errors import ConfigError, OutputError, StoreError
from carina.files import atomic_path, progress, write_error, write_text
from carina.imaging.packing import Packed, Task, pack_all
from carina.imaging.shards import (
    CODECS,
    SUFFIX,
    Codec,
    Entry,
    JpegCodec,
    RawCodec,
    grey_statistics,
    read_entries,
    shard_number,
)

VERSION = 1
IMAGES_PER_SHARD = 64
FEWEST_FOR_PROCESSES = 24
"""Below this many images, starting processes takes longer than the work."""
REBUILD_HINT = "Run `carina pack` again: it keeps what is complete."


@dataclass(frozen=True, kw_only=True)
class StoreSummary:
    """What a build did: images written now, kept from before, and (key, reason) of unreadable."""

    written: int
    kept: int
    unreadable: tuple[tuple[str, str], ...]


class ImageStore:
    """An image store, open for reading. It can be pickled, and shared by processes.

    Attributes:
        path: its folder.
        size: the shorter side of every image in pixels.
        keys: the keys of all images, sorted.
        mean: of all pixels of all images, in [0, 1].
        std: their standard deviation, in [0, 1].
    """

    def __init__(self, path: Path, size: int, codec: Codec, entries: Sequence[Entry]) -> None:
        self.path = path
        self.size = size
        self.keys = tuple(entry.key for entry in entries)
        self.mean, self.std = grey_statistics(entries)
        self._codec = codec
        self._entries = {entry.key: entry for entry in entries}
        self._mapped: dict[str, mmap.mmap] = {}

    @classmethod
    def open(cls, path: Path) -> "ImageStore":
        """Opens a store.

        Raises:
            StoreError: there is none, it was never finished, or it is damaged.
        """
        header = _read_header(path)
        if not (path / "index.parquet").exists():
            raise StoreError(f"{path}: the image store was not finished. {REBUILD_HINT}")
        entries = sorted(_read_index(path), key=lambda entry: entry.key)
        return cls(path, header.size, CODECS[header.codec], entries)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> NDArray[np.uint8]:
        """The image of a key, uint8 [height, width], read-only.

        Raises:
            StoreError: the store has no such image, or its file is gone.
        """
        entry = self._entry(key)
        mapped = self._mapped.get(entry.shard) or self._map(entry.shard)
        end = entry.offset + entry.length
        if end > len(mapped):
            raise StoreError(f"{self.path}: {entry.shard} is cut off. Pack again with --repair.")
        data = memoryview(mapped)[entry.offset : end]
        return self._codec.decode(data, entry.height, entry.width)

    def shape(self, key: str) -> tuple[int, int]:
        """Height and width of a stored image, without reading it."""
        entry = self._entry(key)
        return entry.height, entry.width

    def source_shape(self, key: str) -> tuple[int, int]:
        """Height and width of the file that an image was made from."""
        entry = self._entry(key)
        return entry.source_height, entry.source_width

    def verify(self) -> list[str]:
        """Reads every byte and gives the keys whose images are damaged or gone."""
        return [key for key in progress(self.keys, "Verifying", len(self)) if self._damaged(key)]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_mapped": {}}

    def _entry(self, key: str) -> Entry:
        try:
            return self._entries[key]
        except KeyError:
            raise StoreError(
                f"{self.path}: the image store has no image {key!r}. It holds {len(self)} images, "
                "named as in the manifest that it was packed from; pack this manifest too."
            ) from None

    def _map(self, shard: str) -> mmap.mmap:
        try:
            with (self.path / "shards" / shard).open("rb") as handle:
                self._mapped[shard] = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.path}: {shard} cannot be read ({error}). Pack again with --repair."
            ) from error
        return self._mapped[shard]

    def _damaged(self, key: str) -> bool:
        entry = self._entries[key]
        try:
            mapped = self._mapped.get(entry.shard) or self._map(entry.shard)
        except StoreError:
            return True
        data = mapped[entry.offset : entry.offset + entry.length]
        return len(data) != entry.length or zlib.crc32(data) != entry.crc32


def build_store(
    items: Sequence[tuple[str, Path]],
    out: Path,
    size: int,
    processes: int | None = None,
    *,
    compressed: bool = False,
) -> StoreSummary:
    """Builds an image store, or completes one: what is there already is kept.

    Files that cannot be read are named in the summary and left out; they are tried again by the
    next build. The build may be killed at any moment and started again.

    Args:
        items: the key (the radiograph's path in the manifest) and the file of each image.
        out: folder of the store.
        size: the shorter side of the stored images in pixels; aspect is kept.
        processes: how many to use; all cores by default.
        compressed: stores JPEG data instead of pixels, for sets that outgrow the disk.

    Raises:
        StoreError: a key is given twice, the folder holds a store of another size or form, another
            build is writing it, or not one image could be read.
        OutputError: the disk is full, or the folder may not be written; images that are complete
            stay.
    """
    _check_items(items, size)
    header = _Header(size=size, codec=(JpegCodec if compressed else RawCodec).name)
    with _locked(out):
        _settle_header(out, header)
        held = _collect(out)
        missing = [(key, path) for key, path in items if key not in held]
        added, unreadable = _pack_missing(missing, out, header, processes)
        held |= {entry.key: entry for entry in added}
        if not held:
            raise StoreError(
                f"{out}: none of {len(items)} images could be read. The first: {unreadable[0][1]}"
            )
        _write_index(out, held)
    return StoreSummary(
        written=len(added), kept=len(items) - len(missing), unreadable=tuple(unreadable)
    )


def repair_store(
    items: Sequence[tuple[str, Path]], out: Path, processes: int | None = None
) -> StoreSummary:
    """Packs damaged images of a store again, and adds those that are missing.

    Args:
        items: as for `build_store`; a damaged image that is not among them is dropped.
        out: folder of the store.
        processes: how many to use; all cores by default.

    Raises:
        StoreError: `out` is no image store, or another build is writing it.
    """
    header = _read_header(out)
    with _locked(out):
        held = _collect(out)
        if held:
            store = ImageStore(out, header.size, CODECS[header.codec], list(held.values()))
            for key in store.verify():
                del held[key]
        _write_index(out, held)
        _drop_unused_shards(out, held)
    return build_store(
        items, out, header.size, processes, compressed=header.codec == JpegCodec.name
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What all images of a store have in common."""

    size: int
    codec: str


def _check_items(items: Sequence[tuple[str, Path]], size: int) -> None:
    """Refuses nonsense before anything is written."""
    if size < 16:
        raise ConfigError(f"The size of an image store must be at least 16 pixels, got {size}.")
    if not items:
        raise StoreError("There is no image to pack: the manifest names no radiograph.")
    seen: dict[str, Path] = {}
    for key, path in items:
        if key in seen:
            raise StoreError(
                f"Two images have the key {key!r}: {seen[key]} and {path}. Keys are paths of the "
                "manifest and must differ; remove the repeated row."
            )
        seen[key] = path


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Holds the store for one writer; the lock ends with the process, however that ends."""
    if out.exists() and not (out / "store.json").exists() and _foreign(out):
        raise OutputError(
            f"{out}: this is no image store and holds other files. Name a new folder."
        )
    try:
        (out / "shards").mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("wb")
    except OSError as error:
        raise write_error(out, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{out}: another build is writing this image store. Wait until it is done, or "
                "stop it and start again; nothing that is complete will be lost."
            ) from None
        _drop_leftovers(out)
        try:
            yield
        finally:
            _drop_leftovers(out)


def _drop_leftovers(out: Path) -> None:
    """Deletes what workers had begun when they were killed."""
    for leftover in (out / "shards").glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _foreign(out: Path) -> bool:
    """Whether a folder holds something that no build left there."""
    if not out.is_dir():
        return True
    return any(item.name not in ("shards", ".lock") for item in out.iterdir())


def _settle_header(out: Path, header: _Header) -> None:
    """Writes the header of a new store; a store of another kind is not touched."""
    if not (out / "store.json").exists():
        text = json.dumps({"version": VERSION, "size": header.size, "codec": header.codec})
        write_text(out / "store.json", text + "\n")
        return
    found = _read_header(out)
    if found != header:
        raise StoreError(
            f"{out}: the image store has size {found.size} and form {found.codec}, asked for were "
            f"size {header.size} and form {header.codec}. Name a new folder, or delete this one."
        )


def _read_header(path: Path) -> _Header:
    """Reads `store.json`."""
    try:
        values = json.loads((path / "store.json").read_text(encoding="utf-8"))
        version, size, codec = values["version"], int(values["size"]), str(values["codec"])
    except FileNotFoundError:
        raise StoreError(
            f"{path}: this is no image store (no store.json). Make one with `carina pack`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}/store.json cannot be read ({error}). Delete the folder and pack again."
        ) from error
    if version != VERSION or codec not in CODECS:
        raise StoreError(
            f"{path}: the image store has version {version} and form {codec}, this carina reads "
            f"version {VERSION} and {', '.join(CODECS)}. Pack again into a new folder."
        )
    return _Header(size=size, codec=codec)


def _read_index(path: Path) -> list[Entry]:
    """Reads `index.parquet`."""
    try:
        rows = pl.read_parquet(path / "index.parquet").to_dicts()
        return [Entry(**row) for row in rows]
    except (pl.exceptions.PolarsError, OSError, TypeError) as error:
        raise StoreError(f"{path}: index.parquet is damaged. {REBUILD_HINT}") from error


def _write_index(out: Path, held: dict[str, Entry]) -> None:
    """Writes `index.parquet`, sorted by key."""
    rows = [asdict(held[key]) for key in sorted(held)]
    schema = {
        name: pl.String if kind is str else pl.Int64 for name, kind in Entry.__annotations__.items()
    }
    with atomic_path(out / "index.parquet") as temporary:
        pl.DataFrame(rows, schema=schema).write_parquet(temporary)


def _collect(out: Path) -> dict[str, Entry]:
    """What a store holds by its index and, for shards that the index misses, by themselves."""
    shards = {path.name: path.stat().st_size for path in (out / "shards").glob(f"*{SUFFIX}")}
    try:
        indexed = _read_index(out) if (out / "index.parquet").exists() else []
    except StoreError:
        indexed = []
    held = {
        entry.key: entry
        for entry in indexed
        if entry.offset + entry.length <= shards.get(entry.shard, -1)
    }
    unknown = set(shards) - {entry.shard for entry in indexed}
    for path in sorted((out / "shards" / name for name in unknown), key=shard_number):
        try:
            held |= {entry.key: entry for entry in read_entries(path)}
        except StoreError:
            path.unlink()  # cut off, by a copy that failed; its images are packed again
    return held


def _drop_unused_shards(out: Path, held: dict[str, Entry]) -> None:
    """Deletes shards of which no image is in use any more."""
    used = {entry.shard for entry in held.values()}
    for path in (out / "shards").glob(f"*{SUFFIX}"):
        if path.name not in used:
            path.unlink()


def _pack_missing(
    missing: Sequence[tuple[str, Path]], out: Path, header: _Header, processes: int | None
) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Packs images into new shards; a disk that is full ends the build."""
    count = processes or len(os.sched_getaffinity(0))
    if processes is None and len(missing) < FEWEST_FOR_PROCESSES:
        count = 1
    tasks = _tasks(missing, out, header, count)
    added: list[Entry] = []
    unreadable: list[tuple[str, str]] = []
    done = progress(_one_tick_an_image(pack_all(tasks, count)), "Packing", len(missing))
    for packed in done:
        if packed is None:
            continue
        if packed.failed:
            raise OutputError(packed.failed)
        added.extend(packed.entries)
        unreadable.extend(packed.unreadable)
    order = {key: i for i, (key, _) in enumerate(missing)}
    return added, sorted(unreadable, key=lambda pair: order[pair[0]])


def _one_tick_an_image(results: Iterator[Packed]) -> Iterator[Packed | None]:
    """Follows each result by as many None as it has further images, for the progress bar."""
    for packed in results:
        yield packed
        yield from [None] * (len(packed.entries) + len(packed.unreadable) - 1)


def _tasks(
    missing: Sequence[tuple[str, Path]], out: Path, header: _Header, processes: int
) -> list[Task]:
    """Cuts the work into shards, small enough to keep all processes busy."""
    step = max(1, min(IMAGES_PER_SHARD, -(-len(missing) // (4 * processes))))
    first = 1 + max(map(shard_number, (out / "shards").glob(f"*{SUFFIX}")), default=-1)
    # The name differs from that of any other build: a worker that outlives a killed build by a
    # moment must not write over what the next build makes.
    token = secrets.token_hex(4)
    return [
        Task(
            shard=str(out / "shards" / f"{first + i:06d}-{token}{SUFFIX}"),
            size=header.size,
            codec=header.codec,
            items=tuple((key, str(path)) for key, path in missing[start : start + step]),
        )
        for i, start in enumerate(range(0, len(missing), step))
    ]
