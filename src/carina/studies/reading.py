"""Examines pictures with all cores, and remembers them as they come.

A decoder that crashes on one file takes a helper down and not the check, and when the check is
stopped the helpers end without a word.
"""

import json
import os
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict

from carina.files import progress
from carina.imaging.helper_process import start_helper
from carina.studies.examination import Examined, Picture, examine, from_line
from carina.studies.picture_cache import PictureCache

_FEW_FILES = 200  # starting processes takes longer than reading these
_FILES_AT_ONCE = 16

_Answer = tuple[Picture, Examined] | BaseException


def examine_all(
    pictures: Sequence[Picture], processes: int | None = None, cache: PictureCache | None = None
) -> dict[str, Examined]:
    """Examines pictures with all cores, or with as many processes as given.

    Args:
        pictures: each path once.
        processes: 1 reads them here.
        cache: what it knows of unchanged files is taken from it, the rest is added.

    Returns:
        What each path turned out to be.
    """
    processes = processes or len(os.sched_getaffinity(0))
    known = {} if cache is None else cache.known(pictures)
    rest = [picture for picture in pictures if picture.path not in known]
    results = (
        ((picture, examine(picture)) for picture in rest)
        if processes == 1 or len(rest) < _FEW_FILES
        else _spread(rest, processes)
    )
    try:
        for picture, examined in progress(results, "Reading pictures", len(rest)):
            known[picture.path] = examined
            if cache is not None:
                cache.add(picture, examined)
    finally:
        if cache is not None:
            cache.flush()
    return known


def _spread(pictures: Sequence[Picture], processes: int) -> Iterator[tuple[Picture, Examined]]:
    """What each picture turned out to be, as it comes, by several processes."""
    chunks = deque(
        list(pictures[start : start + _FILES_AT_ONCE])
        for start in range(0, len(pictures), _FILES_AT_ONCE)
    )
    results: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    helpers = [_Helper() for _ in range(min(processes, len(chunks)))]
    threads = [
        threading.Thread(target=_keep_busy, args=(helper, chunks, results), daemon=True)
        for helper in helpers
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in pictures:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:  # Ctrl-C too: the helpers do not see it, and end here
        chunks.clear()
        for helper in helpers:
            helper.stop()
        for thread in threads:
            thread.join()


def _keep_busy(
    helper: "_Helper",
    chunks: deque[list[Picture]],
    results: "queue.SimpleQueue[_Answer]",
) -> None:
    """Hands chunks to a helper; goes on with a new one after a picture that it died of."""
    try:
        while chunks and not helper.stopped:
            with suppress(IndexError):  # another thread took the last one
                chunk = chunks.popleft()
                done = 0
                for picture, examined in zip(chunk, helper.ask(chunk), strict=False):
                    results.put((picture, examined))
                    done += 1
                if done < len(chunk) and not helper.stopped:
                    helper.start()
                    _share_out(chunk[done:], len(chunk), chunks, results)
    except BaseException as error:  # for the thread that waits for results
        results.put(error)


def _share_out(
    rest: list[Picture],
    asked: int,
    chunks: deque[list[Picture]],
    results: "queue.SimpleQueue[_Answer]",
) -> None:
    """Names the picture that a helper died of, if it was asked about that one alone."""
    if asked > 1:
        chunks.extend([picture] for picture in rest)
        return
    error = (
        f"{rest[0].path}: the process that decoded this file crashed, expected a picture. "
        "The file is damaged; export it again or leave it out."
    )
    results.put((rest[0], Examined(error=error)))


class _Helper:
    """A process that examines pictures."""

    def __init__(self) -> None:
        self.stopped = False
        self.start()

    def start(self) -> None:
        """Starts the process, anew after it died."""
        self._process = start_helper("carina.studies.examination")

    def ask(self, pictures: Sequence[Picture]) -> Iterator[Examined]:
        """What pictures turned out to be; fewer answers than questions if the process died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it died; there will be no answer
            for picture in pictures:
                self._process.stdin.write(json.dumps(asdict(picture)).encode() + b"\n")
            self._process.stdin.flush()
        for _ in pictures:
            line = self._process.stdout.readline()
            if not line.endswith(b"\n"):
                return
            yield from_line(line.decode())

    def stop(self) -> None:
        """Ends the process."""
        self.stopped = True
        self._process.kill()
        self._process.wait()
