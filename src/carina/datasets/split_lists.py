"""Lists of names that part a release, as papers published them beside their code."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from carina.datasets.cells import slashes
from carina.datasets.declaration import Release
from carina.datasets.found_images import PICTURES
from carina.datasets.layout_files import save_text
from carina.datasets.table import read_lines
from carina.datasets.tally import Tally
from carina.errors import DatasetError

LISTS = "lists"
"""Where a phantom release has its lists; the real ones are another download."""


@dataclass(frozen=True, kw_only=True)
class PublishedLists:
    """One set of lists: where they come from, and what they are like.

    `files` names the list of each split; `lengths` says how many names each has, in that order.
    A line begins with a name: with or without folders before it and an ending behind. `pattern`
    is what the name must look like, `example` one that does. In lists with a `header` the first
    line is one. In lists that are `labelled` a 0 or 1 follows the name.
    """

    name: str
    files: Mapping[str, str]
    lengths: tuple[int, ...]
    pattern: str
    example: str
    header: str | None = None
    labelled: bool = False

    def read(self, folder: Path, tally: Tally) -> "Parted":
        """Reads the lists in a folder, and notes the length and digest of each.

        Raises:
            DatasetError: a list is missing or of another kind, or two name the same image.
        """
        splits: dict[str, str] = {}
        labels: dict[str, bool] = {}
        for (split, file), length in zip(self.files.items(), self.lengths, strict=True):
            named = self._read(folder / file, tally)
            both = sorted(splits.keys() & named.keys())
            if both:
                raise DatasetError(
                    f"{folder / file}: names {len(both)} images that {self.files[splits[both[0]]]} "
                    f"names too, such as {both[0]}; expected each in one list. Download the lists "
                    "again."
                )
            splits |= dict.fromkeys(named, split)
            labels |= {name: said == "1" for name, said in named.items() if self.labelled}
            whole = "" if len(named) == length else f" (the whole list: {length:,})"
            tally.note(
                f"{self.name} {file}: {len(named):,} images{whole}, sha256 {digest_of(named)[:16]}"
            )
        return Parted(splits=splits, labels=labels)

    def _read(self, path: Path, tally: Tally) -> dict[str, str]:
        """Name -> what follows it, of one list."""
        lines = read_lines(path)
        if self.header is not None:
            if not lines or lines[0].split(",")[0] != self.header:
                raise DatasetError(
                    f"{path}, line 1: found {lines[0][:40] if lines else 'nothing'!r}, expected "
                    f"the header {self.header}. Take the lists of {self.name}."
                )
            lines[0] = ""
        named: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            name, behind = self._parsed(line, f"{path}, line {number}")
            if name in named:
                tally.add(f"names that {path.name} has twice", f"line {number}")
            named[name] = behind
        return named

    def _parsed(self, line: str, place: str) -> tuple[str, str]:
        first, *behind = re.split(r"[,\s]+", line.strip(), maxsplit=1)
        name = PurePosixPath(slashes(first)).name
        ending = next((ending for ending in PICTURES if name.lower().endswith(ending)), "")
        name, said = name[: len(name) - len(ending)], "".join(behind).strip()
        if not re.fullmatch(self.pattern, name):
            raise DatasetError(
                f"{place}: found {line[:40]!r}, expected a name such as {self.example}. "
                f"Take the lists of {self.name}."
            )
        if self.labelled and said not in ("0", "1"):
            raise DatasetError(
                f"{place}: found {said[:20]!r} behind the name, expected 0 or 1. "
                f"Take the lists of {self.name}."
            )
        return name, said


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Name -> split, and name -> label where the lists have labels."""

    splits: Mapping[str, str]
    labels: Mapping[str, bool]


def digest_of(names: Iterable[str]) -> str:
    """SHA-256 of the sorted names, one a line: the same for any order, labels or line ends."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


Splits = Callable[[Release, Mapping[str, Any], Tally], Mapping[str, str]]
"""Name -> split, of a release and what its table says of each name."""


def unsplit(release: Release, known: Mapping[str, Any], tally: Tally) -> Mapping[str, str]:
    """No splits: the release has none."""
    return {}


def splits_of_lists(
    lists: PublishedLists, release: Release, known: Mapping[str, Any], tally: Tally
) -> Mapping[str, str]:
    """Splits by published lists, in the second folder."""
    assert release.second_root is not None
    parted = lists.read(release.second_root, tally)
    count_strangers(parted, known, tally)
    return parted.splits


def count_strangers(parted: Parted, known: Iterable[str], tally: Tally) -> None:
    """Counts the names of the lists that a release lacks, and the images that no list names."""
    ids = set(known)
    for what, names in (
        ("images of the lists that the release has not", parted.splits.keys() - ids),
        ("images in no list: they have no split", ids - parted.splits.keys()),
    ):
        if names:
            tally.add(what, min(names), len(names))


def write_lists(lists: PublishedLists, lines: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Writes the lists of a phantom release: the lines of each split."""
    head = () if lists.header is None else (lists.header,)
    for split, file in lists.files.items():
        save_text("".join(f"{line}\n" for line in (*head, *lines.get(split, ()))), folder / file)
