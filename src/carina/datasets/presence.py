"""Whether the images that a table lists are on disk."""

from pathlib import Path

from carina.datasets.tally import Tally


def is_there(root: Path, path: str, tally: Tally) -> bool:
    """Whether a listed image is there with at least a byte; counts it where it is not."""
    try:
        empty = (root / path).stat().st_size == 0
    except OSError:
        tally.add("images that are listed but not there, left out", path)
        return False
    if empty:
        tally.add("images of zero bytes, left out", path)
    return not empty
