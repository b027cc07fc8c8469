"""`carina reproduce`: the papers' numbers, users' numbers and ours on one page."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina reproduce weights/kad weights/medklip --data manifests --out reproduction",
    "carina reproduce runs/maco --data manifests --out reproduction --fine-tune --steps 2000",
    "carina reproduce weights/kad --data manifests --out reproduction --protocol kad/chexpert",
)


def reproduce(
    models: Annotated[list[Path], typer.Argument(help="Model folders, or folders of runs.")],
    data: Annotated[Path, typer.Option(help="Folder of manifests that `carina index` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the evaluations and the page.")],
    protocol: Annotated[
        list[str] | None, typer.Option(help="NAME of a protocol; else all without training.")
    ] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Protocols that train too.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(help="Length of each training; else carina's own.")
    ] = None,
    replicates: Annotated[
        int, typer.Option(help="Bootstrap resamples; fine-tuned models have 1000.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Runs what the data at hand allow, and writes one page beside the papers."""
    from carina.cli.by_protocol import carried_out
    from carina.evaluation.protocol import FineTuned
    from carina.evaluation.protocol_run import How
    from carina.evaluation.protocols import PROTOCOLS, protocol_named
    from carina.evaluation.reproduction import at_hand
    from carina.evaluation.reproduction import reproduce as reproduced
    from carina.evaluation.reproduction_page import reproduction_report
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
    manifests, how = at_hand(data), How(replicates=replicates, seed=seed)
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
        done = "done" if outcome.evaluation is not None else f"not done: {outcome.reason}"
        typer.echo(f"{outcome.protocol.name}, {outcome.model}: {done}")
    trainings = (
        "Fine-tuned models are measured with 1,000 resamples."
        if fine_tune
        else "Protocols that fine-tune were not asked for (--fine-tune)."
    )
    facts = (f"Models: {', '.join(folders)}. {replicates:,} bootstrap resamples. {trainings}",)
    report = reproduction_report(outcomes, list(folders), manifests, facts)
    write_text(out / "index.html", render_reproduction(report))
    typer.echo(f"Written: {out / 'index.html'}")
