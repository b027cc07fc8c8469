"""`carina pack`: radiographs, decoded once, in an image store."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.imaging.building import StoreSummary

EXAMPLES = (
    "carina pack films.parquet --size 256 --out store",
    "carina pack films.parquet --out store --verify",
    "carina pack films.parquet --out store --repair",
    "carina pack films.parquet --size 512 --jpeg-quality 90 --out store",
)
SHOWN_FILES = 10


def pack(
    manifest: Annotated[Path, typer.Argument(help="Manifest whose frontal radiographs to pack.")],
    out: Annotated[Path, typer.Option(help="Folder of the store.")],
    size: Annotated[
        int | None, typer.Option(help="Short side of the stored images, in pixels.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of the store; changes nothing.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Pack damaged and missing images again.")
    ] = False,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many decode images; default: one a core.")
    ] = None,
    jpeg_quality: Annotated[
        int | None,
        typer.Option(help="Store JPEG data of this quality, 1 to 100; default: plain pixels."),
    ] = None,
) -> None:
    """Builds an image store or completes one; --verify or --repair an existing one."""
    if verify and repair:
        raise typer.BadParameter("--verify and --repair exclude one another; repairing verifies.")
    if size is None and not (verify or repair):
        raise typer.BadParameter("give --size PX, the short side of the stored images.")
    if verify:
        verify_store(manifest, root, out)
        return

    from carina.imaging.building import build_store, repair_store
    from carina.imaging.shards import JpegCodec, RawCodec
    from carina.imaging.store import ImageStore
    from carina.studies.manifest import Manifest
    from carina.studies.packing import images_to_pack

    items = images_to_pack(Manifest.read(manifest, root))
    if repair:
        summary = repair_store(items, out, processes)
    else:
        assert size is not None
        codec = RawCodec() if jpeg_quality is None else JpegCodec(quality=jpeg_quality)
        summary = build_store(items, out, size, processes, codec=codec)
    print_summary(summary)
    store = ImageStore.open(out)
    typer.echo(
        f"{out}: {len(store)} images of {store.size} px, mean {store.mean:.4f}, std {store.std:.4f}"
    )
    if summary.unreadable:
        raise typer.Exit(1)


def verify_store(manifest: Path, root: Path | None, out: Path) -> None:
    """Prints which images of a store are damaged or outdated, and which it lacks."""
    from carina.imaging.building import newer_than_packed
    from carina.imaging.store import ImageStore
    from carina.studies.manifest import Manifest
    from carina.studies.packing import images_to_pack

    store = ImageStore.open(out)
    damage = store.verify()
    items = images_to_pack(Manifest.read(manifest, root))
    missing = [key for key in items.keys if key not in store]
    print_some("damaged files of the store", [f"{name}: {what}" for name, what in damage.shards])
    print_some("damaged", damage.images)
    print_some("not in the store", missing)
    print_newer(newer_than_packed(items, out))
    if damage or missing:
        typer.echo("Pack again with --repair.")
        raise typer.Exit(1)
    typer.echo(f"{out}: {len(store)} images of {store.size} px, all whole.")


def print_summary(summary: "StoreSummary") -> None:
    """Prints what a build did, and which files could not be read."""
    typer.echo(f"{summary.written} images packed, {summary.kept} kept.")
    print_some("could not be read", [message for _, message in summary.unreadable])
    print_newer(summary.newer)


def print_newer(keys: Sequence[str]) -> None:
    """Prints which stored images have newer files, and what to do if these were changed."""
    print_some("kept, whose files are newer than their picture in the store", keys)
    if keys:
        typer.echo("If files were changed, and not only copied anew: pack again with --repair.")


def print_some(what: str, lines: Sequence[str]) -> None:
    """Prints how many there are, and the first of them."""
    if lines:
        typer.echo(f"{len(lines)} {what}:")
    for line in lines[:SHOWN_FILES]:
        typer.echo(f"  {line}")
    if len(lines) > SHOWN_FILES:
        typer.echo(f"  ... and {len(lines) - SHOWN_FILES} more")
