"""`carina evaluate`: a model measured on a manifest, with intervals."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina evaluate runs/kad cohort.parquet --out eval/kad",
    "carina evaluate runs/kad nih.parquet --out eval/nih --query pneumonia --query infiltration",
    "carina evaluate runs/kad cohort.parquet --task grounding --out eval/where",
    "carina evaluate runs/maco ms_cxr.parquet --task phrase-grounding --split all --out eval/said",
    "carina evaluate runs/maco cohort.parquet --task retrieval --out eval/found",
    "carina evaluate tuned/kad/1/seed0 cohort.parquet --task tuned --out eval/drawn",
    "carina evaluate runs/kad covid.parquet --out eval/covid --query covid-19 --both-ways",
    "carina evaluate runs/kad nih.parquet --out eval/nih --protocol kad/chestxray14",
)

PAPER = "As a paper did it"
ASKED = "What is asked"
DATA = "On which data"
COUNTED = "What counts, and intervals"
PLACES = "Where it is (grounding and phrase-grounding)"
"""Groups of options in the help."""

WITH_PROTOCOL = frozenset(
    {"model", "manifest", "out", "protocol", "root", "store", "replicates", "seed", "steps"}
)
"""What may be said beside --protocol; all else is the protocol's own."""


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, or the folder of a run.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest with findings, boxes or masks.")],
    out: Annotated[Path, typer.Option(help="Folder of evaluation.json, predictions and page.")],
    task: Annotated[
        str, typer.Option(help="zero-shot, grounding, phrase-grounding, retrieval or tuned.")
    ] = "zero-shot",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="An evaluation of a paper, such as kad/chestxray14; `carina protocols`.",
            rich_help_panel=PAPER,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Length of a training, if it fine-tunes.", rich_help_panel=PAPER),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME=DESCRIPTION; else every finding of the manifest.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    descriptions: Annotated[
        str | None,
        typer.Option(
            help="Describe each query: `default`, or a FILE of yours that goes before.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    both_ways: Annotated[
        bool,
        typer.Option(
            "--both-ways",
            help="Ask by name and by description, and compare.",
            rich_help_panel=ASKED,
        ),
    ] = False,
    prompts: Annotated[
        str | None,
        typer.Option(
            help="Prompt set, for a model that asks by prompts; docs/prompts.md.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Part to score; `all` for every study.", rich_help_panel=DATA)
    ] = "test",
    threshold_split: Annotated[
        str,
        typer.Option(
            help="Part to choose thresholds on; `none` for no thresholds.", rich_help_panel=DATA
        ),
    ] = "validate",
    root: Annotated[
        Path | None,
        typer.Option(help="Folder that image paths start at.", rich_help_panel=DATA),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Image store to read (zero-shot).", rich_help_panel=DATA)
    ] = None,
    per: Annotated[
        str,
        typer.Option(
            help="What counts once: image, study-mean or study-max (zero-shot).",
            rich_help_panel=COUNTED,
        ),
    ] = "image",
    unmentioned: Annotated[
        str,
        typer.Option(
            help="Findings not listed are: auto, absent or unknown (zero-shot).",
            rich_help_panel=COUNTED,
        ),
    ] = "auto",
    replicates: Annotated[
        int, typer.Option(min=1, help="Bootstrap resamples.", rich_help_panel=COUNTED)
    ] = 1000,
    by_image: Annotated[
        bool,
        typer.Option(
            "--by-image", help="Resample images, not whole patients.", rich_help_panel=COUNTED
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap.", rich_help_panel=COUNTED)
    ] = 0,
    margin: Annotated[
        float,
        typer.Option(
            help="Tolerance of the pointing game, share of the shorter side.",
            rich_help_panel=PLACES,
        ),
    ] = 0.0,
    outline: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LABEL,LABEL: labels whose boxes and masks outline NAME too.",
            rich_help_panel=PLACES,
        ),
    ] = None,
    phrase_template: Annotated[
        str | None,
        typer.Option(
            help="Ask outlines by label, as in 'Findings suggesting {name}'.",
            rich_help_panel=PLACES,
        ),
    ] = None,
    smooth: Annotated[
        float,
        typer.Option(
            help="Blur of phrase maps in patches; MaCo's code has 1.5.", rich_help_panel=PLACES
        ),
    ] = 0.0,
    sweep_weight_temperature: Annotated[
        bool,
        typer.Option(
            "--sweep-weight-temperature",
            help="Phrase maps with other tau_w (MaCo).",
            rich_help_panel=PLACES,
        ),
    ] = False,
) -> None:
    """Measures a model: scores with 95% intervals, predictions, and a page to look at."""
    said = dict(locals())
    if protocol is not None:
        from carina.cli.by_protocol import evaluate_and_show, refuse_others

        refuse_others(said, WITH_PROTOCOL)
        evaluate_and_show(
            protocol,
            model,
            manifest,
            out,
            root=root,
            store=store,
            replicates=replicates,
            seed=seed,
            steps=steps,
        )
        return
    if steps is not None:
        raise typer.BadParameter("--steps is for --protocol ones that fine-tune; leave it out.")

    import carina
    from carina.cli.console import table_console
    from carina.evaluation.both_ways import both_ways_page, both_ways_table, evaluate_both_ways
    from carina.evaluation.outlines import parse_outlines
    from carina.evaluation.result import check_replaceable
    from carina.evaluation.run import EvaluationRequest, evaluate
    from carina.evaluation.table import evaluation_table, remarks
    from carina.evaluation.task_page import task_page
    from carina.evaluation.weight_temperature import PAPER_TEMPERATURES
    from carina.knowledge.descriptions import Descriptions
    from carina.pages.report_page import render_report_page
    from carina.studies.manifest import Manifest
    from carina.zeroshot.queries import parse_query

    request = EvaluationRequest(
        task=task,
        queries=tuple(parse_query(text) for text in query or ()) or None,
        split=None if split == "all" else split,
        threshold_split=None if threshold_split == "none" else threshold_split,
        per=per,
        unmentioned=unmentioned,
        margin=margin,
        outlines=parse_outlines(outline or ()),
        replicates=replicates,
        whole_patients=not by_image,
        seed=seed,
        store=store,
        descriptions=None if descriptions is None else Descriptions.named(descriptions),
        phrase_template=phrase_template,
        smoothing=smooth,
        weight_temperatures=PAPER_TEMPERATURES if sweep_weight_temperature else (),
    )
    check_replaceable(out)
    studies = Manifest.read(manifest, root)
    network = carina.load(model, prompts=prompts).model
    if both_ways:
        both = evaluate_both_ways(network, studies, request, model_name=model.as_posix())
        both.save(out, render_report_page(both_ways_page(both, network, studies)))
        result, table = both.by_name, both_ways_table(both)
    else:
        result = evaluate(network, studies, request, model_name=model.as_posix())
        result.save(out, render_report_page(task_page(result, network, studies)))
        table = evaluation_table(result)
    console = table_console()
    console.print(table)
    for line in remarks(result):
        console.print(line, markup=False, highlight=False)
    typer.echo(f"Written: {out / 'evaluation.json'}, {out / 'index.html'}")
