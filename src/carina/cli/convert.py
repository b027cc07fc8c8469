"""`carina convert`: published weights as a model folder, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.conversion.layout import Accounted

EXAMPLES = (
    "carina convert kad best_valid.pt --tokenizer pubmedbert/ --out models/kad",
    "carina convert medklip checkpoint_final.pth --text-encoder bio_clinicalbert/ --out m/medklip",
    "carina convert maco maco.pth --tokenizer mimic_wordpiece.json --out models/maco",
    "carina convert kad best_valid.pt --tokenizer pubmedbert/ --out models/kad --check",
    "carina convert ecamp-classification best.bin --findings findings.json --out models/chest14",
    "carina convert mae mae_pretrain_vit_base.pth --out mae.safetensors",
    "carina convert kad runs/kad --back-like best_valid.pt --out mine.pt",
)


def convert(
    system: Annotated[
        str,
        typer.Argument(
            help="kad, kad-text, medklip, maco, ecamp, gloria; a fine-tuned maco-classification, "
            "ecamp-classification, ecamp-multiclass, ecamp-segmentation, ecamp-detection; mae, "
            "imagenet."
        ),
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
        Path | None,
        typer.Option(
            help="JSON: names and descriptions trained with (medklip); a list of the outputs' "
            "names (fine-tuned)."
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels (kad).")] = None,
    back_like: Annotated[
        Path | None, typer.Option(help="Write a folder under the names of this published file.")
    ] = None,
) -> None:
    """Turns published weights into a model folder, every key accounted for; and back."""
    from carina.conversion.layout import LAYOUTS, write_official
    from carina.conversion.starts import STARTS, convert_start
    from carina.conversion.systems import Given, check_nothing_given, convert_to_folder, system_of
    from carina.errors import ConfigError
    from carina.models.folder import load_model

    given = Given(
        file=file, tokenizer=tokenizer, text_encoder=text_encoder, findings=findings, size=size
    )
    if system in STARTS:
        check_nothing_given(given, system)
        if check or back_like is not None:
            raise ConfigError(
                f"--check and --back-like are of no use to {system}: its names stay as they are. "
                "Leave them out."
            )
        tell(convert_start(system, file, out), out)
        return
    system_of(system)
    if check:
        from carina.conversion.self_check import self_check, unproven

        for name, checked in self_check(system).items():
            typer.echo(f"Proven: {name}; answers differ by at most {checked.largest:.1e}")
        for what in unproven(system):
            typer.echo(f"Not proven: {what}")
    if back_like is not None:
        check_nothing_given(given, "--back-like")
        written = write_official(LAYOUTS[system], load_model(file), back_like, out)
        for name, state in written.items():
            typer.echo(f"{name or 'state dict'}: {len(state)} keys")
        typer.echo(f"Written: {out}")
        return
    tell(convert_to_folder(system, given, out), out)


def tell(accounted: "Accounted", out: Path) -> None:
    """Says what became of every key."""
    typer.echo(f"{accounted.taken} keys taken over")
    for why, keys in accounted.unused.items():
        typer.echo(f"{len(keys)} left out, such as {keys[0]}: {why}")
    typer.echo(f"Written: {out}")
