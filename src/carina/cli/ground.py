"""`carina ground`: where in radiographs a phrase of a report holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.zeroshot.grounded import Grounded

EXAMPLES = (
    'carina ground runs/maco chest.dcm --phrase "small left pleural effusion" --out where',
    'carina ground runs/maco films/ --phrase "opacity at the right base" --smooth 1.5 --out where',
)
SHOWN_IMAGES = 25


def ground(
    model: Annotated[Path, typer.Argument(help="A model folder, or a run that holds one.")],
    images: Annotated[
        list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders of them.")
    ],
    phrase: Annotated[
        list[str], typer.Option(help="Words as a report has them; give it once for each.")
    ],
    out: Annotated[Path, typer.Option(help="A folder for overlays, phrases.json, index.html.")],
    smooth: Annotated[
        float,
        typer.Option(help="Blur of the map in patches; MaCo's published code blurs by 1.5."),
    ] = 0.0,
) -> None:
    """Draws where phrases hold on radiographs. For research only."""
    import os

    import carina
    from carina.cli.imports import large_imports
    from carina.cli.unfamiliar import print_unfamiliar

    # Threads that wait sleep: on a busy machine their spinning costs more than the network.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with large_imports():
        from carina.zeroshot.grounded import check_replaceable
        from carina.zeroshot.phrases import check_phrases

        load = carina.load

    phrases = check_phrases(phrase)
    check_replaceable(out.resolve())  # before the work, not after it
    network = load(model)
    grounded = network.ground(images, phrases, smoothing=smooth)
    print_peaks(grounded)
    print_unfamiliar(network.model, phrases)
    grounded.save(out)
    typer.echo(f"Written: {out / 'index.html'}")
    for note in grounded.notes:
        typer.echo(f"Not read whole: {note}", err=True)
    if grounded.unreadable:
        typer.echo(f"Not grounded: {len(grounded.unreadable)} of the images.", err=True)
        for message in grounded.unreadable:
            typer.echo(f"  {message}", err=True)
        raise typer.Exit(1)


def print_peaks(grounded: "Grounded") -> None:
    """Prints where each phrase's map is greatest, in pixels of the radiograph."""
    from rich.table import Table
    from rich.text import Text

    from carina.cli.console import table_console

    table = Table("radiograph", "phrase", "peak at x, y", box=None, pad_edge=False)
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    for i, image in enumerate(grounded.images[:SHOWN_IMAGES]):
        for j, phrase in enumerate(grounded.phrases):
            x, y = grounded.peak(i, j)
            name = Text(image.name if j == 0 else "")
            table.add_row(name, Text(phrase.short), f"{x:.0f}, {y:.0f}")
    console = table_console()
    console.print(table)
    if len(grounded.images) > SHOWN_IMAGES:
        console.print(f"… and {len(grounded.images) - SHOWN_IMAGES} more; they are in --out.")
