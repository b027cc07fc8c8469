"""`carina ask`: scores and heat-maps of findings on radiographs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.zeroshot.answer import Answer
    from carina.zeroshot.protocol import Query

EXAMPLES = (
    "carina ask runs/kad chest.dcm --query pneumothorax --query edema",
    'carina ask runs/kad films/ --query "covid-19=patchy ground-glass opacities" --out answer',
    "carina ask runs/kad films/ --query covid-19 --query sarcoidosis --descriptions default",
)
SHOWN_IMAGES = 25


def ask(
    model: Annotated[Path, typer.Argument(help="A model folder, or a run that holds one.")],
    images: Annotated[
        list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders of them.")
    ],
    query: Annotated[
        list[str],
        typer.Option(help="NAME of a finding, or NAME=DESCRIPTION; give it once for each."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for scores.csv, scores.json, overlays and index.html."),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="Prompt set, for a model that asks by prompts; docs/prompts.md."),
    ] = None,
    descriptions: Annotated[
        str | None,
        typer.Option(help="Describe each query: `default`, or a FILE of yours that goes before."),
    ] = None,
) -> None:
    """Scores findings on radiographs, with heat-maps. For research only."""
    import os

    import carina
    from carina.cli.imports import large_imports
    from carina.cli.unfamiliar import print_unfamiliar

    # Threads that wait sleep: on a busy machine their spinning costs more than the network.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with large_imports():
        from carina.zeroshot.answer import check_replaceable
        from carina.zeroshot.phrases import names_read
        from carina.zeroshot.queries import check_queries, parse_query

        load = carina.load

    queries = check_queries([parse_query(text) for text in query])
    if descriptions is not None:
        queries = with_descriptions(queries, descriptions)
    if out is not None:  # before the work, not after it
        check_replaceable(out.resolve())
    network = load(model, prompts=prompts)
    answer = network.ask(images, queries)
    print_scores(answer)
    print_unfamiliar(network.model, names_read(network.model, queries))
    if out is not None:
        answer.save(out)
        typer.echo(f"Written: {out / 'index.html'}")
    if answer.unreadable:
        typer.echo(f"Not answered: {len(answer.unreadable)} of the images.", err=True)
        for message in answer.unreadable:
            typer.echo(f"  {message}", err=True)
        raise typer.Exit(1)


def with_descriptions(queries: "tuple[Query, ...]", where: str) -> "tuple[Query, ...]":
    """The queries with the descriptions that `--descriptions` names."""
    from carina.knowledge.descriptions import Descriptions  # reads tables: only where wanted
    from carina.zeroshot.queries import described

    return described(queries, Descriptions.named(where).texts)


def print_scores(answer: "Answer") -> None:
    """Prints the findings of each radiograph, the highest score first."""
    from rich.table import Table
    from rich.text import Text

    from carina.cli.console import table_console

    table = Table("radiograph", "finding", "score", "", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"  # a cut path names no file
    table.columns[2].justify = "right"
    for image, scores in zip(answer.images[:SHOWN_IMAGES], answer.scores, strict=False):
        for place, j in enumerate((-scores).argsort(kind="stable")):
            bar = "█" * round(float(scores[j]) * 20)
            name = Text(image.name if place == 0 else "")
            table.add_row(name, Text(answer.queries[j].name), f"{scores[j]:.3f}", bar)
    console = table_console()
    console.print(table)
    if len(answer.images) > SHOWN_IMAGES:
        console.print(f"… and {len(answer.images) - SHOWN_IMAGES} more; --out writes them all.")
