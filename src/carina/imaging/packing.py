"""Packs radiographs into shards, with all cores.

A decoder that crashes on one file takes a worker down, not the build: that file is named.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from multiprocessing.connection import wait
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carina.errors import OutputError, RadiographError, StoreError
from carina.imaging.helper_process import serve, start_helper
from carina.imaging.reader import RadiographHeader, probe, read_grey8
from carina.imaging.shards import SUFFIX, Picture, codec_of, write_shard
from carina.imaging.told_levels import told_apart

MOST_DEATHS = 12
"""Of workers in a row; one broken file costs two."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some radiographs, as (key, path), that become one shard; `number` counts the tasks."""

    number: int
    shard: str
    size: int
    codec: Mapping[str, int | str]
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What became of a task: images written, (key, reason) of those that could not be read.

    `failed` says why the shard could not be written.
    """

    number: int
    written: int
    unreadable: tuple[tuple[str, str], ...]
    failed: str | None = None


def pack(task: Task) -> Packed:
    """Reads and shrinks the radiographs of a task and writes their shard."""
    unreadable: list[tuple[str, str]] = []
    pictures, codec = _pictures(task, unreadable), codec_of(task.codec)
    try:
        written = len(write_shard(Path(task.shard), pictures, codec))
    except OutputError as error:
        return Packed(number=task.number, written=0, unreadable=(), failed=str(error))
    return Packed(number=task.number, written=written, unreadable=tuple(unreadable))


def pack_all(tasks: Iterator[Task], processes: int, lock: int) -> Iterator[Packed]:
    """Packs tasks, in any order, and yields what became of each as it is done.

    A task is taken when a worker is free for it, so there are never more than `processes` of them.

    Args:
        tasks: what to do.
        processes: workers to start; with one, this process does the work itself.
        lock: descriptor of the store's lock, which every worker holds too.

    Raises:
        StoreError: process after process ends without an answer.
    """
    if processes == 1:
        yield from map(pack, tasks)
        return
    deaths = 0  # in a row
    again: deque[Task] = deque()
    workers: list[_Worker] = []
    try:
        while True:
            _hand_out(chain(_drained(again), tasks), workers, processes, lock)
            busy = {worker.answers.fileno(): worker for worker in workers if worker.task}
            if not busy:
                return
            for answers in wait(list(busy)):
                task, packed = busy[cast(int, answers)].receive()
                deaths = deaths + 1 if packed is None else 0
                if deaths == MOST_DEATHS:
                    raise StoreError(
                        f"{MOST_DEATHS} processes in a row ended before they had decoded an image; "
                        "memory may be short, or the installation broken. Pack with --processes 1 "
                        "to see why; images that are complete are kept."
                    )
                if packed is not None:
                    yield packed
                elif len(task.items) > 1:
                    again.extend(_one_by_one(task))
                else:
                    yield _crashed(task)
    finally:
        for worker in workers:
            worker.stop()


def _hand_out(tasks: Iterator[Task], workers: list["_Worker"], processes: int, lock: int) -> None:
    """Gives every worker something to do; starts workers as long as there is work for them."""
    for worker in workers:
        if worker.task is None and (task := next(tasks, None)):
            worker.send(task)
    while len(workers) < processes and (task := next(tasks, None)):
        workers.append(_Worker(lock))
        workers[-1].send(task)


def _drained(waiting: deque[Task]) -> Iterator[Task]:
    """Takes tasks from the front as they are asked for."""
    while waiting:
        yield waiting.popleft()


def shrink(path: Path, size: int) -> tuple[NDArray[np.uint8], int, int]:
    """Reads a radiograph and brings its shorter side to `size` pixels, aspect kept.

    Returns:
        uint8 [height, width], and height and width of the source.

    Raises:
        RadiographError: the file cannot be read as a radiograph.
    """
    header = probe(path)
    levels = read_grey8(path, short_side=size)
    short = min(header.height, header.width)
    shape = (round(header.width * size / short), round(header.height * size / short))
    # Box averages to at least three times the wanted size come first: far faster on a whole
    # detector image, and within a grey level of the single bicubic pass.
    small = Image.fromarray(levels).resize(
        shape, Image.Resampling.BICUBIC, _true_extent(header, levels), reducing_gap=3.0
    )
    return np.asarray(small), header.height, header.width


def _true_extent(
    header: RadiographHeader, levels: NDArray[np.uint8]
) -> tuple[float, float, float, float]:
    """How far the picture reaches into its decoded pixels.

    Scaled decoding rounds up: 1500 columns at 1/8 become 188, the last of them half empty. To take
    188 for the whole width would shift the right edge by half a pixel.
    """
    scale = round(header.width / levels.shape[1])
    return 0.0, 0.0, header.width / scale, header.height / scale


def _pictures(task: Task, unreadable: list[tuple[str, str]]) -> Iterator[Picture]:
    """Yields the radiographs that can be read; the others are noted."""
    for key, path in task.items:
        try:
            with _unchanged(Path(path)):
                pixels, height, width = shrink(Path(path), task.size)
        except RadiographError as error:
            unreadable.append((key, str(error)))
        else:
            yield Picture(key=key, pixels=pixels, source_height=height, source_width=width)


@contextmanager
def _unchanged(path: Path) -> Iterator[None]:
    """Refuses a file that is written while it is read: its picture may be half old, half new."""
    before = state_of(path)
    yield
    if state_of(path) != before:
        raise RadiographError(
            f"{path}: the file changed while it was read, expected one that is complete. "
            "Wait until it has been copied, and pack again."
        )


def state_of(path: Path) -> tuple[int, int, int] | None:
    """Number, bytes and time in ns, which change when a file is written or replaced.

    None if there is none. What `imaging.told_levels` puts behind a path is no part of the file's.
    """
    file, _ = told_apart(path)
    try:
        status = file.stat()
    except (OSError, ValueError):  # a name with a null byte
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _one_by_one(task: Task) -> list[Task]:
    """Splits a task during which a worker died, to find the file that it died of."""
    stem = task.shard.removesuffix(SUFFIX)
    return [
        replace(task, shard=f"{stem}-{i:03d}{SUFFIX}", items=(item,))
        for i, item in enumerate(task.items)
    ]


def _crashed(task: Task) -> Packed:
    """Names the one file on which a decoder crashed."""
    key, path = task.items[0]
    message = (
        f"{path}: the process that decoded this file crashed, expected a picture. "
        "The file is damaged, or memory ran out; export it again or pack with fewer processes."
    )
    return Packed(number=task.number, written=0, unreadable=((key, message),))


class _Worker:
    """A process that packs one task at a time."""

    def __init__(self, lock: int) -> None:
        self.task: Task | None = None
        self._lock = lock
        self._start()

    def _start(self) -> None:
        # With the lock: no other build may write while a worker is alive.
        self._process = start_helper("carina.imaging.packing", pass_fds=(self._lock,))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self.answers = self._process.stdin, self._process.stdout

    def send(self, task: Task) -> None:
        """Hands over a task."""
        self.task = task
        try:
            self._questions.write(json.dumps(asdict(task)).encode() + b"\n")
            self._questions.flush()
        except BrokenPipeError:
            pass  # it died; `receive` finds out

    def receive(self) -> tuple[Task, Packed | None]:
        """Takes the answer to the task; None if the process died, which is then replaced."""
        assert self.task
        task, self.task = self.task, None
        line = self.answers.readline()
        if not line:
            self.stop()
            self._start()
            return task, None
        answer = json.loads(line)
        return task, Packed(
            number=answer["number"],
            written=answer["written"],
            unreadable=tuple((key, message) for key, message in answer["unreadable"]),
            failed=answer["failed"],
        )

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._questions.close()
        self.answers.close()


def _answer(line: str) -> str:
    """Packs the task of a line."""
    row = json.loads(line)
    row["items"] = tuple((key, path) for key, path in row["items"])
    return json.dumps(asdict(pack(Task(**row))))


if __name__ == "__main__":
    serve(_answer)
