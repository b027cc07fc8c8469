"""`carina compare`: evaluations of the same images, tested."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina compare eval/kad/evaluation.json eval/baseline/evaluation.json",
    "carina compare eval/kad eval/baseline --out difference.json --page difference.html",
    "carina compare eval/kad eval/medklip eval/baseline --page all_pairs.html",
)


def compare(
    evaluations: Annotated[
        list[Path],
        typer.Argument(help="Two or more evaluation.json of the same images, or their folders."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as JSON.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write it as a page with pictures.")] = None,
    replicates: Annotated[
        int | None, typer.Option(min=1, help="Bootstrap resamples; default 1000, or 50 a test.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Tests whether models differ: paired bootstrap, and DeLong for the AUC; every pair of them."""
    from carina.cli.console import table_console
    from carina.evaluation.compare_several import compare_several
    from carina.evaluation.comparison_page import comparison_page
    from carina.evaluation.result import Evaluation
    from carina.evaluation.table import comparison_table, shown_metrics
    from carina.files import write_text
    from carina.pages.comparison_page import render_comparison

    read = [Evaluation.read(path) for path in evaluations]
    result = compare_several(read, replicates=replicates, seed=seed)
    for pair in result.pairs:
        table_console().print(comparison_table(pair, shown_metrics(pair)))
        if pair.only_in_one:
            typer.echo(f"Not compared, asked of one model only: {', '.join(pair.only_in_one)}")
    if len(result.pairs) > 1:
        typer.echo(f"p (Holm): {result.adjusted}")
    if out is not None:
        result.save(out)
        typer.echo(f"Written: {out}")
    if page is not None:
        write_text(page, render_comparison(comparison_page(result, read)))
        typer.echo(f"Written: {page}")
