"""`carina index`: a release on disk becomes a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from carina.datasets.tally import Tally
    from carina.studies.counts import Counts

FINDINGS_SHOWN = 40

EXAMPLES = (
    "carina index csv my_films --out films.parquet",
    "carina index csv my_films --table list.csv --column image=file --column report=text "
    "--out films.parquet",
    "carina index mimic-cxr mimic-cxr-jpg/2.1.0 mimic-cxr/2.1.0 --out mimic.parquet",
    "carina index chexpert CheXpert-v1.0-small --out chexpert.parquet",
    "carina index phantom cohort --out cohort.parquet",
)


def index(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset; `list` prints them all.")],
    root: Annotated[
        Path | None, typer.Argument(help="Folder of the release; paths start here.")
    ] = None,
    root2: Annotated[
        Path | None, typer.Argument(help="Second folder, of a release in two downloads.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The manifest to write.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS: a column's name in the table; csv only.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Another table than the release's own, below ROOT.")
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option(help="Split by patient, from this seed, what has no split.")
    ] = None,
) -> None:
    """Turns a release on disk into a manifest."""
    from carina.datasets.registry import DATASETS, dataset_named

    if dataset == "list":
        for each in DATASETS.values():
            layout = "" if each.write is None else "; a --layout of `carina phantom`"
            typer.echo(f"{each.name:<20} {each.source}{layout}")
        return
    declared = dataset_named(dataset)
    if root is None or out is None:
        raise typer.BadParameter("give the folder of the release, and --out MANIFEST.")

    from carina.datasets.declaration import Release
    from carina.datasets.indexing import compared_with_whole, index_release
    from carina.datasets.tally import Tally
    from carina.studies.counts import NO_SPLIT, count

    release = Release(
        root=root, second_root=root2, table=table, columns=renamed_columns(column or [])
    )
    tally = Tally()
    manifest = index_release(declared, release, out, split_seed, tally)
    counts = count(manifest)
    print_counts(counts)
    if set(counts.splits) == {NO_SPLIT}:
        typer.echo("To train and measure on it, part it by patient: the same with --split-seed 0.")
    print_oddities(tally)
    if declared.counts:
        print_share(compared_with_whole(declared, manifest))
    typer.echo(f"Written: {out}")


def renamed_columns(texts: list[str]) -> dict[str, str]:
    """OURS=THEIRS words as a dictionary."""
    for text in texts:
        if not all(part.strip() for part in text.partition("=")):
            raise typer.BadParameter(f"--column {text}: expected OURS=THEIRS.")
    return {ours.strip(): theirs.strip() for ours, theirs in (text.split("=", 1) for text in texts)}


def print_counts(counts: "Counts") -> None:
    """Prints how many studies, patients and findings each split holds."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    console.print(
        f"{counts.studies} studies of {counts.patients} patients, "
        f"{counts.radiographs} radiographs ({_listed(counts.views)})"
    )
    splits = list(counts.splits)
    table = Table("", *splits, box=None, pad_edge=False)
    table.add_row("studies", *(str(counts.splits[split]) for split in splits))
    table.add_row("patients", *(str(counts.patients_by_split.get(split, 0)) for split in splits))
    table.add_row("with a report", *(str(counts.reports.get(split, 0)) for split in splits))
    add_findings(table, counts)
    console.print(table)
    if denies(counts):
        console.print("+ present, - absent, ? uncertain; other studies do not mention it")
    if len(counts.findings) > FINDINGS_SHOWN:
        console.print(f"and {len(counts.findings) - FINDINGS_SHOWN} rarer findings")
    if counts.boxes:
        console.print(f"boxes: {_listed(counts.boxes)}")
    if counts.masks:
        console.print(f"masks: {_listed(counts.masks)}")


def add_findings(table: "Table", counts: "Counts") -> None:
    """Adds a row a finding, those that most studies mention: how many have it in each split.

    Where the source says of any finding that it is absent or uncertain, these are told too.
    """
    studies = {
        name: sum(sum(values.values()) for values in found.values())
        for name, found in counts.findings.items()
    }
    shown = sorted(studies, key=lambda name: (-studies[name], name))[:FINDINGS_SHOWN]
    told = ("present", "absent", "uncertain") if denies(counts) else ("present",)
    if denies(counts):
        table.add_row("", *("+ / - / ?" for _ in counts.splits))
    for name in sorted(shown):
        found = (counts.findings[name].get(split, {}) for split in counts.splits)
        table.add_row(name, *(" / ".join(str(each.get(v, 0)) for v in told) for each in found))


def denies(counts: "Counts") -> bool:
    """Whether the source says of any finding that it is absent or uncertain."""
    return any(
        values.keys() - {"present"}
        for found in counts.findings.values()
        for values in found.values()
    )


def print_oddities(tally: "Tally") -> None:
    """Prints what the reader counted, each with the first place, and what it noted."""
    for name, number in tally.counts.items():
        typer.echo(f"{number} {name} (first: {tally.first[name]})")
    for line in tally.notes:
        typer.echo(line)


def print_share(differences: dict[str, tuple[int, int]]) -> None:
    """Says whether a release is the whole one, and where it is not."""
    for name, (found, whole) in differences.items():
        typer.echo(f"{found:,} {name} here; the whole release has {whole:,}.")
    if not differences:
        typer.echo("The whole release is here.")


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number} {name}" for name, number in ordered)
