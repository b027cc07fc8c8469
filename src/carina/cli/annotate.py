"""`carina annotate`: entities out of the reports of a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.datasets.annotate import AnnotationSummary

EXAMPLES = (
    "carina annotate films.parquet --out annotated.parquet",
    "carina annotate films.parquet --out annotated.parquet --lexicon our-words.toml",
)
SHOWN_OBSERVATIONS = 20


def annotate(
    manifest: Annotated[Path, typer.Argument(help="Manifest whose reports to read.")],
    out: Annotated[Path, typer.Option(help="Manifest to write.")],
    extractor: Annotated[str, typer.Option(help="Source of entities: rules.")] = "rules",
    lexicon: Annotated[
        Path | None, typer.Option(help="TOML file with terms of your own; see docs/reports.md.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many read reports.")] = 1,
) -> None:
    """Reads observations and anatomy out of every report, with what is said of them."""
    from carina.datasets.annotate import (
        ExtractorSource,
        annotate_in_processes,
        annotate_manifest,
        summarise,
    )
    from carina.studies.manifest import Manifest, write_manifest

    source = ExtractorSource(extractor=extractor, lexicon=lexicon)
    reader = source.make()
    films = Manifest.read(manifest, root)
    if processes == 1:
        studies = annotate_manifest(films, reader)
    else:
        studies = annotate_in_processes(films, source, processes)
    write_manifest(studies, out, films.root)
    print_summary(summarise(studies))
    typer.echo(f"{out}: {len(studies)} studies.")


def print_summary(summary: "AnnotationSummary") -> None:
    """Prints counts of reports and a table of the observations mentioned most often."""
    typer.echo(
        f"{summary.studies} studies, {summary.empty} without a report, "
        f"{summary.silent} whose report gave nothing; {summary.entities} entities."
    )
    if summary.observations:
        typer.echo(f"{'observation (reports that call it)':<40} present  absent  uncertain")
    for row in summary.observations[:SHOWN_OBSERVATIONS]:
        typer.echo(f"{row.name:<40} {row.present:>7} {row.absent:>7} {row.uncertain:>10}")
    if len(summary.observations) > SHOWN_OBSERVATIONS:
        typer.echo(f"... and {len(summary.observations) - SHOWN_OBSERVATIONS} more observations")
