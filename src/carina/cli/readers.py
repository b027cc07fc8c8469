"""`carina readers`: what human readers reach, and a model against them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from carina.evaluation.result import Score

EXAMPLES = (
    "carina readers groundtruth.csv radiologists/bc4.csv radiologists/bc6.csv radiologists/bc8.csv",
    "carina readers groundtruth.csv bc4.csv bc6.csv bc8.csv --evaluation eval/kad",
)


def readers(
    truth: Annotated[Path, typer.Argument(help="Label file of the reference: Study, findings.")],
    tables: Annotated[list[Path], typer.Argument(help="Label file of each reader.")],
    finding: Annotated[
        list[str] | None, typer.Option(help="NAME of a column; else CheXpert's five tasks.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder of a model's evaluation of the same studies.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Measures readers by label files alone: MCC, F1 and their means, with 95% intervals."""
    import json

    from carina.cli.console import table_console
    from carina.evaluation.readers import (
        COMPETITION,
        MEAN,
        contrast_with_readers,
        measure_readers,
        read_decisions,
    )
    from carina.evaluation.result import Evaluation
    from carina.files import write_text

    decisions = read_decisions(truth, tables, tuple(finding or COMPETITION))
    scores = measure_readers(decisions, replicates, seed)
    console = table_console()
    rows = {
        reader: {name: found[name] for name in (*decisions.findings, MEAN)}
        for reader, found in scores.readers.items()
    }
    for metric in ("mcc", "f1"):
        console.print(score_grid(metric, f"{scores.studies} studies; 95% intervals", rows))
    told = scores.to_json()
    if evaluation is not None:
        contrast = contrast_with_readers(Evaluation.read(evaluation), decisions, replicates, seed)
        parts = {
            "model": contrast.model,
            "readers": contrast.readers,
            "model minus readers": contrast.difference,
        }
        for metric in ("mcc", "f1"):
            title = f"{contrast.studies} studies that both have; 95% intervals"
            console.print(score_grid(metric, title, parts))
        told["contrast"] = contrast.to_json()
    if out is not None:
        write_text(out, json.dumps(told, indent=1) + "\n")
        typer.echo(f"Written: {out}")


def score_grid(
    metric: str, title: str, rows: "Mapping[str, Mapping[str, Mapping[str, Score]]]"
) -> "Table":
    """One line a finding, one column a reader."""
    from rich.table import Table

    from carina.evaluation.score_cell import ScoreCell
    from carina.pages.table import metric_name

    table = Table(
        title=f"{metric_name(metric)}: {title}",
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("finding", overflow="fold")
    for name in rows:
        table.add_column(name, justify="right")
    for finding in next(iter(rows.values())):
        cells = (ScoreCell(score=scores[finding][metric]) for scores in rows.values())
        table.add_row(finding, *cells)
    return table
