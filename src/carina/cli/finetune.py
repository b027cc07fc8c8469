"""`carina finetune`: a pre-trained encoder, adapted with few labels and measured."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.evaluation.efficiency import Measurement
    from carina.evaluation.result import Evaluation
    from carina.finetuning.segmentation import SegmentationSettings
    from carina.runs.finetune import Tuned
    from carina.runs.job import TaskSettings
    from carina.runs.request import FinetuneRequest
    from carina.studies.manifest import Manifest
    from carina.studies.truth import Unmentioned
    from carina.training.settings import TrainingSettings

EXAMPLES = (
    "carina finetune linear-probe runs/kad cohort.parquet --out tuned --fraction 0.01 --seeds 3",
    "carina finetune classification runs/kad cohort.parquet --out tuned --beside random",
    "carina finetune severity runs/kad covid.parquet --out tuned --folds 5 --finding extent",
)

LABELS = "Which labels, how many, beside what"
COUNTED = "How labels count"
TRAINING = "The training"
DATA = "On which data"
"""Groups of options in the help."""

CLASSIFICATIONS = ("classification", "multiclass", "query-classification")
TRAINED = (
    *CLASSIFICATIONS,
    *("segmentation", "detection", "yolo-detection", "grading", "severity"),
)
OPTIONS = {
    "--steps": TRAINED,
    "--frozen": TRAINED,
    "--decoder": ("segmentation",),
    "--mask-loss": ("segmentation",),
    "--class-weights": CLASSIFICATIONS,
}
"""The tasks that each option is of: elsewhere it is refused, as it would do nothing."""


def finetune(
    task: Annotated[
        str,
        typer.Argument(
            help="classification, multiclass, linear-probe, query-classification, query-probe, "
            "segmentation, detection, yolo-detection, grading or severity."
        ),
    ],
    model: Annotated[Path, typer.Argument(help="Model folder, or the folder of a run.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest with findings and splits.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: models, table and page.")],
    fraction: Annotated[
        list[float] | None,
        typer.Option(
            help="Of the training patients; give it once for each.", rich_help_panel=LABELS
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many seeds, from 0.", rich_help_panel=LABELS)
    ] = 1,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validate by patient in so many folds; splits do not count.",
            rich_help_panel=LABELS,
        ),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            help="Another start: a model folder, `random`, resnet-50 or densenet-121.",
            rich_help_panel=LABELS,
        ),
    ] = None,
    finding: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME of a finding, structure or severity; else all.", rich_help_panel=LABELS
        ),
    ] = None,
    uncertain: Annotated[
        str,
        typer.Option(help="An uncertain label is: ignore, zeros or ones.", rich_help_panel=COUNTED),
    ] = "ignore",
    unmentioned: Annotated[
        str,
        typer.Option(
            help="Findings not listed are: auto, absent or unknown.", rich_help_panel=COUNTED
        ),
    ] = "auto",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Length of a training; a probe has none.", rich_help_panel=TRAINING
        ),
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Train all but the encoder.", rich_help_panel=TRAINING)
    ] = False,
    decoder: Annotated[
        str,
        typer.Option(
            help="Of masks: unet, progressive or pyramid (segmentation).", rich_help_panel=TRAINING
        ),
    ] = "unet",
    mask_loss: Annotated[
        str,
        typer.Option(
            help="entropy (and Dice) or focal (and log Dice) (segmentation).",
            rich_help_panel=TRAINING,
        ),
    ] = "entropy",
    class_weights: Annotated[
        float,
        typer.Option(
            help="Weigh labels by their rarity to this power (classifications).",
            rich_help_panel=COUNTED,
        ),
    ] = 0.0,
    root: Annotated[
        Path | None, typer.Option(help="Folder that image paths start at.", rich_help_panel=DATA)
    ] = None,
    store: Annotated[
        list[Path] | None,
        typer.Option(help="Image store; else one is built.", rich_help_panel=DATA),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
) -> None:
    """Adapts an encoder with 1, 10 or 100% of the labels, and shows what each is worth."""
    from carina.evaluation.run import UNMENTIONED
    from carina.finetuning.segmentation import MASK_LOSSES, SegmentationSettings
    from carina.finetuning.segmenter import DECODERS
    from carina.runs.finetune import finetune as tune
    from carina.runs.request import FinetuneRequest, names_to_tune
    from carina.runs.starts import RANDOM
    from carina.studies.manifest import Manifest

    check_word("--unmentioned", unmentioned, UNMENTIONED)
    check_word("--decoder", decoder, DECODERS)
    check_word("--mask-loss", mask_loss, MASK_LOSSES)
    given = {
        "--steps": steps is not None,
        "--frozen": frozen,
        "--decoder": decoder != "unet",
        "--mask-loss": mask_loss != "entropy",
        "--class-weights": class_weights != 0,
    }
    check_options(task, given)
    studies = Manifest.read(manifest, root)
    request = FinetuneRequest(
        task=task,
        names=names_to_tune(task, studies, finding or ()),
        fractions=tuple(sorted(set(fraction or [1.0]))),
        seeds=tuple(range(seeds)),
        folds=folds,
        stores=tuple(store or ()),
        settings=task_settings(
            steps,
            uncertain,
            UNMENTIONED[unmentioned],
            class_weights,
            SegmentationSettings(
                decoder=DECODERS[decoder], loss=MASK_LOSSES[mask_loss], frozen=frozen
            ),
            frozen=frozen,
        ),
    )
    others = [Path(name) for name in beside or () if name != RANDOM]
    random_start = RANDOM in (beside or ())
    tuned = tune([model, *others], studies, out, request, random_start=random_start, resume=resume)
    show(measurements(tuned, request), studies, out, request)


def check_word(option: str, word: str, words: Iterable[str]) -> None:
    """Refuses a word that an option does not know."""
    if word not in words:
        raise typer.BadParameter(f"{option} is {word!r}, expected one of {', '.join(words)}.")


def check_options(task: str, given: dict[str, bool]) -> None:
    """Refuses an option that is of other tasks; a task that there is not is refused elsewhere."""
    from carina.runs.tasks import TASKS

    for option, tasks in OPTIONS.items():
        if given[option] and task in TASKS and task not in tasks:
            raise typer.BadParameter(f"{option} is of {', '.join(tasks)}; {task} has no use of it.")


def show(
    scored: "list[Measurement]", studies: "Manifest", out: Path, request: "FinetuneRequest"
) -> None:
    """Writes table and page, and prints the means and how to ask the first model."""
    from carina.cli.console import table_console
    from carina.evaluation.efficiency import MEASURES, efficiency_rows, write_efficiency
    from carina.evaluation.efficiency_page import efficiency_table, render_efficiency
    from carina.files import write_text
    from carina.runs.finetune import recorded_overlaps

    rows = efficiency_rows(scored, MEASURES[scored[0].evaluation.task])
    write_efficiency(rows, out / "efficiency.csv")
    seen = tuple(str(overlap) for overlap in recorded_overlaps(out))
    page = render_efficiency(rows, request.task, studies, seen, request.folds)
    write_text(out / "index.html", page)
    table_console().print(efficiency_table(rows))
    typer.echo(f"Written: {out / 'efficiency.csv'}, {out / 'index.html'}")
    folder = [f"{rows[0].fraction:g}", "seed0", *(["fold0"] if request.folds else [])]
    first = Path(out, rows[0].start, *folder)
    typer.echo(f"ask one: carina ask {first} IMAGE --query {request.names[0]!r}")


def task_settings(
    steps: int | None,
    uncertain: str,
    unmentioned: "Unmentioned",
    class_weights: float,
    segmentation: "SegmentationSettings",
    *,
    frozen: bool,
) -> "TaskSettings":
    """The defaults of every task, of another length or with a frozen encoder."""
    from dataclasses import replace

    from carina.finetuning.classification import ClassificationSettings, through_queries
    from carina.finetuning.detection import DetectionSettings
    from carina.finetuning.grading import GradingSettings
    from carina.finetuning.yolo import YOLOSettings
    from carina.runs.job import TaskSettings

    classification = ClassificationSettings(frozen=frozen, class_weight_power=class_weights)
    queries = replace(through_queries(), frozen=frozen, class_weight_power=class_weights)
    detection = DetectionSettings(frozen=frozen)
    yolo = YOLOSettings(frozen=frozen)
    grading = GradingSettings(frozen=frozen)
    if steps is not None:
        classification = replace(classification, training=of_length(classification.training, steps))
        queries = replace(queries, training=of_length(queries.training, steps))
        segmentation = replace(segmentation, training=of_length(segmentation.training, steps))
        detection = replace(detection, training=of_length(detection.training, steps))
        yolo = replace(yolo, training=of_length(yolo.training, steps))
        grading = replace(grading, training=of_length(grading.training, steps))
    return TaskSettings(
        uncertainty=uncertain,
        unmentioned=unmentioned,
        classification=classification,
        query_classification=queries,
        segmentation=segmentation,
        detection=detection,
        yolo=yolo,
        grading=grading,
    )


def of_length(training: "TrainingSettings", steps: int) -> "TrainingSettings":
    """The same over another number of steps, validated ten times."""
    from dataclasses import replace

    return replace(training, steps=steps, checkpoint_every=max(1, steps // 10))


def measurements(tuned: Iterable["Tuned"], request: "FinetuneRequest") -> "list[Measurement]":
    """Scores fine-tuned models on their test parts; the folds of a seed make one measurement."""
    from itertools import groupby

    groups = groupby(tuned, lambda one: (one.start, one.fraction, one.seed))
    return [measurement(list(group), request) for _, group in groups]


def measurement(group: "list[Tuned]", request: "FinetuneRequest") -> "Measurement":
    """The model of one start, fraction and seed, or the models of all its folds."""
    from statistics import fmean

    from carina.evaluation.efficiency import Measurement
    from carina.evaluation.pooling import pooled

    scored = [evaluated(one, request) for one in group]
    first = group[0]
    if first.fold is not None:
        scored = [pooled(scored)]
        scored[0].save(first.folder.parent / "evaluation")
    return Measurement(
        start=first.start,
        fraction=first.fraction,
        seed=first.seed,
        patients=round(fmean(one.patients for one in group)),
        images=round(fmean(one.images for one in group)),
        evaluation=scored[0],
    )


def evaluated(tuned: "Tuned", request: "FinetuneRequest") -> "Evaluation":
    """Scores a fine-tuned model on its test part, unless that was done before."""
    from carina.evaluation.page import evaluation_page
    from carina.evaluation.result import Evaluation
    from carina.evaluation.tuned import evaluate_tuned
    from carina.finetuning.classifier import Classifier
    from carina.finetuning.query_classifier import QueryClassifier
    from carina.models.load import load
    from carina.pages.report_page import render_report_page

    folder = tuned.folder / "evaluation"
    if (folder / "evaluation.json").exists():
        return Evaluation.read(folder)
    network = load(tuned.folder).model
    evaluation = evaluate_tuned(
        network,
        tuned.manifest,
        request.names,
        unmentioned=request.settings.unmentioned,
        store=tuned.store,
        model_name=tuned.folder.as_posix(),
    )
    if isinstance(network, Classifier | QueryClassifier):
        title = f"Fine-tuned {tuned.start}"
        page = evaluation_page(evaluation, network, tuned.manifest, title=title)
        evaluation.save(folder, render_report_page(page))
    else:
        evaluation.save(folder)
    return evaluation
