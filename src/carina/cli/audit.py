"""`carina audit`: sub-groups, calibration and worst cases of an evaluation."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina audit eval/kad --data cohort.parquet --out audit/kad",
    "carina audit eval/kad --beside eval/baseline --data cohort.parquet --out audit/both",
    "carina audit eval/kad --data cohort.parquet --groups scanners.csv --out audit/kad",
)


def audit(
    evaluation: Annotated[Path, typer.Argument(help="An evaluation.json, or its folder.")],
    data: Annotated[Path, typer.Option(help="The manifest that was evaluated.")],
    out: Annotated[Path, typer.Option(help="Folder of audit.json and the page.")],
    beside: Annotated[
        Path | None, typer.Option(help="Another evaluation, of the same images.")
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Table of study_id and further groups, such as scanner.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that image paths start at.")] = None,
    replicates: Annotated[
        int | None,
        typer.Option(min=1, help="Bootstrap resamples; default 1000, beside a model 50 a test."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Looks at an evaluation by sex, age, view and more, at its calibration and worst cases."""
    from carina.cli.console import table_console
    from carina.evaluation.audit import audit
    from carina.evaluation.result import Evaluation
    from carina.evaluation.subgroups import table_groupings
    from carina.evaluation.table import subgroup_table
    from carina.studies.manifest import Manifest

    manifest = Manifest.read(data, root)
    found = audit(
        Evaluation.read(evaluation),
        manifest,
        beside=None if beside is None else Evaluation.read(beside),
        more_groupings=None if groups is None else table_groupings(groups),
        replicates=replicates,
        seed=seed,
    )
    found.save(out, manifest)
    table_console().print(subgroup_table(found.groups))
    if found.unknown:
        typer.echo(f"Not known, or the same for all: {', '.join(found.unknown)}")
    typer.echo(f"Written: {out / 'audit.json'}, {out / 'index.html'}")
