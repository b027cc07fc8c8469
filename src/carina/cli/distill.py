"""`carina distill`: one short sentence for each thing that a report says is there or is not."""

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
    from carina.report.descriptor_counts import DescriptionStatistics
    from carina.study import Study

EXAMPLES = (
    "carina distill annotated.parquet --out distilled.parquet",
    "carina distill films.parquet --out distilled.parquet --descriptions words.csv",
    "carina distill films.parquet --out distilled.parquet --by llm "
    "--server http://localhost:8000/v1 --model llama3",
    "carina distill mimic.parquet --out distilled.parquet --by file --records MIMIC-Vicuna.json",
    "carina distill films.parquet --out distilled.parquet --by llm "
    "--server http://localhost:8000/v1 --model llama3 --pairs pairs.jsonl",
)
SHOWN_DESCRIPTIONS = 15
WRITTEN, TEACHING = "Of file", "For tuning a smaller language model"


def distill(
    manifest: Annotated[Path, typer.Argument(help="Manifest whose reports to distil.")],
    out: Annotated[Path, typer.Option(help="Manifest to write.")],
    by: Annotated[str, typer.Option(help="rules, llm or file.")] = "rules",
    descriptions: Annotated[
        Path | None,
        typer.Option(help="CSV file to write: the words before entities and how often they deny."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many distil by rules; default 1.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            help='JSON file of distilled reports by study: {"study": "There is ..."}.',
            rich_help_panel=WRITTEN,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the server's model.", rich_help_panel=SERVER)
    ] = None,
    server: Server = None,
    timeout_s: Timeout = None,
    allow_remote: AllowRemote = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="distil (default), or a TOML file of yours.", rich_help_panel=SERVER),
    ] = None,
    cache: Cache = None,
    concurrency: Concurrency = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="JSON Lines file to write: what is asked and answered, outside test and "
            "validation. It quotes reports.",
            rich_help_panel=TEACHING,
        ),
    ] = None,
    pairs_most: Annotated[
        int, typer.Option(min=1, help="At most so many.", rich_help_panel=TEACHING)
    ] = 10_000,
) -> None:
    """Distils every report into short sentences: "There is ...", "There may be ..."."""
    from carina.annotation.distil_prompt import PACKAGED, read_distil_prompt
    from carina.annotation.distillation import distil_manifest
    from carina.annotation.registry import make_distiller
    from carina.cli.annotate import print_problems
    from carina.studies.manifest import Manifest, check_name, write_manifest

    options = {
        "processes": processes,
        "records": records,
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
    check_name(out)
    given = {name: value for name, value in options.items() if value is not None}
    distiller = make_distiller(by, given, {"cache": out.with_name(f"{out.name}.answers")})
    films = Manifest.read(manifest, root)
    studies, found = distil_manifest(films, distiller)
    write_manifest(studies, out, films.root, films.dataset)
    print_counts(studies, found.texts)
    print_problems(found.problems, found.remarks)
    if descriptions is not None:
        write_descriptions(studies, descriptions)
    if pairs is not None:
        from carina.annotation.teacher_pairs import write_teacher_pairs

        asked = read_distil_prompt(prompt or PACKAGED)
        written = write_teacher_pairs(studies, asked, pairs, pairs_most)
        typer.echo(f"{pairs}: {written} pairs of question and answer. It quotes reports.")
    typer.echo(f"{out}: {len(studies)} studies.")


def print_counts(studies: "tuple[Study, ...]", texts: tuple[str | None, ...]) -> None:
    """Prints how many reports became what."""
    from carina.report.distilled_check import split_distilled

    told = [t for t, study in zip(texts, studies, strict=True) if study.report.text.strip()]
    sentences = [sentence for text in told if text for sentence in split_distilled(text)[0]]
    absent = sum(sentence.split()[2] == "no" for sentence in sentences)
    unsure = sum(sentence.startswith("There may") for sentence in sentences)
    typer.echo(
        f"{len(studies)} studies, {len(studies) - len(told)} without a report, "
        f"{told.count(None)} not distilled, {told.count('')} whose report gave nothing; "
        f"{len(sentences)} sentences: {len(sentences) - absent - unsure} say that something is "
        f"there, {absent} that it is not, {unsure} that it may be."
    )


def write_descriptions(studies: "tuple[Study, ...]", path: Path) -> None:
    """Counts the words before entities, writes them, and prints the most frequent."""
    from carina.annotation.answers import reported_text
    from carina.annotation.distillation import rules
    from carina.files import progress, write_text
    from carina.report.descriptor_counts import count_descriptions

    texts = [text for study in studies if (text := reported_text(study.report.text))]
    counted = count_descriptions(progress(texts, "Counting words", len(texts)), rules())
    rows = (f"{row.words},{row.count},{row.denied}\n" for row in counted.descriptions)
    write_text(path, "".join(("words,count,denied\n", *rows)))
    print_descriptions(counted)
    typer.echo(f"{path}: {len(counted.descriptions)} descriptions.")


def print_descriptions(counted: "DescriptionStatistics") -> None:
    """Prints the most frequent descriptions, and the factor that balances them."""
    typer.echo(f"{'words before an entity':<32} {'count':>9} {'denied':>9}")
    for row in counted.descriptions[:SHOWN_DESCRIPTIONS]:
        typer.echo(f"{row.words:<32} {row.count:>9} {row.denied:>9}")
    typer.echo(
        f"{counted.count} entities described in {counted.reports} reports, {counted.denied} of "
        "them denied."
    )
    if counted.balance is not None:
        typer.echo(
            f"Denied and other descriptions weigh the same if a denied one counts "
            f"{counted.balance:.3f} (ECAMP's paper, on MIMIC-CXR: 0.05)."
        )
