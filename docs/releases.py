"""Writes the table of releases in docs/datasets.md from what the datasets declare.

python docs/releases.py
"""

from collections.abc import Iterator
from pathlib import Path

from carina.datasets.declaration import Dataset
from carina.datasets.phantom_cohort import PHANTOM
from carina.datasets.plain_csv import CSV
from carina.datasets.registry import DATASETS
from carina.files import write_text

PAGE = Path(__file__).resolve().parent / "datasets.md"
HEAD = "| `carina index ...` |"
COUNTS = ("studies", "radiographs", "patients")
OWN = (
    f"{HEAD} source | licence | studies | images | patients |",
    "|---|---|---|---|---|---|",
    "| `phantom` | synthetic, see [the phantom cohort](phantom.md) | synthetic | as asked "
    "| one a study | |",
    "| `csv` | a table of your own, see [the manifest](manifest.md) | in its column `licence` "
    "| | | |",
)


def table() -> list[str]:
    """The lines of the table; datasets that differ in their splits alone share a row."""
    rows: dict[tuple[object, ...], list[str]] = {}
    for dataset in DATASETS.values():
        if dataset.name not in (PHANTOM.name, CSV.name):
            rows.setdefault(told(dataset), []).append(f"`{dataset.name}`")
    lines = (f"| {', '.join(names)} | {' | '.join(map(str, key))} |" for key, names in rows.items())
    return [*OWN, *lines]


def told(dataset: Dataset) -> tuple[object, ...]:
    """Source, licence and counts of a dataset, without what says how it is split."""
    counts = (dataset.counts.get(what) for what in COUNTS)
    source, _, _ = dataset.source.partition("; split")
    return source, dataset.licence, *("not told" if n is None else f"{n:,}" for n in counts)


def page() -> str:
    """The whole page, its table made anew."""
    return "\n".join(_lines(PAGE.read_text(encoding="utf-8").split("\n")))


def _lines(old: list[str]) -> Iterator[str]:
    inside = False
    for line in old:
        if line.startswith(HEAD):
            inside = True
            yield from table()
        inside = inside and line.startswith("|")
        if not inside:
            yield line


if __name__ == "__main__":
    write_text(PAGE, page())
