"""Reads a large JSON object one member at a time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from carina.errors import AnnotationError

CHUNK = 1 << 22
SPACES = " \t\r\n"


def iterate_members(path: Path) -> Iterator[tuple[str, object]]:
    """Yields key and value of each member of the object that a file holds.

    MIMIC-CXR's RadGraph file is over a gigabyte; here, memory is that of its longest member.

    Raises:
        AnnotationError: the file cannot be read, or does not hold one JSON object in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as handle:
            yield from _members(Window(handle.read))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise AnnotationError(
            f"{path}: cannot be read as one JSON object of records by report ({what}). Check that "
            "the download is complete."
        ) from error


class Window:
    """A part of a text that is read as it is needed."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._place = 0

    def mark(self) -> str:
        """The next character that is no white space, without passing it; "" at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in SPACES:
                self._place += 1
            if self._place < len(self._text) or not self._more():
                return self._text[self._place : self._place + 1]

    def expect(self, marks: str) -> str:
        """Passes the next character, which must be one of `marks`."""
        found = self.mark()
        if not found or found not in marks:
            raise json.JSONDecodeError(f"expected one of {marks!r}, found {found!r}", found, 0)
        self._place += 1
        return found

    def value(self) -> object:
        """Passes the next value."""
        self.mark()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end < len(self._text) or not self._more():  # a number might go on
                self._place = end
                return found

    def _more(self) -> bool:
        chunk = self._read(CHUNK)
        self._text = self._text[self._place :] + chunk
        self._place = 0
        return bool(chunk)


def _members(window: Window) -> Iterator[tuple[str, object]]:
    window.expect("{")
    if window.mark() == "}":
        return
    mark = ","
    while mark == ",":
        key = window.value()
        window.expect(":")
        yield str(key), window.value()
        mark = window.expect(",}")
