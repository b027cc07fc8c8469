"""Whether the images that a table lists are on disk."""

import os
from pathlib import Path

from carina.datasets.tally import Tally

MISSING = "images that are listed but not there, left out"
SPELLING = "Large and small letters are told apart: rename the files as the table has them."


def is_there(root: Path, path: str, tally: Tally) -> bool:
    """Whether a listed image is there with at least a byte; counts it where it is not."""
    try:
        empty = (root / path).stat().st_size == 0
    except OSError:
        if MISSING not in tally.counts and (other := spelt_otherwise(root, path)) is not None:
            tally.note(f"{path} is not there, but {other} is. {SPELLING}")
        tally.add(MISSING, path)
        return False
    if empty:
        tally.add("images of zero bytes, left out", path)
    return not empty


def spelt_otherwise(root: Path, path: str) -> str | None:
    """The name of a file that differs from a listed one in large and small letters alone."""
    wanted = (root / path).name.casefold()
    try:
        with os.scandir((root / path).parent) as entries:
            return next((entry.name for entry in entries if entry.name.casefold() == wanted), None)
    except OSError:
        return None


def hint_at_spelling(root: Path, path: str) -> str:
    """A sentence for an error where a listed file is there under another spelling; else ""."""
    other = spelt_otherwise(root, path)
    return "" if other is None else f" There is {other} instead. {SPELLING}"
