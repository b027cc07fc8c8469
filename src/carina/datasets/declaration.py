"""What a dataset is to carina: a declaration, and a reader of studies."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import ConfigError, DatasetError
from carina.study import Study


@dataclass(frozen=True, kw_only=True)
class Release:
    """What the caller says about a release on disk.

    `second_root` is the second download of a release that comes in two. `table` names another
    file than the dataset's own; `columns` gives the table's names for ours. `masks` is the
    folder where outlines that the release keeps as text are drawn as pictures, None where
    nobody wants them: releases are often read-only, so it lies beside the manifest.
    """

    root: Path
    second_root: Path | None = None
    masks: Path | None = None
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One public release, or one way of keeping studies on disk.

    `layout` lists what the root must hold, folders with a slash at the end; an entry may name
    several of which one will do ("a.csv or a.csv.gz"), and have wildcards. `second_root` says
    what the second download is, None where there is one only. `takes_table` is true where the
    caller may name another table than the first of `layout`, `takes_columns` where its columns
    too. `read` yields the studies in the release's order and counts what it meets on the way.
    `write`, where there is one, writes a phantom cohort into an empty folder as the release's
    files: `carina phantom --layout NAME`. `counts` says how much the whole release holds
    ("studies", "radiographs", "patients"); empty where that is not fixed. `labels` says how
    its labels count, in the words of `indexing.label_counts` ("studies with Pneumonia",
    "boxes of Mass", either "in test"), so that a label file of another version is seen.
    """

    name: str
    source: str
    licence: str
    layout: tuple[str, ...]
    read: Callable[[Release, Tally], Iterator[Study]]
    write: Callable[[DrawnCohort, Path], None] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    second_root: str | None = None
    takes_table: bool = False
    takes_columns: bool = False


def read_studies(dataset: Dataset, release: Release, tally: Tally | None = None) -> Iterator[Study]:
    """Yields the studies of a release, in its order.

    Args:
        dataset: how the release is read.
        release: where it is.
        tally: gets the counts of what was odd.

    Raises:
        ConfigError: the call names what this dataset has not.
        DatasetError: the release is not laid out as declared, or a row cannot be understood.
    """
    _check_call(dataset, release)
    _check_folder(release.root)
    _check_layout(dataset, release)
    return dataset.read(release, Tally() if tally is None else tally)


def _check_call(dataset: Dataset, release: Release) -> None:
    if release.second_root is not None and dataset.second_root is None:
        raise ConfigError(f"{dataset.name} is one download; leave out the second folder.")
    if release.second_root is None and dataset.second_root is not None:
        raise ConfigError(
            f"{dataset.name} comes in two downloads; give a second folder: {dataset.second_root}."
        )
    if release.table is not None and not dataset.takes_table:
        raise ConfigError(f"{dataset.name} has a table of its own; leave out --table.")
    if release.columns and not dataset.takes_columns:
        raise ConfigError(f"{dataset.name} has columns of its own; leave out --column.")


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError(
            f"{root}: found {found}, expected the folder of the release. Correct the path."
        )


def _check_layout(dataset: Dataset, release: Release) -> None:
    own = dataset.layout if release.table is None else dataset.layout[1:]
    missing = [names for names in own if not _is_there(release.root, names)]
    if release.table is not None and not (release.root / release.table).exists():
        missing.insert(0, release.table)
    if missing:
        found = sorted(release.root.iterdir(), key=lambda path: (not _is_table(path), path.name))
        advice = (
            "Name the folder of the table, or another table with --table."
            if dataset.takes_table
            else "Name the folder as downloaded."
        )
        raise DatasetError(
            f"{release.root}: {', '.join(missing)} expected for {dataset.name} but not there; "
            f"found {', '.join(path.name for path in found[:8]) or 'nothing'}. {advice}"
        )


def _is_table(path: Path) -> bool:
    """Whether the name is one of a table, which is told before pictures are."""
    return path.suffix.lower() in (".csv", ".tsv", ".txt")


def _is_there(root: Path, names: str) -> bool:
    """Whether one of several files or folders, parted by "or", is below the root."""
    return any(next(root.glob(name.rstrip("/")), None) for name in names.split(" or "))
