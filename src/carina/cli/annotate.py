"""`carina annotate`: entities out of the reports of a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carina.cli.server_options import (
    SERVER,
    AllowRemote,
    Cache,
    Concurrency,
    PriceIn,
    PriceOut,
    Server,
    Timeout,
)

if TYPE_CHECKING:
    from carina.annotation.annotate import AnnotationSummary
    from carina.annotation.compare import Comparison
    from carina.annotation.source import Problem

EXAMPLES = (
    "carina annotate films.parquet --out annotated.parquet",
    "carina annotate films.parquet --out annotated.parquet --lexicon our-words.toml",
    "carina annotate films.parquet --out annotated.parquet --extractor umls --knowledge g.parquet",
    "carina annotate films.parquet --out annotated.parquet --extractor radgraph "
    "--records MIMIC-CXR_graphs.json",
    "carina annotate films.parquet --out annotated.parquet --extractor llm "
    "--server http://localhost:8000/v1 --model llama3",
    "carina annotate films.parquet --compare rules umls --out difference",
    "carina annotate ours.parquet --compare ours.parquet theirs.parquet --out difference",
)
SHOWN_OBSERVATIONS = 20
SHOWN_EXAMPLES = 5
GRAPH, RECORDS = "Of umls", "Of radgraph"


def annotate(
    manifest: Annotated[Path, typer.Argument(help="Manifest whose reports to read.")],
    out: Annotated[
        Path, typer.Option(help="Manifest to write; with --compare a folder for page and JSON.")
    ],
    extractor: Annotated[
        str | None,
        typer.Option(help="rules (default), umls, radgraph, radgraph-package or llm."),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two sources, or annotated manifests, to be set against each other."),
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option(help="TOML file with terms of your own; see docs/reports.md.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many read reports; default 1.")
    ] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option(
            help="Concept graph (.parquet, .obo, .toml); default: the embedded one.",
            rich_help_panel=GRAPH,
        ),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(help="A file that RadGraph wrote; may be repeated.", rich_help_panel=RECORDS),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of the server's model; of radgraph-package, its kind of weights.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    server: Server = None,
    timeout_s: Timeout = None,
    allow_remote: AllowRemote = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="entities (default), kad, or a TOML file of yours.", rich_help_panel=SERVER
        ),
    ] = None,
    cache: Cache = None,
    concurrency: Concurrency = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
) -> None:
    """Reads observations and anatomy out of every report, with what is said of them."""
    from carina.annotation.annotate import annotate_manifest, summarise
    from carina.annotation.registry import make_pair, make_sources
    from carina.studies.manifest import Manifest, check_name, write_manifest

    options = {
        "lexicon": lexicon,
        "processes": processes,
        "knowledge": knowledge,
        "records": tuple(records) if records else None,
        "model": model,
        "server": server,
        "timeout_s": timeout_s,
        "allow_remote": allow_remote,
        "prompt": prompt,
        "cache": cache,
        "concurrency": concurrency,
        "price_in": price_in,
        "price_out": price_out,
    }
    given = {name: value for name, value in options.items() if value is not None}
    beside = {"cache": out.with_name(f"{out.name}.answers")}
    if compare is not None:
        if extractor is not None:
            raise typer.BadParameter("--compare names its sources itself: leave --extractor out.")
        from carina.annotation.compare import compare_sources, labels

        pair = make_pair(compare, given, beside)
        comparison = compare_sources(Manifest.read(manifest, root), labels(compare), pair)
        comparison.save(out)
        print_comparison(comparison)
        typer.echo(f"{out / 'index.html'}: the page. It quotes reports.")
        return
    check_name(out)
    (source,) = make_sources((extractor or "rules",), given, beside)
    films = Manifest.read(manifest, root)
    done = annotate_manifest(films, source)
    write_manifest(done.studies, out, films.root, films.dataset)
    print_summary(summarise(done.studies))
    print_problems(done.problems, done.remarks)
    typer.echo(f"{out}: {len(done.studies)} studies.")


def print_summary(summary: "AnnotationSummary") -> None:
    """Prints counts of reports and a table of the observations mentioned most often."""
    typer.echo(
        f"{summary.studies} studies, {summary.empty} without a report, {summary.unread} not read, "
        f"{summary.silent} whose report gave nothing; {summary.entities} entities."
    )
    typer.echo(
        f"{summary.triplets} triplets of entity, position and existence; {summary.untold} studies "
        "have none and teach nothing about findings."
    )
    if summary.observations:
        typer.echo(f"{'observation (reports that call it)':<40} present  absent  uncertain")
    for row in summary.observations[:SHOWN_OBSERVATIONS]:
        typer.echo(f"{row.name:<40} {row.present:>7} {row.absent:>7} {row.uncertain:>10}")
    if len(summary.observations) > SHOWN_OBSERVATIONS:
        typer.echo(f"... and {len(summary.observations) - SHOWN_OBSERVATIONS} more observations")


def print_problems(problems: "tuple[Problem, ...]", remarks: tuple[str, ...]) -> None:
    """Prints what a source could not use, each with the first studies, and its remarks."""
    for problem in problems:
        typer.echo(f"{problem.count:>7}  {problem.reason} (in {', '.join(problem.examples)})")
    for remark in remarks:
        typer.echo(remark)


def print_comparison(comparison: "Comparison") -> None:
    """Prints the observations that differ most, and some sentences of the first of them."""
    from carina.annotation.compare import said, shown_columns

    first, second = comparison.first, comparison.second
    columns = [*shown_columns("first", "second"), "kappa"]
    typer.echo(f"{comparison.studies} reports read by both; first: {first}, second: {second}.")
    typer.echo(" ".join([f"{'observation':<38}", *(f"{column:>12}" for column in columns)]))
    shown = comparison.observations[:SHOWN_OBSERVATIONS]
    for row in (*shown, comparison.overall):
        kappa = "-" if row.kappa is None else f"{row.kappa:.3f}"
        cells = (f"{value:>12}" for value in (*row.counts, kappa))
        typer.echo(" ".join([f"{row.name[:38]:<38}", *cells]))
    if len(comparison.observations) > SHOWN_OBSERVATIONS:
        typer.echo(f"... and {len(comparison.observations) - SHOWN_OBSERVATIONS} more observations")
    names = [row.name for row in shown[:SHOWN_EXAMPLES]]
    for name in names:
        example = next((e for e in comparison.examples if e.observation == name), None)
        if example is not None:
            said_so = f"{first}: {said(example.first)}, {second}: {said(example.second)}"
            typer.echo(f"{name} in {example.study_id} ({said_so})")
            for sentence in example.sentences:
                typer.echo(f"    {sentence}")
    for source, problem in comparison.problems:
        typer.echo(f"{problem.count:>7}  {source}: {problem.reason}")
    for remark in comparison.remarks:
        typer.echo(remark)
