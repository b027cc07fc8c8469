"""Packs the same pictures again and again, is killed at random moments, and compares the bytes.

    python killed_pack.py FOLDER KILLS

Prints how many builds came to their end, and how many kills there were after some work was done.
"""

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from carina.imaging.building import build_store

IMAGES, SIZE = 96, 48


def items(folder: Path) -> list[tuple[str, Path]]:
    """One file under many keys, and one in three that cannot be read."""
    files = (folder / "good.png", folder / "good.png", folder / "broken.png")
    return [(f"{i:03d}", files[i % 3]) for i in range(IMAGES)]


def content(store: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def start(folder: Path, store: Path, processes: int) -> int:
    """Starts a build in a process of its own, which takes no import."""
    child = os.fork()
    if child:
        return child
    build_store(items(folder), store, SIZE, processes)
    os._exit(0)


def workers_of(process: int) -> list[int]:
    try:
        return [*map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())]
    except OSError:
        return []


def kill(child: int, chance: random.Random) -> None:
    """Ends a build, every other time with all its workers, as when the machine goes down."""
    workers = workers_of(child) if chance.random() < 0.5 else []
    for process in (child, *workers):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def main(folder: Path, kills: int) -> None:
    """Kills builds until there were enough, then lets the last one finish."""
    chance = random.Random()
    os.waitpid(start(folder, folder / "calm", 1), 0)
    expected = content(folder / "calm")
    begun = time.monotonic()
    os.waitpid(start(folder, folder / "timed", 2), 0)
    longest = time.monotonic() - begun
    ended = amid = number = 0
    store = folder / "killed-0"
    while True:
        child = start(folder, store, 2)
        if kills:
            time.sleep(chance.uniform(0, longest))
            kill(child, chance)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            kills -= 1
            packed, indexed = any((store / "shards").glob("*.shard")), store / "index.parquet"
            amid += packed and not indexed.exists()
            continue
        assert status == 0, "a build failed"
        assert content(store) == expected, sorted(content(store).keys() ^ expected.keys())
        ended += 1
        if not kills:
            break
        number += 1
        store = folder / f"killed-{number}"
    print(f"{ended} builds ended, {amid} kills amid the work")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
