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
    file than the dataset's own; `columns` gives the table's names for ours.
    """

    root: Path
    second_root: Path | None = None
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One public release, or one way of keeping studies on disk.

    `layout` lists what the root must hold, folders with a slash at the end. `second_root` says
    what the second download is, None where there is one only. `takes_columns` is true where the
    caller may name the table and its columns. `read` yields the studies in the release's order
    and counts what it meets on the way. `write`, where there is one, writes a phantom cohort
    into an empty folder as the release's files: `carina phantom --layout NAME`. `counts` says
    how much the whole release holds ("studies", "radiographs", "patients"); empty where that is
    not fixed.
    """

    name: str
    source: str
    licence: str
    layout: tuple[str, ...]
    read: Callable[[Release, Tally], Iterator[Study]]
    write: Callable[[DrawnCohort, Path], None] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    second_root: str | None = None
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
    if (release.table is not None or release.columns) and not dataset.takes_columns:
        raise ConfigError(
            f"{dataset.name} has a table and columns of its own; leave out --table and --column."
        )


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError(
            f"{root}: found {found}, expected the folder of the release. Correct the path."
        )


def _check_layout(dataset: Dataset, release: Release) -> None:
    layout = dataset.layout if release.table is None else (release.table,)
    missing = [name for name in layout if not (release.root / name).exists()]
    if missing:
        found = sorted(path.name for path in release.root.iterdir())
        raise DatasetError(
            f"{release.root}: {', '.join(missing)} expected for {dataset.name} but not there; "
            f"found {', '.join(found[:8]) or 'nothing'}. Name the folder as downloaded."
        )
