"""`carina check`: is a manifest fit for use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.studies.check_report import CheckReport
    from carina.studies.manifest import Manifest

EXAMPLES = (
    "carina check films.parquet",
    "carina check films.parquet --page check.html --cache films.seen",
    "carina check training.parquet hospital_b.parquet --json findings.json",
    "carina check nih.parquet rsna.parquet --shared shared.parquet   (for pretrain --exclude)",
    "carina check films.parquet --store store",
    "carina check test.parquet --model runs/kad",
)


def check(
    manifests: Annotated[list[Path], typer.Argument(help="One or more manifests.")],
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that image paths start at; one for each manifest, in order."),
    ] = None,
    store: Annotated[
        list[Path] | None,
        typer.Option(help="Image store to look at instead of files; one for each manifest."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder that remembers pictures; default: beside the first store."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for everything that was found.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="A page with the pictures in question; for your eyes.")
    ] = None,
    shared: Annotated[
        Path | None,
        typer.Option(help="A manifest of the first's studies whose patients are in others too."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A trained model: were patients of the test part in its training?"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many read pictures; default: one a core.")
    ] = None,
) -> None:
    """Looks for broken files, leaks and doubtful pictures; exits with 1 on leaks and broken files.

    A leak is a patient, or a picture (the same, cropped, resized, toned or inverted), on two sides
    of a line. A file that is missing or cannot be read, and an annotation that does not fit its
    picture, end with 1 too, and so do test patients that a --model was trained on. Pictures that
    look blank, broken, inverted, turned or not frontal, findings that their report contradicts, and
    uneven splits are suspicions: they are listed.
    """
    from carina.cli.index import print_counts
    from carina.files import write_text
    from carina.imaging.store import ImageStore
    from carina.studies import checks
    from carina.studies.check_page import write_check_page
    from carina.studies.manifest import Manifest, check_name
    from carina.studies.trained_on import seen_before

    for name, given in (("--root", root), ("--store", store)):
        if given and len(given) != len(manifests):
            raise typer.BadParameter(f"{name} is given {len(given)} times for {len(manifests)}.")
    if shared is not None:
        check_name(shared)
    roots: list[Path | None] = [*root] if root else [None] * len(manifests)
    read = [Manifest.read(path, start) for path, start in zip(manifests, roots, strict=True)]
    seen = [seen_before(one, manifest) for one in model or () for manifest in read]
    stores = [ImageStore.open(path) for path in store or ()]
    if cache is None and store:
        cache = Path(f"{store[0].absolute()}.seen")  # beside it, even if it is "."
    report = checks.check(read, processes, stores=stores, cache=cache)
    for counts in report.counts:
        typer.echo(counts.manifest)
        print_counts(counts)
        typer.echo()
    typer.echo(report.summary())
    if json is not None:
        write_text(json, report.to_json() + "\n")
        typer.echo(f"Written: {json}")
    if shared is not None:
        write_shared(read, report, shared)
    if page is not None:
        write_check_page(report, read, page, stores)
        typer.echo(f"Written: {page} (it shows patients' pictures and reports)")
    for overlap in seen:
        typer.echo(str(overlap))
    if not report.healthy or any(overlap.patients for overlap in seen):
        raise typer.Exit(1)


def write_shared(manifests: "list[Manifest]", report: "CheckReport", out: Path) -> None:
    """Writes the studies of the first manifest that must not meet the others."""
    from carina.studies.leaks import studies_shared
    from carina.studies.manifest import write_manifest

    first, studies = manifests[0], studies_shared(manifests, report)
    if not studies:
        typer.echo(f"No patient of {first.path} was found elsewhere: {out} is not written.")
        return
    write_manifest(studies, out, first.root, first.dataset)
    typer.echo(f"Written: {out} ({len(studies)} studies to leave out with --exclude)")
