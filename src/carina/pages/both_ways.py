"""Findings asked by their name alone and by name and description, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from carina.pages.charts import Bar, interval_chart
from carina.pages.html import chart, paragraph
from carina.pages.measured import Measured
from carina.pages.table import TableRow, metric_name, score_table

EXPLAINED = (
    "Each finding was asked twice on the same radiographs: by its direct name, and by name and "
    "description. The difference is description minus direct name, above 0 where the description "
    "helps; its interval and p value come from resampling both answers together. Holm's "
    "adjustment is for the number of findings; the mean is one test and needs none."
)


@dataclass(frozen=True, kw_only=True)
class AskedBothWays:
    """One metric of one finding, or of the mean over findings.

    `difference` is `described` minus `by_name`. `positives` is None for the mean, and
    `p_value_holm` too.
    """

    finding: str
    metric: str
    positives: int | None
    by_name: Measured
    described: Measured
    difference: Measured
    p_value: Measured
    p_value_holm: Measured | None = None


def both_ways_parts(rows: Sequence[AskedBothWays]) -> list[str]:
    """What is compared, a chart of the first metric's differences, and a table for each metric."""
    if not rows:
        return []
    groups = [(metric, list(group)) for metric, group in groupby(rows, lambda row: row.metric)]
    return [
        paragraph(EXPLAINED),
        difference_chart(*groups[0]),
        *(metric_table(metric, group) for metric, group in groups),
    ]


def difference_chart(metric: str, rows: Sequence[AskedBothWays]) -> str:
    """The difference of each finding, the greatest gain first, and the mean at the end."""
    findings = [row for row in rows if row.positives is not None]
    means = [row for row in rows if row.positives is None]
    findings.sort(key=lambda row: -(row.difference.value or 0.0))
    bars = [Bar(name=row.finding, measured=row.difference) for row in (*findings, *means)]
    bounds = [b for bar in bars for b in (bar.measured.low, bar.measured.high) if b is not None]
    reach = max(0.1, *(abs(bound) for bound in bounds)) if bounds else 0.1
    title = f"{metric_name(metric)}: description minus direct name, with 95% interval"
    label = "difference (dashed: none; to the right the description helps)"
    return chart(interval_chart(title, bars, label, (-reach, reach), reference=0.0))


def metric_table(metric: str, rows: Sequence[AskedBothWays]) -> str:
    """One metric: both ways, the difference and its p values, the mean last."""
    caption = f"{metric_name(metric)}, each value with its 95% interval below it."
    table = [
        TableRow(name=row.finding, counts=(row.positives,), values=values_of(row))
        for row in rows
        if row.positives is not None
    ]
    mean = next((values_of(row) for row in rows if row.positives is None), None)
    return score_table(caption, "finding", ("positive",), table, mean)


def values_of(row: AskedBothWays) -> dict[str, Measured]:
    """The columns of a row."""
    values = {
        "direct name": row.by_name,
        "description": row.described,
        "difference": row.difference,
        "p": row.p_value,
    }
    return values if row.p_value_holm is None else {**values, "p (Holm)": row.p_value_holm}
