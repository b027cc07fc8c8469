"""`carina finetune`: a pre-trained encoder, adapted with few labels and measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.evaluation.efficiency import Measurement
    from carina.finetuning.classification import ClassificationSettings
    from carina.runs.finetune import FinetuneRequest, Tuned
    from carina.studies.manifest import Manifest

EXAMPLES = (
    "carina finetune linear-probe runs/kad cohort.parquet --out tuned --fraction 0.01 --seeds 3",
    "carina finetune classification runs/kad cohort.parquet --out tuned --beside random",
    "carina finetune linear-probe runs/kad nih.parquet --out tuned --finding pneumonia",
)


def finetune(
    task: Annotated[str, typer.Argument(help="classification or linear-probe.")],
    model: Annotated[Path, typer.Argument(help="Model folder, or the folder of a run.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest with findings and splits.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: models, table and page.")],
    fraction: Annotated[
        list[float] | None, typer.Option(help="Of the training patients; give it once for each.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0.")] = 1,
    beside: Annotated[
        list[str] | None, typer.Option(help="Another start: a model folder, or `random`.")
    ] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="NAME; else every finding of the manifest.")
    ] = None,
    uncertain: Annotated[
        str, typer.Option(help="An uncertain label is: ignore, zeros or ones.")
    ] = "ignore",
    unmentioned: Annotated[
        str, typer.Option(help="Findings not listed are: auto, absent or unknown.")
    ] = "auto",
    steps: Annotated[
        int | None, typer.Option(help="Length of a training (classification).")
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Train the head alone (classification).")
    ] = False,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    store: Annotated[
        list[Path] | None, typer.Option(help="Image store; else one is built.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
) -> None:
    """Adapts an encoder with 1, 10 or 100% of the labels, and shows what each is worth."""
    from rich.console import Console

    from carina.evaluation.efficiency import efficiency_rows, write_efficiency
    from carina.evaluation.efficiency_page import efficiency_table, render_efficiency
    from carina.evaluation.run import UNMENTIONED
    from carina.files import write_text
    from carina.runs.finetune import FinetuneRequest
    from carina.runs.finetune import finetune as tune
    from carina.runs.starts import RANDOM
    from carina.studies.manifest import Manifest
    from carina.studies.truth import listed_findings

    studies = Manifest.read(manifest, root)
    others = [name for name in beside or [] if name != RANDOM]
    request = FinetuneRequest(
        task=task,
        findings=tuple(finding or listed_findings(studies.studies)),
        fractions=tuple(sorted(set(fraction or [1.0]))),
        seeds=tuple(range(seeds)),
        uncertainty=uncertain,
        unmentioned=UNMENTIONED[unmentioned],
        stores=tuple(store or ()),
        classification=classification_settings(steps, frozen=frozen),
    )
    tuned = tune(
        [model, *map(Path, others)],
        studies,
        out,
        request,
        random_start=RANDOM in (beside or []),
        resume=resume,
    )
    rows = efficiency_rows([measured(one, studies, request) for one in tuned])
    write_efficiency(rows, out / "efficiency.csv")
    write_text(out / "index.html", render_efficiency(rows, task, studies))
    Console().print(efficiency_table(rows))
    typer.echo(f"Written: {out / 'efficiency.csv'}, {out / 'index.html'}")
    last = rows[0].start, f"{rows[0].fraction:g}", "seed0"
    typer.echo(f"ask one: carina ask {Path(out, *last)} IMAGE --query {request.findings[0]!r}")


def classification_settings(steps: int | None, *, frozen: bool) -> "ClassificationSettings":
    """The defaults, of another length or with a frozen encoder."""
    from dataclasses import replace

    from carina.finetuning.classification import ClassificationSettings

    settings = ClassificationSettings(frozen=frozen)
    if steps is None:
        return settings
    looks = max(1, steps // 10)
    training = replace(settings.training, steps=steps, checkpoint_every=looks)
    return replace(settings, training=training)


def measured(tuned: "Tuned", studies: "Manifest", request: "FinetuneRequest") -> "Measurement":
    """Scores a fine-tuned model on the test part, unless that was done before."""
    import carina
    from carina.evaluation.efficiency import Measurement
    from carina.evaluation.page import evaluation_page
    from carina.evaluation.result import Evaluation
    from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
    from carina.pages.report_page import render_report_page

    folder = tuned.folder / "evaluation"
    if (folder / "evaluation.json").exists():
        evaluation = Evaluation.read(folder)
    else:
        network = carina.load(tuned.folder).model
        settings = ZeroShotSettings(unmentioned=request.unmentioned)
        evaluation = evaluate_zero_shot(
            network,
            studies,
            request.findings,
            settings,
            model_name=tuned.folder.as_posix(),
            store=tuned.store,
        )
        page = evaluation_page(evaluation, network, studies, title=f"Fine-tuned {tuned.start}")
        evaluation.save(folder, render_report_page(page))
    return Measurement(
        start=tuned.start,
        fraction=tuned.fraction,
        seed=tuned.seed,
        patients=tuned.patients,
        images=tuned.images,
        evaluation=evaluation,
    )
