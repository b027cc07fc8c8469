"""`carina reproduce`: the papers' numbers, users' numbers and ours on one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina reproduce weights/kad weights/medklip --data manifests --out reproduction",
    "carina reproduce weights/kad --data releases --out reproduction   (releases/chestxray14/ ...)",
    "carina reproduce runs/maco --data manifests --out reproduction --fine-tune --steps 2000",
    "carina reproduce weights/kad --data manifests --out reproduction --protocol kad/chexpert",
    "carina reproduce runs/kad --data mine --out reproduction --part films.parquet=chestxray14",
)


def reproduce(
    models: Annotated[list[Path], typer.Argument(help="Model folders, or folders of runs.")],
    data: Annotated[
        Path, typer.Option(help="Folder of manifests, or of releases each called as its dataset.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the evaluations and the page.")],
    protocol: Annotated[
        list[str] | None, typer.Option(help="NAME of a protocol; else all without training.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="FILE=DATASET: a manifest of a table of yours is part of a release."),
    ] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Protocols that train too.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(help="Length of each training; else carina's own.")
    ] = None,
    replicates: Annotated[
        int, typer.Option(min=1, help="Bootstrap resamples; fine-tuned models have 1000.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Runs what the data at hand allow, and writes one page beside the papers."""
    from carina.cli.by_protocol import carried_out
    from carina.errors import EvaluationError
    from carina.evaluation.at_hand import with_releases
    from carina.evaluation.protocol import FineTuned
    from carina.evaluation.protocol_run import How
    from carina.evaluation.protocols import PROTOCOLS, protocol_named
    from carina.evaluation.reproduction import reproduce as reproduced
    from carina.evaluation.reproduction_page import not_done, reproduction_report
    from carina.files import write_text
    from carina.pages.reproduction import render_reproduction
    from carina.runs.starts import slug

    named = [protocol_named(name) for name in protocol or ()]
    trained = [one for one in named if isinstance(one.task, FineTuned)]
    if trained and not fine_tune:
        raise typer.BadParameter(f"{trained[0].name} trains; add --fine-tune.")
    if steps is not None and not fine_tune:
        raise typer.BadParameter("--steps is the length of trainings; add --fine-tune.")
    chosen = [
        one
        for one in PROTOCOLS.values()
        if one in named or (not named and (fine_tune or not isinstance(one.task, FineTuned)))
    ]
    folders = {slug(model): model for model in models}
    if len(folders) != len(models):
        raise typer.BadParameter("Two models have one name; copy or rename one of the folders.")
    how = How(replicates=replicates, seed=seed)
    manifests = with_releases(data, out / "manifests", parts_of(part or ()))
    for name, why in manifests.unused.items():
        typer.echo(f"not used: {name} {why}")
    outcomes = []
    for outcome in reproduced(
        folders,
        manifests,
        chosen,
        out,
        lambda one, model, studies, training: carried_out(
            one,
            model,
            studies,
            how,
            training,
            steps if isinstance(one.task, FineTuned) else None,
        ),
        f"replicates {replicates}, seed {seed}, steps {steps}",
    ):
        outcomes.append(outcome)
        if outcome.evaluation is not None:
            typer.echo(f"{outcome.protocol.name}, {outcome.model}: done")
    for reason, concerned in not_done(outcomes, len(folders)):
        typer.echo(f"not done: {concerned}: {reason}")
    if all(outcome.evaluation is None for outcome in outcomes):
        raise EvaluationError(
            f"{data}: nothing of it could be measured; why stands above. No page was written. "
            "`carina protocols` tells which datasets are measured."
        )
    trainings = (
        "Fine-tuned models are measured with 1,000 resamples."
        if fine_tune
        else "Protocols that fine-tune were not asked for (--fine-tune)."
    )
    facts = (f"Models: {', '.join(folders)}. {replicates:,} bootstrap resamples. {trainings}",)
    report = reproduction_report(outcomes, list(folders), manifests, facts)
    write_text(out / "index.html", render_reproduction(report))
    typer.echo(f"Written: {out / 'index.html'}")


def parts_of(told: Sequence[str]) -> dict[str, str]:
    """FILE=DATASET as a mapping.

    Raises:
        BadParameter: one has no dataset, or names one that no protocol is measured on.
    """
    from carina.evaluation.protocols import PROTOCOLS

    known = {name for one in PROTOCOLS.values() for name in one.part.datasets}
    parts = {}
    for text in told:
        file, _, dataset = text.rpartition("=")
        if not file or dataset not in known:
            raise typer.BadParameter(
                f"--part {text}: expected FILE=DATASET, with a dataset of `carina protocols`: "
                f"{', '.join(sorted(known))}."
            )
        parts[file] = dataset
    return parts
