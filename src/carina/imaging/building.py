"""Builds, completes and repairs image stores.

A build is planned from the index and the list of images alone, and the index is written last. So
a build that was killed is planned the same way again, finds its shards by what they hold, and ends
with the bytes of one that was never disturbed, whatever the number of processes.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carina.errors import ConfigError, OutputError, StoreError
from carina.files import progress
from carina.imaging.entry_table import SCHEMA, EntryTable
from carina.imaging.packing import Packed, Task, pack_all, state_of
from carina.imaging.shards import (
    SUFFIX,
    Codec,
    Entry,
    RawCodec,
    codec_values,
    rewrite_list,
    shard_number,
)
from carina.imaging.store import ImageStore
from carina.imaging.store_folder import (
    StoreHeader,
    locked,
    read_header,
    read_index,
    read_lists,
    settle_header,
    shard_sizes,
    write_index,
)

MOST_IN_A_SHARD = 64
KEYS_AT_ONCE = 4096
FEWEST_FOR_PROCESSES = 24
"""Below this many images, starting processes takes longer than the work."""
RAW = RawCodec()
Items = Sequence[tuple[str, Path]]


@dataclass(frozen=True, kw_only=True)
class StoreSummary:
    """What a build did: images written now, kept from before, and (key, reason) of unreadable.

    `newer` are the keys of kept images whose files were written after they had been packed.
    """

    written: int
    kept: int
    unreadable: tuple[tuple[str, str], ...]
    newer: tuple[str, ...] = ()


def build_store(
    items: Items, out: Path, size: int, processes: int | None = None, *, codec: Codec = RAW
) -> StoreSummary:
    """Builds an image store, or completes one: what is there already is kept.

    Files that cannot be read are named in the summary and left out; they are tried again by the
    next build. The build may be killed at any moment and started again.

    Args:
        items: the key (the radiograph's path in the manifest) and the file of each image. Items
            are made when they are asked for, so a sequence may make them then.
        out: folder of the store.
        size: the shorter side of the stored images in pixels; aspect is kept.
        processes: how many to use; all cores by default.
        codec: the form of the stored images: pixels as they are, or `JpegCodec` for sets that
            outgrow the disk.

    Raises:
        StoreError: a key is given twice, the folder holds a store of another size or form, another
            build is writing it, or not one image could be read.
        OutputError: the disk is full, or the folder may not be written; images that are complete
            stay.
    """
    if size < 16:
        raise ConfigError(f"The size of an image store must be at least 16 pixels, got {size}.")
    keys = _checked_keys(items)
    header = StoreHeader(size=size, codec=codec)
    with locked(out) as lock:
        settle_header(out, header)
        return _build(items, keys, out, header, processes, lock)


def repair_store(items: Items, out: Path, processes: int | None = None) -> StoreSummary:
    """Packs damaged images of a store again, and those whose files are newer; adds the missing.

    What is whole stays as it is; lists of shards and the index are mended where they are not.

    Args:
        items: as for `build_store`; a damaged image that is not among them is dropped.
        out: folder of the store.
        processes: how many to use; all cores by default.

    Raises:
        StoreError: `out` is no image store, or another build is writing it.
    """
    header, keys = read_header(out), _checked_keys(items)
    with locked(out) as lock:
        _drop_damaged(out, header, newer_than_packed(items, out))
        return _build(items, keys, out, header, processes, lock)


def _checked_keys(items: Items) -> pl.Series:
    """The keys, each given once."""
    if not len(items):
        raise StoreError("There is no image to pack: the manifest names no radiograph.")
    parts = [
        pl.Series("key", [items[i][0] for i in range(start, min(start + KEYS_AT_ONCE, len(items)))])
        for start in range(0, len(items), KEYS_AT_ONCE)
    ]
    keys = pl.concat(parts)
    twice = np.flatnonzero(keys.is_duplicated().to_numpy())
    if len(twice):
        key, first = items[int(twice[0])]
        second = next(items[int(i)][1] for i in twice[1:] if items[int(i)][0] == key)
        raise StoreError(
            f"Two images have the key {key!r}: {first} and {second}. Keys are paths of the "
            "manifest and must differ; remove the repeated row."
        )
    return keys


def _build(
    items: Items, keys: pl.Series, out: Path, header: StoreHeader, processes: int | None, lock: int
) -> StoreSummary:
    """Packs what is missing and writes the index."""
    plan = _plan(keys, out)
    unreadable = _packed(_tasks(items, plan, out, header), plan.to_do, processes, lock)
    held, found = _contents(out)
    entries = pl.concat([held.join(found, on="key", how="anti"), found])
    if entries.is_empty():
        raise StoreError(
            f"{out}: none of {len(items)} images could be read. The first: {unreadable[0][1]}"
        )
    write_index(out, entries)
    return StoreSummary(
        written=plan.to_do - len(unreadable),
        kept=len(items) - plan.to_do,
        unreadable=tuple(unreadable),
        newer=newer_than_packed(items, out) if plan.to_do < len(items) else (),
    )


def newer_than_packed(items: Items, out: Path) -> tuple[str, ...]:
    """The keys of stored images whose files were written after the shard that holds them.

    Either the file was changed, and the store shows what it was before, or it was only copied
    anew; the times alone do not tell.

    Args:
        items: as for `build_store`.
        out: folder of the store.
    """
    index = _indexed(out)
    if index.is_empty():
        return ()
    held = EntryTable(index)
    written = {name: (out / "shards" / name).stat().st_mtime_ns for name in shard_sizes(out)}
    newer = []
    for key, path in items:
        place, state = held.find(key), state_of(path)
        if place is not None and state is not None:
            _, _, changed = state
            if changed > written.get(place.shard, changed):
                newer.append(key)
    return tuple(newer)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What a build has to do.

    `pending` are the items that the index lacks, in order, and are cut into shards; `found` says
    of every item whether a shard that the index does not know yet holds it. Shards are numbered
    from `first`.
    """

    pending: NDArray[np.int64]
    found: NDArray[np.bool_]
    first: int

    @property
    def to_do(self) -> int:
        """How many images are to be packed."""
        return int((~self.found[self.pending]).sum())


def _plan(keys: pl.Series, out: Path) -> _Plan:
    """Plans from the index alone, which a killed build leaves as it was."""
    held, found = _contents(out)
    return _Plan(
        pending=np.flatnonzero(~keys.is_in(held["key"].implode()).to_numpy()),
        found=keys.is_in(found["key"].implode()).to_numpy(),
        first=1 + max(map(shard_number, _indexed(out)["shard"].unique()), default=-1),
    )


def _indexed(out: Path) -> pl.DataFrame:
    """The index, or no rows where it is missing or damaged: the shards say the same."""
    try:
        return read_index(out)
    except StoreError:
        return pl.DataFrame(schema=SCHEMA)


def _contents(out: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a store holds by its index and, for shards that the index misses, by themselves."""
    index, sizes = _indexed(out), shard_sizes(out)
    there = pl.DataFrame(
        {"shard": list(sizes), "bytes": list(sizes.values())},
        schema={"shard": pl.String, "bytes": pl.Int64},
    )
    held = index.join(there, on="shard", how="inner").filter(
        pl.col("offset") + pl.col("length") <= pl.col("bytes")
    )
    unknown = sorted(sizes.keys() - set(index["shard"].unique()), key=_age)
    found, damaged = read_lists([out / "shards" / name for name in unknown])
    for path in damaged:
        path.unlink()  # by a copy that failed, or a disk; its images are packed again
    return held.select(list(SCHEMA)), found


def _age(shard: str) -> tuple[int, str]:
    return shard_number(shard), shard


def _tasks(items: Items, plan: _Plan, out: Path, header: StoreHeader) -> Iterator[Task]:
    """Cuts the work into shards as it is asked for."""
    # Small sets are cut finer, so that all processes have some. The number of processes must not
    # count: it may differ when a build goes on.
    step = max(1, min(MOST_IN_A_SHARD, -(-len(plan.pending) // MOST_IN_A_SHARD)))
    for number, start in enumerate(range(0, len(plan.pending), step)):
        rows = plan.pending[start : start + step]
        chosen = [items[row] for row in rows[~plan.found[rows]].tolist()]
        if chosen:
            listing = "\n".join(key for key, _ in chosen)
            digest = hashlib.blake2b(listing.encode(), digest_size=6).hexdigest()
            yield Task(
                number=number,
                shard=str(out / "shards" / f"{plan.first + number:06d}-{digest}{SUFFIX}"),
                size=header.size,
                codec=codec_values(header.codec),
                items=tuple((key, str(path)) for key, path in chosen),
            )


def _packed(
    tasks: Iterator[Task], total: int, processes: int | None, lock: int
) -> list[tuple[str, str]]:
    """Does the tasks and gives what could not be read, in order; a full disk ends the build."""
    count = processes or len(os.sched_getaffinity(0))
    if processes is None and total < FEWEST_FOR_PROCESSES:
        count = 1
    unreadable: list[tuple[int, tuple[str, str]]] = []
    for packed in progress(_ticks(pack_all(tasks, count, lock)), "Packing", total):
        if packed is None:
            continue
        if packed.failed:
            raise OutputError(packed.failed)
        unreadable += [(packed.number, row) for row in packed.unreadable]
    return [row for _, row in sorted(unreadable, key=lambda pair: pair[0])]


def _ticks(results: Iterator[Packed]) -> Iterator[Packed | None]:
    """Follows each result by as many None as it has further images, for the progress bar."""
    for packed in results:
        yield packed
        yield from [None] * (packed.written + len(packed.unreadable) - 1)


def _drop_damaged(out: Path, header: StoreHeader, outdated: Sequence[str]) -> None:
    """Takes what is damaged or outdated out of the index, so that it is packed again.

    Whole lists of shards hold good against the index; the index speaks for the others.
    """
    sizes = shard_sizes(out)
    listed, unlisted = read_lists(out / "shards" / name for name in sorted(sizes, key=_age))
    index, silent = _indexed(out), [path.name for path in unlisted]
    spoken_for = index.filter(pl.col("shard").is_in(silent))
    entries = pl.concat([listed, spoken_for.join(listed, on="key", how="anti")])
    if len(entries):
        damage = ImageStore(out, header, entries).verify()
        entries = entries.filter(~pl.col("key").is_in([*damage.images, *outdated]))
    write_index(out, entries)
    used = set(entries["shard"].unique())
    for name in sizes.keys() - used:
        (out / "shards" / name).unlink()
    for name in used.intersection(silent):
        rows = entries.filter(pl.col("shard") == name).sort("offset")
        rewrite_list(out / "shards" / name, [Entry(**row) for row in rows.to_dicts()])
