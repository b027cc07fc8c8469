"""What `carina evaluate --protocol` and `carina reproduce` share: one protocol, carried out."""

from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from carina.evaluation.protocol import FineTuned, Protocol
    from carina.evaluation.protocol_run import How
    from carina.evaluation.result import Evaluation
    from carina.runs.job import TaskSettings
    from carina.runs.request import FinetuneRequest
    from carina.studies.manifest import Manifest


def refuse_others(said: "Mapping[str, object]", allowed: frozenset[str]) -> None:
    """Refuses what is said beside a protocol that settles it.

    Args:
        said: the values of the parameters of `carina evaluate`.
        allowed: those that may differ from their defaults.

    Raises:
        BadParameter: names what was said.
    """
    from carina.cli.evaluate import evaluate

    defaults = {one.name: one.default for one in signature(evaluate).parameters.values()}
    others = [name for name in said if name not in allowed and said[name] != defaults[name]]
    if others:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise typer.BadParameter(
            f"{flags}: a protocol settles this, so leave it out, or leave --protocol out."
        )


def evaluate_and_show(
    name: str,
    model: Path,
    manifest: Path,
    out: Path,
    *,
    root: Path | None,
    store: Path | None,
    replicates: int,
    seed: int,
    steps: int | None,
) -> None:
    """Carries out one protocol, writes what it found and prints it beside the paper."""
    from rich.console import Console

    from carina.evaluation.protocol import FineTuned
    from carina.evaluation.protocol_run import How
    from carina.evaluation.protocol_table import protocol_lines, protocol_table
    from carina.evaluation.protocols import protocol_named
    from carina.evaluation.result import check_replaceable
    from carina.studies.manifest import Manifest

    protocol = protocol_named(name)
    if isinstance(protocol.task, FineTuned) and (replicates, seed) != (1000, 0):
        raise typer.BadParameter(
            f"--replicates and --seed are not for {name}: a fine-tuned model is measured as "
            "`carina finetune` does. Leave them out."
        )
    check_replaceable(out)
    studies = Manifest.read(manifest, root)
    how = How(replicates=replicates, seed=seed, store=store)
    training = out.with_name(f"{out.name}-training")
    evaluation, page = carried_out(protocol, model, studies, how, training, steps)
    evaluation.save(out, page)
    console = Console()
    console.print(protocol_table(evaluation, protocol))
    for line in protocol_lines(evaluation):
        console.print(line, markup=False, highlight=False)
    written = [str(out / "evaluation.json"), *([str(out / "index.html")] if page else [])]
    typer.echo(f"Written: {', '.join(written)}")


def carried_out(
    protocol: "Protocol",
    model: Path,
    studies: "Manifest",
    how: "How",
    training: Path,
    steps: int | None,
) -> "tuple[Evaluation, str | None]":
    """One protocol of one model: the evaluation, and its page where it has one.

    Args:
        protocol: what is carried out.
        model: model folder.
        studies: of one of the protocol's datasets.
        how: what the caller may choose.
        training: folder for the run of a protocol that fine-tunes; what is there is not done
            again.
        steps: length of a training; None for carina's own.
    """
    import carina
    from carina.evaluation.protocol import FineTuned
    from carina.evaluation.protocol_run import evaluate_by_protocol, prepared_manifest
    from carina.evaluation.task_page import task_page
    from carina.pages.report_page import render_report_page

    if isinstance(protocol.task, FineTuned):
        return fine_tuned(protocol, protocol.task, model, studies, how, training, steps), None
    if steps is not None:
        raise typer.BadParameter(f"--steps: {protocol.name} trains nothing; leave it out.")
    network = carina.load(model).model
    evaluation = evaluate_by_protocol(network, studies, protocol, how, model.as_posix())
    page = task_page(evaluation, network, prepared_manifest(studies, protocol))
    return evaluation, render_report_page(page)


def fine_tuned(
    protocol: "Protocol",
    task: "FineTuned",
    model: Path,
    studies: "Manifest",
    how: "How",
    training: Path,
    steps: int | None,
) -> "Evaluation":
    """Trains with the protocol's share of the labels, unless that is done, and measures."""
    from dataclasses import replace

    from carina.cli.finetune import evaluated
    from carina.evaluation.deviations import list_deviations
    from carina.evaluation.protocol_run import prepared_manifest, told_of
    from carina.models.folder import load_model
    from carina.runs.finetune import finetune
    from carina.runs.request import listed_names

    prepared = prepared_manifest(studies, protocol)
    listed = listed_names(task.task, prepared, task.names)
    request = finetune_request(replace(task, names=listed), how, steps)
    with telling_how_many(protocol, task, prepared):
        (tuned,) = finetune([model], prepared, training, request, resume=True)
    evaluation = evaluated(tuned, request)
    told = (
        f"Trained on {tuned.images:,} radiographs of {tuned.patients:,} patients, one seed."
        if steps is None
        else f"Trained on {tuned.images:,} radiographs for {steps:,} steps, one seed."
    )
    network: Any = load_model(tuned.folder / "model")
    deviations = (told, *list_deviations(task.names, listed))
    return told_of(evaluation, protocol, studies, network.preprocessing.size, deviations)


@contextmanager
def telling_how_many(
    protocol: "Protocol", task: "FineTuned", studies: "Manifest"
) -> "Iterator[None]":
    """Says how many studies it takes, where a share of the labels lacks examples.

    Raises:
        ExamplesError: as raised, with that for an advice.
    """
    from carina.errors import ExamplesError
    from carina.evaluation.examples_needed import advice_on_examples
    from carina.runs.tasks import TASKS

    try:
        yield
    except ExamplesError as error:
        every_name = TASKS[task.task].truth.check_some is None
        advice = advice_on_examples(protocol, task, studies, every_name)
        raise ExamplesError(error.found, advice) from error


def finetune_request(task: "FineTuned", how: "How", steps: int | None) -> "FinetuneRequest":
    """The training in the words of `carina finetune`."""
    from carina.runs.request import FinetuneRequest

    return FinetuneRequest(
        task=task.task,
        names=task.names,
        fractions=(task.fraction,),
        whole_list=True,
        stores=() if how.store is None else (how.store,),
        settings=settings_of(task, steps),
    )


def settings_of(task: "FineTuned", steps: int | None) -> "TaskSettings":
    """Carina's own settings of every task, of the length that the caller asks for."""
    from dataclasses import fields, replace

    from carina.cli.finetune import of_length
    from carina.evaluation.run import UNMENTIONED
    from carina.runs.job import TaskSettings

    settings = TaskSettings(uncertainty=task.uncertain, unmentioned=UNMENTIONED["auto"])
    if steps is None:
        return settings
    parts: dict[str, Any] = {one.name: getattr(settings, one.name) for one in fields(settings)}
    trained = {name: part for name, part in parts.items() if hasattr(part, "training")}
    return replace(
        settings,
        **{
            name: replace(part, training=of_length(part.training, steps))
            for name, part in trained.items()
        },
    )
