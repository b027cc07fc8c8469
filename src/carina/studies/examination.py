"""Reads files to their last byte, with all cores, and says what is wrong with them.

Run as a module it examines the files whose names it reads as JSON lines: a decoder that crashes
on one file takes that process down, not the check, and no guard is needed in a caller's script.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from carina.errors import CarinaError
from carina.files import progress
from carina.imaging.reader import probe, read_grey8

_FEW_FILES = 200  # starting processes takes longer than reading these
_FILES_AT_ONCE = 256
_DECODED_SIDE = 64  # a JPEG may be decoded small: every byte is read all the same


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What one file turned out to be: missing, not readable (`error` says why), or a picture.

    `digest` is the SHA-256 of the file in hex, `width` and `height` are pixels.
    """

    digest: str = ""
    width: int = 0
    height: int = 0
    missing: bool = False
    error: str = ""


def examine(path: Path) -> Examined:
    """Reads a picture to its last byte; what is wrong with it is returned, not raised."""
    if not path.exists():
        return Examined(missing=True)
    try:
        header = probe(path)
        read_grey8(path, short_side=_DECODED_SIDE)
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except (CarinaError, OSError) as error:
        return Examined(error=str(error))
    return Examined(digest=digest, width=header.width, height=header.height)


def examine_all(paths: Sequence[Path], processes: int | None = None) -> dict[Path, Examined]:
    """Examines files with all cores, or with as many processes as given."""
    processes = processes or len(os.sched_getaffinity(0))
    results = (
        map(examine, paths)
        if processes == 1 or len(paths) < _FEW_FILES
        else _spread(paths, processes)
    )
    return dict(zip(paths, progress(results, "Reading files", len(paths)), strict=True))


def _spread(paths: Sequence[Path], processes: int) -> Iterator[Examined]:
    """What each path turned out to be, in order, by several processes."""
    step = max(1, min(_FILES_AT_ONCE, -(-len(paths) // (2 * processes))))
    chunks = [paths[start : start + step] for start in range(0, len(paths), step)]
    threads = ThreadPoolExecutor(processes)
    try:
        for examined in threads.map(_examine_apart, chunks):
            yield from examined
    finally:
        threads.shutdown(cancel_futures=True)


def _examine_apart(paths: Sequence[Path]) -> list[Examined]:
    """Examines files in a process of their own, and goes on after one that it dies of."""
    done = _answers(paths)
    if len(done) < len(paths):
        path = paths[len(done)]
        error = (
            f"{path}: the process that decoded this file crashed, expected a picture. "
            "The file is damaged; export it again or leave it out."
        )
        rest = paths[len(done) + 1 :]
        done = [*done, Examined(error=error), *(_examine_apart(rest) if rest else [])]
    return done


def _answers(paths: Sequence[Path]) -> list[Examined]:
    """The answers that a process gave before it ended."""
    home = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "carina.studies.examination"],
        input="".join(json.dumps(str(path)) + "\n" for path in paths),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
    )
    whole = (line for line in finished.stdout.splitlines(keepends=True) if line.endswith("\n"))
    return [Examined(**json.loads(line)) for line in whole]


def _serve() -> None:
    """Answers the paths of standard input, a line each."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a decoder prints must not get between the answers
    for line in sys.stdin:
        answers.write(json.dumps(asdict(examine(Path(json.loads(line))))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
