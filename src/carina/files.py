"""Writing without half-written files, and bars for what takes long."""

import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from carina.errors import CarinaError, OutputError

ItemT = TypeVar("ItemT")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary file name beside `path`; moves it into place if all went well.

    Parent folders are made. After any exception, Ctrl-C included, the temporary file is gone
    and what was at `path` before is still there.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with refusals_told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            share(temporary)
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):  # the place may be no folder at all
                temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`; it replaces the folder at `path` if all went well.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.old")
    with refusals_told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    share(file)
            if path.exists():
                path.replace(replaced)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(replaced, ignore_errors=True)


def check_replaceable_by(folder: Path, own: Iterable[str], foreign: str, earlier: str) -> None:
    """Refuses to replace a folder that holds anything but what would be written again.

    Args:
        folder: where something is to be put; it need not exist.
        own: names of the files and folders that may be there.
        foreign: what any other file is, such as "no part of an answer".
        earlier: what may be replaced, such as "an earlier answer".

    Raises:
        OutputError: the path is a file, or a folder that holds other files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder to write to. Name another.")
    others = sorted({path.name for path in folder.iterdir()} - set(own))
    if others:
        raise OutputError(
            f"{folder}: holds {others[0]!r}, which is {foreign}, expected a new or empty folder or "
            f"{earlier}. Nothing was written; name another folder."
        )


def share(path: Path) -> None:
    """Lets others read a file as far as this account lets them read new files.

    Some libraries write files that nobody else may read, whatever the account's mask says: a model
    on a shared disk would then open for its maker alone.
    """
    mask = os.umask(0o077)  # the system tells the mask only to who sets one
    os.umask(mask)
    mode = path.stat().st_mode
    shared = mode | (0o666 & ~mask)
    if shared != mode:
        path.chmod(shared)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def refusals_told(path: Path) -> Iterator[None]:
    """Says of what the system refuses inside the block where it was, and what to do.

    Raises:
        OutputError: the disk is full, or the place may not be written.
    """
    try:
        yield
    except Exception as error:
        refused = refusal(path, error)
        if refused is None:
            raise
        raise refused from error


def refusal(path: Path, error: Exception) -> OutputError | None:
    """What the system refused, as an error of ours; None where it was something else.

    Writers that are written in Rust (polars, safetensors) have errors of their own, which say
    "(os error 28)" where Python has an OSError.
    """
    if isinstance(error, OSError):
        return write_error(path, error)
    told = re.search(r"\(os error (\d+)\)", str(error))
    if told is None or isinstance(error, CarinaError):
        return None
    number = int(told.group(1))
    return write_error(path, OSError(number, os.strerror(number)))


def write_error(path: Path, error: OSError) -> OutputError:
    """Says in one sentence why something could not be written, and what to do."""
    if error.errno == errno.ENOSPC:
        return OutputError(
            f"{path}: the disk is full; what was there before is untouched. "
            "Free some space, or write to another disk, and run the command again."
        )
    return OutputError(f"{path}: cannot be written ({error.strerror}). Choose another place.")


def progress(items: Iterable[ItemT], description: str, total: int | None = None) -> Iterator[ItemT]:
    """Passes items on, with a bar on the terminal; silent where there is no terminal.

    The bar shows how many are done, how many a second, and the time that is left.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.speed or 0
            return Text(f"{speed:,.{0 if speed >= 10 else 1}f}/s", style="progress.data.speed")

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # it would print empty lines
    ) as bar:
        yield from bar.track(items, total=total, description=description)
