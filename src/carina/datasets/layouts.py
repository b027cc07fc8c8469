"""Writes a phantom cohort in the layout of a public release."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.phantom_cohort import PHANTOM
from carina.errors import ConfigError, OutputError
from carina.files import atomic_folder
from carina.phantom import layout
from carina.phantom.cohort import PhantomConfig, write_cohort


def write_layout(
    dataset: Dataset, config: PhantomConfig, out: Path, processes: int | None = None
) -> None:
    """Draws a cohort and writes it as a release would be, whole or not at all.

    The drawings lie in a hidden folder beside `out` until the release is written: a run that
    was stopped goes on with them. A release that is complete is left as it is.

    Args:
        dataset: whose layout to write.
        config: the cohort; its `dicom` must be off, since the release has formats of its own.
        out: the folder of the release; made where it is missing.
        processes: how many draw at once; all cores where None.

    Raises:
        ConfigError: the dataset has no writer, or DICOM is asked for.
        OutputError: the folder holds something else, or cannot be written.
    """
    if dataset.write is None:
        raise ConfigError(f"{dataset.name} has no layout that a phantom cohort can be written in.")
    if config.dicom:
        raise ConfigError(
            f"{dataset.name} has image files of its own kind; leave out --dicom or --layout."
        )
    settings = json.dumps({"layout": dataset.name, **asdict(config)}, indent=2) + "\n"
    if is_complete(out, settings):
        return
    drawings = out.with_name(f".{out.name}.drawings")
    # Releases have outlines of every part, so every mask is drawn for the while.
    write_cohort(replace(config, mask_splits=("train", "validate", "test")), drawings, processes)
    studies = tuple(read_studies(PHANTOM, Release(root=drawings)))
    with atomic_folder(out) as temporary:
        dataset.write(DrawnCohort(root=drawings, studies=studies, seed=config.seed), temporary)
        (temporary / layout.README).write_text(notice_of(dataset), encoding="utf-8")
        (temporary / layout.SETTINGS).write_text(settings, encoding="utf-8")
    shutil.rmtree(drawings, ignore_errors=True)


def is_complete(out: Path, settings: str) -> bool:
    """Whether the folder holds this very release already.

    Raises:
        OutputError: it holds something else, which is never overwritten.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    path = out / layout.SETTINGS
    if path.is_file() and path.read_text(encoding="utf-8") == settings:
        return True
    raise OutputError(
        f"{out}: is there already and is no phantom release with these settings. "
        "Choose another folder, or remove this one."
    )


def notice_of(dataset: Dataset) -> str:
    """What README.txt says."""
    return (
        f"{layout.NOTICE}\n"
        f"Every picture, report, number and identifier below this folder is made up. The files "
        f"only lie as those of {dataset.name} do.\n\nLicence: {layout.LICENCE}\n"
    )
