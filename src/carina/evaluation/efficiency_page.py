"""Label efficiency for people: a table for the terminal and a page."""

from collections.abc import Sequence

from rich.table import Table

from carina.evaluation.efficiency import EfficiencyRow
from carina.evaluation.result import Score
from carina.evaluation.sources import any_drawn, sources_of
from carina.pages.efficiency_page import EfficiencyPoint, efficiency_page, percent
from carina.pages.measured import Measured, format_measured
from carina.pages.table import metric_name
from carina.studies.manifest import Manifest


def measured(score: Score) -> Measured:
    """A score as a page shows it."""
    return Measured(value=score.value, low=score.low, high=score.high, reason=score.reason)


def efficiency_table(rows: Sequence[EfficiencyRow]) -> Table:
    """The means, as a table for the terminal."""
    metrics = list(rows[0].mean)[:2]
    heads = [f"mean {metric_name(metric)}" for metric in metrics]
    table = Table("start", "labels", "patients", "seeds", *heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row.start,
            percent(row.fraction),
            f"{row.patients:,}",
            str(row.seeds),
            *(format_measured(measured(row.mean[metric])) for metric in metrics),
        )
    return table


def render_efficiency(
    rows: Sequence[EfficiencyRow],
    task: str,
    manifest: Manifest,
    seen: Sequence[str] = (),
    folds: int | None = None,
) -> str:
    """The page of a fine-tuning, or of a cross-validation in so many folds.

    `seen` says of each start whether it was pre-trained on patients that are tested.
    """
    points = [
        EfficiencyPoint(
            start=row.start,
            fraction=row.fraction,
            seeds=row.seeds,
            patients=row.patients,
            values={metric: measured(row.mean[metric]) for metric in row.mean},
        )
        for row in rows
    ]
    findings = ", ".join(rows[0].findings)
    facts = (
        f"Task: {task}. Findings: {findings}.",
        f"Data: {manifest.path.name}; sources: {', '.join(sources_of(manifest.studies))}.",
        "Fractions are of the training patients, nested and stratified: the patients of a smaller "
        "one are among those of a larger one.",
        "Settings and the best step are chosen on the validation part; the test part is scored "
        "once."
        if folds is None
        else f"Cross-validation by patient in {folds} folds: every patient is scored once, by a "
        "model that was trained on other folds, its settings and best step chosen on yet another. "
        "All folds are measured together.",
    )
    drawn = any_drawn(manifest.studies)
    return efficiency_page(f"Label efficiency: {task}", points, facts, seen, drawn)
