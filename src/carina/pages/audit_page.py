"""The page of an audit: sub-groups, two models, calibration and the failure sheet."""

from collections.abc import Mapping
from dataclasses import dataclass

from carina.pages.charts import Bar, calibration_chart, interval_chart
from carina.pages.comparison_page import SMALL_P, MetricTable
from carina.pages.html import (
    SYNTHETIC_NOTE,
    chart,
    contents,
    document,
    paragraph,
    section,
)
from carina.pages.measured import Values
from carina.pages.report_cases import case_card
from carina.pages.report_content import Case
from carina.pages.table import TableRow, facts_table, score_table

GROUPS_EXPLAINED = (
    "Mean over the findings that the group can tell. “Minus the rest” is the mean AUC in the group "
    "minus that of all others, with its 95% interval; p (Holm) is adjusted for the number of "
    "groups on this page. A group that differs may be harder to read, rarer in training, or "
    "labelled otherwise: the page says that there is a difference, not why."
)
CALIBRATION_EXPLAINED = (
    "Points on the diagonal: of the radiographs scored 0.7, seven in ten have the finding. Scores "
    "of a model that was never told how common a finding is need not lie there; they rank all the "
    "same."
)
FAILURES_EXPLAINED = (
    "Scores of two findings cannot be compared, so each case counts by its rank within its "
    "finding. At most two cases of a finding, and no radiograph twice on one side. A truth may be "
    "wrong: look before blaming the model."
)


@dataclass(frozen=True, kw_only=True)
class GroupTable:
    """The groups of one grouping, such as sex."""

    grouping: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Calibration of one finding: mean score and share of positives of each bin."""

    finding: str
    mean_score: Values
    share: Values


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """What the page shows; what is empty is left off.

    `compared` has both models' values and their difference, None of one model. `unknown` are
    groupings of which the data tell nothing, or one group alone.
    """

    title: str
    summary: str
    synthetic: bool
    groups: tuple[GroupTable, ...]
    unknown: tuple[str, ...]
    compared: MetricTable | None
    compared_groups: tuple[TableRow, ...]
    calibration: tuple[TableRow, ...]
    curves: tuple[Calibrated, ...]
    misses: tuple[Case, ...]
    alarms: tuple[Case, ...]
    facts: Mapping[str, str]


def render_audit_page(page: AuditPage) -> str:
    """One self-contained HTML file."""
    sections = [
        section("groups", "Sub-groups", *group_parts(page)),
        section("compared", "Beside the other model", *compared_parts(page)),
        section("calibration", "Calibration", *calibration_parts(page)),
        section("failures", "Failure sheet", *failure_parts(page)),
        section("facts", "How it was made", facts_table(page.facts)),
    ]
    note = paragraph(SYNTHETIC_NOTE, "note synthetic") if page.synthetic else ""
    return document(
        page.title, "\n".join((note, paragraph(page.summary), contents(sections), *sections))
    )


def group_parts(page: AuditPage) -> list[str]:
    """A chart of all groups, and a table a grouping."""
    parts = []
    if page.groups:
        bars = [
            Bar(name=f"{one.grouping}: {row.name}", measured=row.values["auc"])
            for one in page.groups
            for row in one.rows
        ]
        parts.append(chart(interval_chart("Mean AUC by group", bars, "AUC", (0.0, 1.0), 0.5)))
        parts.append(paragraph(GROUPS_EXPLAINED, "small soft"))
        for one in page.groups:
            counts = ("radiographs", "patients", "findings")
            parts.append(score_table("", one.grouping, counts, one.rows))
    if page.unknown:
        parts.append(
            paragraph(f"Not known, or the same for all: {', '.join(page.unknown)}.", "small soft")
        )
    return parts


def compared_parts(page: AuditPage) -> list[str]:
    """Differences by finding, then by group."""
    parts = []
    if page.compared is not None:
        caption = (
            "AUC of both on the same radiographs. Difference: the left one minus the right one, "
            "from resamples of whole patients drawn for both at once; DeLong's test takes "
            "radiographs as independent. p (adjusted) is so for the number of findings, after "
            f"Holm. {SMALL_P}"
        )
        parts.append(
            score_table(
                caption, "finding", ("positive",), page.compared.rows, page.compared.mean, str
            )
        )
    if page.compared_groups:
        caption = "The same for the mean over findings, within each group."
        parts.append(score_table(caption, "group", ("radiographs",), page.compared_groups))
    return parts


def calibration_parts(page: AuditPage) -> list[str]:
    """Numbers, then a panel a finding."""
    if not page.calibration:
        return []
    panels = [calibration_chart(one.finding, one.mean_score, one.share) for one in page.curves]
    return [
        paragraph(CALIBRATION_EXPLAINED, "small soft"),
        score_table("", "finding", (), page.calibration),
        f'<div class="curves">{"".join(chart(panel) for panel in panels)}</div>',
    ]


def failure_parts(page: AuditPage) -> list[str]:
    """Misses, then false alarms."""
    parts = []
    for heading, cases in (("Missed", page.misses), ("False alarms", page.alarms)):
        if cases:
            cards = "".join(case_card(case) for case in cases)
            parts.append(f'<h3>{heading}</h3><div class="cases">{cards}</div>')
    return [paragraph(FAILURES_EXPLAINED, "small soft"), *parts] if parts else []
