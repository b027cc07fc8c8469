"""`carina compare`: two evaluations of the same images, tested."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina compare eval/kad/evaluation.json eval/baseline/evaluation.json",
    "carina compare eval/kad eval/baseline --out difference.json",
)


def compare(
    first: Annotated[Path, typer.Argument(help="An evaluation.json, or its folder.")],
    second: Annotated[Path, typer.Argument(help="Another, of the same images.")],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as JSON.")] = None,
    replicates: Annotated[int, typer.Option(help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Tests whether two models differ: paired bootstrap, and DeLong for the AUC."""
    from carina.cli.console import table_console
    from carina.evaluation.compare import compare
    from carina.evaluation.result import Evaluation
    from carina.evaluation.table import comparison_table, shown_metrics

    result = compare(
        Evaluation.read(first), Evaluation.read(second), replicates=replicates, seed=seed
    )
    table_console().print(comparison_table(result, shown_metrics(result)))
    if result.only_in_one:
        typer.echo(f"Not compared, asked of one model only: {', '.join(result.only_in_one)}")
    if out is not None:
        result.save(out)
        typer.echo(f"Written: {out}")
