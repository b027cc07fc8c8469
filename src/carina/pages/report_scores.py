"""The numbers of a report page: headlines, tables and charts of scores, and of pointing."""

from collections.abc import Mapping, Sequence
from html import escape

from carina.pages.charts import Bar, interval_chart
from carina.pages.grounding import PointingBars, pointing_chart
from carina.pages.html import chart, paragraph
from carina.pages.measured import Measured, decimal
from carina.pages.report_cases import pointed_parts
from carina.pages.report_content import GroundingRow, Headline, ReportPage, ScoreRow
from carina.pages.table import TableRow, score_table

POINTING_TITLE = "Pointing game, with 95% intervals; first what gains most over the usual place"


def headline_cards(headlines: Sequence[Headline]) -> str:
    """The few numbers at the top."""
    cards = []
    for headline in headlines:
        value, interval = headline_texts(headline)
        cards.append(
            f'<div class="headline"><div>{escape(headline.label)}</div>'
            f'<div class="value">{value}</div><div class="small soft">{interval}</div>'
            f'<div class="small soft">{escape(headline.note)}</div></div>'
        )
    return f'<div class="headlines">{"".join(cards)}</div>' if cards else ""


def headline_texts(headline: Headline) -> tuple[str, str]:
    """The value in large letters, and its interval or the reason why there is no value."""
    measured, digits = headline.measured, headline.digits
    if measured.value is None or not measured.defined:
        return "–", escape(measured.reason or "undefined")
    value = decimal(measured.value, digits)
    if measured.low is None or measured.high is None:
        return value, ""
    low, high = decimal(measured.low, digits), decimal(measured.high, digits)
    return value, f"95% interval {low} to {high}"


def score_heading(page: ReportPage) -> str:
    """Only where some findings are known to be unseen, the others are known to be seen."""
    return "Findings that occurred in training" if page.unseen else f"Scores of each {page.row}"


def score_parts(page: ReportPage) -> list[str]:
    """Interval chart and table of the seen findings."""
    if not page.scores:
        return []
    return [
        auc_chart("AUC with 95% interval", page.scores),
        table_of("Each value with its 95% interval below it.", page.scores, page.mean, page.row),
    ]


def unseen_parts(page: ReportPage) -> list[str]:
    """The same for findings that no training report mentioned."""
    if not page.unseen:
        return []
    return [
        paragraph(
            "These were named beforehand and occur in no training radiograph or report. The "
            "model knows them only by name or, where a row says “described”, by name and "
            "description; their scores are shown whatever they are. No threshold could be chosen "
            "for a finding that no validation patient has, so what needs one is left out."
        ),
        auc_chart("AUC with 95% interval, findings never seen", page.unseen),
        table_of("Findings never seen in training.", page.unseen, None, page.row),
    ]


def auc_chart(title: str, rows: Sequence[ScoreRow]) -> str:
    """AUC of findings, the highest first; nothing where AUC was not measured."""
    with_auc = [row for row in rows if "auc" in row.values]
    if not with_auc:
        return ""
    with_auc.sort(key=lambda row: -(row.values["auc"].value or 0.0))
    bars = [Bar(name=row.finding, measured=row.values["auc"]) for row in with_auc]
    lowest = min(bound for bar in bars for bound in (bar.measured.low, 0.5) if bound is not None)
    x_range = (0.4 if lowest >= 0.4 else 0.0, 1.0)
    svg = interval_chart(title, bars, "AUC (dashed: chance)", x_range, reference=0.5)
    return chart(svg)


def table_of(
    caption: str, rows: Sequence[ScoreRow], mean: Mapping[str, Measured] | None, row: str
) -> str:
    """The score table."""
    table_rows = [
        TableRow(name=row.finding, counts=(row.positives, row.images), values=row.values)
        for row in rows
    ]
    return score_table(caption, row, ("positive", "images"), table_rows, mean)


def grounding_parts(page: ReportPage) -> list[str]:
    """The pointing game as a chart, all metrics as tables, and cases to look at."""
    if not page.grounding:
        return []
    bars = [
        PointingBars(
            finding=row.finding,
            cases=row.cases,
            model=row.values["pointing_game"],
            position=row.position,
            chance=row.chance,
        )
        for row in page.grounding
    ]
    text = (
        "The pointing game counts how often the peak of a heat-map lies inside the true outline. "
        "A random pixel reaches the share of the image that the outline covers. The usual place "
        "is where the finding most often lies in the other cases, whatever the image shows. Only "
        "what beats both was seen by the model."
    )
    return [
        paragraph(text),
        chart(pointing_chart(POINTING_TITLE, bars)),
        *grounding_tables(page.grounding),
        *pointed_parts(page.pointed),
    ]


def grounding_tables(rows: Sequence[GroundingRow]) -> list[str]:
    """Everything that was measured and, apart from it, what flatters."""
    measured = [
        TableRow(
            name=row.finding,
            counts=(row.cases,),
            values={
                **row.values,
                "by chance": row.chance,
                "by usual position": row.position,
            },
        )
        for row in rows
    ]
    tables = [score_table("Grounding, with 95% intervals.", "finding", ("cases",), measured)]
    flattering = [
        TableRow(name=row.finding, counts=(row.cases,), values=row.best_on_test)
        for row in rows
        if row.best_on_test
    ]
    if flattering:
        caption = (
            "Best on the test set, as the papers do; flatters: the threshold was chosen on the "
            "very cases that are scored. To be read beside published numbers, and for nothing else."
        )
        tables.append(score_table(caption, "finding", ("cases",), flattering))
    return tables
