"""`carina pretrain`: a recipe, carried out."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina pretrain list",
    "carina pretrain kad_small --data cohort.parquet --out runs/kad",
    "carina pretrain kad_paper --data mimic.parquet --out runs/paper --set steps=2",
    "carina pretrain kad_small --data c.parquet --out runs/b --from knowledge=runs/kad",
)


def pretrain(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; `list` prints them all.")],
    data: Annotated[Path | None, typer.Option(help="Manifest to train on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    store: Annotated[
        list[Path] | None, typer.Option(help="Image store; else one is built.")
    ] = None,
    knowledge: Annotated[
        Path | None, typer.Option(help="Concept graph; else the embedded.")
    ] = None,
    start: Annotated[
        list[str] | None, typer.Option("--from", help="STAGE=RUN: take a stage from a run.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as steps=100.")
    ] = None,
    devices: Annotated[int, typer.Option(help="GPUs, or processes on a CPU.")] = 1,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    split: Annotated[str, typer.Option(help="Part of the manifest to train on.")] = "train",
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Manifest whose patients are left out, such as MS-CXR's."),
    ] = None,
    tensorboard: Annotated[bool, typer.Option(help="Log for TensorBoard too.")] = False,
) -> None:
    """Trains a recipe from image-report pairs; a stopped run goes on with --resume."""
    from carina.recipes.catalogue import RECIPES, find_recipe

    if recipe == "list":
        for name, make in RECIPES.items():
            print(f"{name:<28} {make().summary}")
        return
    if data is None or out is None:
        raise typer.BadParameter("give --data MANIFEST and --out FOLDER.")

    from carina.models.load import answers_queries
    from carina.recipes.override import with_settings
    from carina.runs.run import RunOptions, pretrain
    from carina.studies.manifest import Manifest
    from carina.training.distributed import place
    from carina.training.log import TensorBoardLog

    options = RunOptions(
        seed=seed,
        stores=tuple(store or ()),
        graph=knowledge,
        start=parsed_start(start or []),
        devices=devices,
        resume=resume,
        split=split,
        exclude=tuple(exclude or ()),
        logs=(TensorBoardLog,) if tensorboard else (),
    )
    chosen = with_settings(find_recipe(recipe), settings or [])
    folder = pretrain(chosen, Manifest.read(data, root), out, options)
    if place().rank > 0:  # the first of several processes speaks for all
        return
    print(f"model: {folder}")
    if answers_queries(folder):
        print(f"ask it: carina ask {out} IMAGE --query pneumothorax")
    else:
        print(f"adapt it: carina finetune linear-probe {out} MANIFEST --out FOLDER")


def parsed_start(texts: list[str]) -> dict[str, Path]:
    """STAGE=RUN words as a dictionary."""
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"--from {text}: expected STAGE=RUN.")
    return {name: Path(path) for name, path in (text.split("=", 1) for text in texts)}
