"""`carina convert`: published weights as a model folder, and back."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina convert kad best_valid.pt --tokenizer pubmedbert/ --out models/kad",
    "carina convert medklip checkpoint_final.pth --text-encoder bio_clinicalbert/ --out m/medklip",
    "carina convert maco maco.pth --tokenizer mimic_wordpiece.json --out models/maco",
    "carina convert kad best_valid.pt --tokenizer pubmedbert/ --out models/kad --check",
    "carina convert mae mae_pretrain_vit_base.pth --out mae.safetensors",
    "carina convert kad runs/kad --back-like best_valid.pt --out mine.pt",
)


def convert(
    system: Annotated[
        str, typer.Argument(help="kad, kad-text, medklip, maco, ecamp, gloria; mae, imagenet.")
    ],
    file: Annotated[Path, typer.Argument(help="Published file; with --back-like our folder.")],
    out: Annotated[Path, typer.Option(help="Model folder to write; a file for starts and back.")],
    check: Annotated[
        bool, typer.Option("--check", help="First prove the key table by recorded answers.")
    ] = False,
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder, file or hub name of what the checkpoint lacks.")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="Folder or hub name of the BERT (medklip).")
    ] = None,
    findings: Annotated[
        Path | None, typer.Option(help="JSON of names and descriptions trained with (medklip).")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels (kad).")] = None,
    back_like: Annotated[
        Path | None, typer.Option(help="Write a folder under the names of this published file.")
    ] = None,
) -> None:
    """Turns published weights into a model folder, every key accounted for; and back."""
    from carina.conversion.layout import LAYOUTS, write_official
    from carina.conversion.systems import STARTS, Given, convert_to_folder, system_of
    from carina.models.folder import load_model

    if system in STARTS:
        typer.echo(f"Written: {STARTS[system](file, out)}")
        return
    system_of(system)
    if check:
        from carina.conversion.self_check import self_check, unproven

        for name, checked in self_check(system).items():
            typer.echo(f"Proven: {name}; answers differ by at most {checked.largest:.1e}")
        for what in unproven(system):
            typer.echo(f"Not proven: {what}")
    if back_like is not None:
        written = write_official(LAYOUTS[system], load_model(file), back_like, out)
        for name, state in written.items():
            typer.echo(f"{name}: {len(state)} keys")
        typer.echo(f"Written: {out}")
        return
    given = Given(
        file=file, tokenizer=tokenizer, text_encoder=text_encoder, findings=findings, size=size
    )
    accounted = convert_to_folder(system, given, out)
    typer.echo(f"{accounted.taken} keys taken over")
    for why, keys in accounted.unused.items():
        typer.echo(f"{len(keys)} left out, such as {keys[0]}: {why}")
    typer.echo(f"Written: {out}")
