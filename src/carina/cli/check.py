"""`carina check`: is a manifest fit for use."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina check films.parquet",
    "carina check training.parquet hospital_b.parquet --json findings.json",
)


def check(
    manifests: Annotated[list[Path], typer.Argument(help="One or more manifests.")],
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that image paths start at; one for each manifest, in order."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for everything that was found.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many read files; default: one a core.")
    ] = None,
) -> None:
    """Looks for broken files, empty reports and leaks; exits with 1 if it finds any trouble.

    Trouble is a file that is missing or cannot be read, an annotation that does not fit its
    picture, and a patient or picture on two sides of a line. Empty reports are counted only.
    """
    from carina.cli.index import print_counts
    from carina.files import write_text
    from carina.studies import checks
    from carina.studies.manifest import Manifest

    if root and len(root) != len(manifests):
        raise typer.BadParameter(f"--root is given {len(root)} times for {len(manifests)}.")
    roots: list[Path | None] = [*root] if root else [None] * len(manifests)
    read = [Manifest.read(path, start) for path, start in zip(manifests, roots, strict=True)]
    report = checks.check(read, processes)
    for counts in report.counts:
        typer.echo(counts.manifest)
        print_counts(counts)
        typer.echo()
    typer.echo(report.summary())
    if json is not None:
        write_text(json, report.to_json() + "\n")
        typer.echo(f"Written: {json}")
    if not report.healthy:
        raise typer.Exit(1)
