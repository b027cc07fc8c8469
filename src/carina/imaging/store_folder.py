"""What lies in the folder of an image store: `store.json`, `index.parquet`, `shards/`, a lock."""

import fcntl
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from carina.errors import OutputError, StoreError
from carina.files import atomic_path, write_error, write_text
from carina.imaging.entry_table import SCHEMA
from carina.imaging.shards import CODECS, SUFFIX, Codec, Entry, codec_of, codec_values, read_entries

VERSION = 1
REBUILD_HINT = "Run `carina pack` again: it keeps what is complete."
ROWS_AT_ONCE = 4096
LOCK_PATIENCE_S = 3.0
"""How long a build waits for the lock: workers of one that was killed end within this time."""


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """What all images of a store have in common: shorter side in pixels, and form."""

    size: int
    codec: Codec

    def __str__(self) -> str:
        values = codec_values(self.codec)
        form = " ".join([str(values.pop("codec")), *(f"{k} {v}" for k, v in values.items())])
        return f"size {self.size} and form {form}"


def read_header(store: Path) -> StoreHeader:
    """Reads `store.json`.

    Raises:
        StoreError: there is none, it is damaged, or of another version.
    """
    try:
        values = json.loads((store / "store.json").read_text(encoding="utf-8"))
        version, size, name = values.pop("version"), int(values.pop("size")), values["codec"]
    except FileNotFoundError:
        raise StoreError(
            f"{store}: this is no image store (no store.json). Make one with `carina pack`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(_unreadable_header(store, error)) from error
    if version != VERSION or name not in CODECS:
        raise StoreError(
            f"{store}: the image store has version {version} and form {name}, this carina reads "
            f"version {VERSION} and {' or '.join(CODECS)}. Pack again into a new folder, or read "
            f"it with the carina that packed it."
        )
    try:
        return StoreHeader(size=size, codec=codec_of(values))
    except TypeError as error:
        raise StoreError(_unreadable_header(store, error)) from error


def settle_header(store: Path, header: StoreHeader) -> None:
    """Writes the header of a new store; a store of another kind is not touched.

    Raises:
        StoreError: the store has another size or form.
        OutputError: the disk is full, or the place may not be written.
    """
    if not (store / "store.json").exists():
        values = {"version": VERSION, "size": header.size, **codec_values(header.codec)}
        write_text(store / "store.json", json.dumps(values) + "\n")
        return
    found = read_header(store)
    if found != header:
        raise StoreError(
            f"{store}: the image store has {found}, asked for were {header}. Name a new folder, "
            "or delete this one."
        )


def read_index(store: Path) -> pl.DataFrame:
    """Reads `index.parquet`, in the columns of `SCHEMA`.

    Raises:
        StoreError: it is missing, damaged or empty.
    """
    path = store / "index.parquet"
    if not path.exists():
        raise StoreError(f"{store}: the image store was not finished. {REBUILD_HINT}")
    try:
        # Not mapped: a map holds the file open, and a damaged disk would end the process.
        rows = pl.read_parquet(path, memory_map=False, columns=list(SCHEMA)).cast(dict(SCHEMA))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(f"{store}: index.parquet is damaged. {REBUILD_HINT}") from error
    if rows.is_empty():
        raise StoreError(f"{store}: the image store holds no image. {REBUILD_HINT}")
    return rows


def write_index(store: Path, entries: pl.DataFrame) -> None:
    """Writes `index.parquet`, sorted by key: equal entries give equal bytes.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    with atomic_path(store / "index.parquet") as temporary:
        entries.sort("key").write_parquet(temporary)


def shard_sizes(store: Path) -> dict[str, int]:
    """The shards that are there, in order, and their sizes in bytes."""
    paths = sorted((store / "shards").glob(f"*{SUFFIX}"))
    return {path.name: path.stat().st_size for path in paths}


def read_lists(paths: Iterable[Path]) -> tuple[pl.DataFrame, list[Path]]:
    """What shards say of themselves, and the shards whose lists are damaged.

    Of two entries of one key, that of the later shard holds good.
    """
    parts, rows, damaged = [pl.DataFrame(schema=SCHEMA)], list[Entry](), list[Path]()
    for path in paths:
        try:
            rows += read_entries(path)
        except StoreError:
            damaged.append(path)
        if len(rows) >= ROWS_AT_ONCE:
            parts.append(_frame(rows))
            rows = []
    frame = pl.concat([*parts, _frame(rows)])
    if frame["key"].n_unique() < len(frame):  # spares a copy of all rows where no key is twice
        frame = frame.unique("key", keep="last", maintain_order=True)
    return frame, damaged


@contextmanager
def locked(store: Path) -> Iterator[int]:
    """Holds a store for one writer; gives the lock's descriptor, for workers to hold it too.

    The lock ends with the last process that holds it, however that ends.

    Raises:
        OutputError: the folder may not be written, or holds something else.
        StoreError: another build is writing.
    """
    if store.exists() and not (store / "store.json").exists() and _foreign(store):
        raise OutputError(
            f"{store}: this is no image store and holds other files. Name a new folder."
        )
    try:
        (store / "shards").mkdir(parents=True, exist_ok=True)
        lock = (store / ".lock").open("wb")
    except OSError as error:
        raise write_error(store, error) from error
    with lock:
        _wait_for(lock.fileno(), store)
        _drop_leftovers(store)
        try:
            yield lock.fileno()
        finally:
            _drop_leftovers(store)


def _wait_for(lock: int, store: Path) -> None:
    """Takes the lock."""
    end = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise StoreError(
                    f"{store}: another build is writing this image store. Wait until it is done, "
                    "or stop it and start again; nothing that is complete will be lost."
                ) from None
        except OSError as error:
            raise write_error(store, error) from error
        time.sleep(0.05)


def _drop_leftovers(store: Path) -> None:
    """Deletes what a build had begun when it was stopped."""
    for folder in (store, store / "shards"):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def _foreign(store: Path) -> bool:
    """Whether a folder holds something that no build left there."""
    if not store.is_dir():
        return True
    ours = ("shards", ".lock")
    return any(
        item.name not in ours and not (item.name.startswith(".store.json."))
        for item in store.iterdir()
    )


def _frame(rows: list[Entry]) -> pl.DataFrame:
    return pl.DataFrame([asdict(row) for row in rows], schema=SCHEMA)


def _unreadable_header(store: Path, error: Exception) -> str:
    return f"{store}/store.json cannot be read ({error}). Delete the folder and pack again."
