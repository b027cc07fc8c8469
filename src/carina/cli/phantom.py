"""`carina phantom`: writes a synthetic cohort."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina phantom cohort --studies 4100",
    "carina phantom cohort --studies 200 --size 512 --seed 3 --dicom",
    "carina phantom release --studies 120 --layout mimic-cxr",
    "carina index phantom cohort --out cohort.parquet     (the next step)",
)


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write to; made where it is missing.")],
    studies: Annotated[int, typer.Option(help="How many studies, all splits together.")] = 4100,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 224,
    seed: Annotated[int, typer.Option(help="Another seed, another cohort.")] = 0,
    dicom: Annotated[bool, typer.Option("--dicom", help="DICOM files instead of PNG.")] = False,
    all_masks: Annotated[
        bool, typer.Option("--all-masks", help="Masks of the training part too.")
    ] = False,
    layout: Annotated[
        str | None,
        typer.Option(help="Files as a release has them; `carina index list` says which can be."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many draw at once; all cores by default.")
    ] = None,
) -> None:
    """Writes a synthetic cohort with known truth: radiographs, masks and reports."""
    from carina.phantom.cohort import PhantomConfig, write_cohort

    splits = ("train", "validate", "test") if all_masks else ("validate", "test")
    config = PhantomConfig(studies=studies, seed=seed, size=size, dicom=dicom, mask_splits=splits)
    if layout is None:
        written = write_cohort(config, out, processes)
    else:
        from carina.datasets.layouts import write_layout
        from carina.datasets.registry import layout_named

        written = out
        write_layout(layout_named(layout), config, out, processes)
    for split, count in config.counts.items():
        typer.echo(f"{split:<10} {count:>7,} studies")
    typer.echo(f"Written: {written}")
