"""The page of a comparison: which model is better where, as far as the data can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from carina.pages.charts import Bar, interval_chart
from carina.pages.html import SYNTHETIC_NOTE, chart, contents, document, paragraph, section
from carina.pages.measured import Measured, decimal
from carina.pages.svg import nice_range
from carina.pages.table import TableRow, facts_table, metric_name, score_table

EXPLAINED = (
    "Both models answered about the same radiographs. For the interval, patients are drawn again "
    "and again, for both models at once, so what makes a radiograph hard for both cancels; of the "
    "AUC of one finding, how patients differ tells it without drawing. An interval on one side of "
    "the dashed line: chance alone rarely gives such a difference. An interval over the line does "
    "not say that the models are alike; it says that these radiographs cannot tell."
)
ADJUSTED = (
    "Among many findings some differ by chance. p (adjusted) takes this into account: {adjusted}. "
    "Where it is below 0.05, the chance that any one of the differences so called is a false alarm "
    "is below 5%."
)
DELONG = (
    "DeLong's test needs no resampling, but takes every radiograph as another patient: where "
    "patients have several, believe the other column."
)
SMALL_P = "A p of 0.000 is below 0.0005."
CERTAIN = 0.05


@dataclass(frozen=True, kw_only=True)
class MetricTable:
    """One metric of a pair: a row a finding, and the mean over findings.

    Values are those of both models by name, "difference", "p", "p (adjusted)", and for AUC those
    of DeLong's test.
    """

    metric: str
    rows: tuple[TableRow, ...]
    mean: Mapping[str, Measured]


@dataclass(frozen=True, kw_only=True)
class PairSection:
    """One pair of models: the metric that the picture shows, every other one, and sentences."""

    first: str
    second: str
    main: MetricTable
    others: tuple[MetricTable, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonPage:
    """The whole page; `adjusted` says over what p values are."""

    title: str
    summary: str
    synthetic: bool
    adjusted: str
    pairs: tuple[PairSection, ...]
    facts: Mapping[str, str]


def render_comparison(page: ComparisonPage) -> str:
    """One self-contained HTML file."""
    sections = [
        section(f"pair{place}", f"{one.first} and {one.second}", *pair_parts(one))
        for place, one in enumerate(page.pairs)
    ]
    sections.append(section("facts", "How it was made", facts_table(page.facts)))
    parts = [
        paragraph(SYNTHETIC_NOTE, "note synthetic") if page.synthetic else "",
        paragraph(page.summary),
        paragraph(EXPLAINED, "small soft"),
        paragraph(ADJUSTED.format(adjusted=page.adjusted), "small soft"),
        contents(sections),
        *sections,
    ]
    return document(page.title, "\n".join(part for part in parts if part))


def pair_parts(pair: PairSection) -> list[str]:
    """What was found in words, the picture, the table, and the other metrics folded away."""
    more = "".join(
        f"<details><summary>{escape(metric_name(one.metric))}</summary>{table_of(one)}</details>"
        for one in pair.others
    )
    has_delong = any("p (DeLong)" in row.values for row in pair.main.rows)
    return [
        paragraph(verdict(pair)),
        *(paragraph(note, "small soft") for note in pair.notes),
        forest(pair),
        f"<h3>{escape(metric_name(pair.main.metric))}</h3>",
        table_of(pair.main),
        paragraph(DELONG, "small soft") if has_delong else "",
        f"<h3>Other metrics</h3>{more}" if more else "",
    ]


def table_of(one: MetricTable) -> str:
    """Every finding, and the mean."""
    return score_table(SMALL_P, "finding", ("positive",), one.rows, one.mean, str)


def forest(pair: PairSection) -> str:
    """The differences of the main metric with their intervals: mean first, then from the greatest.

    Nothing where none is defined.
    """
    rows = ((row.name, row.values["difference"]) for row in pair.main.rows)
    ordered = sorted(rows, key=lambda row: -(row[1].value or 0.0))
    named = [("mean", pair.main.mean["difference"]), *ordered]
    bars = [Bar(name=name, measured=one) for name, one in named if one.defined]
    if not bars:
        return ""
    told = [(bar.measured.value, bar.measured.low, bar.measured.high) for bar in bars]
    ends = [0.0, *(float(end) for three in told for end in three if end is not None)]
    return chart(
        interval_chart(
            f"Difference of {metric_name(pair.main.metric)}: {pair.first} minus {pair.second}",
            bars,
            f"left: {pair.second} is better; right: {pair.first} is better",
            nice_range(min(ends), max(ends)),
            0.0,
            digits=3,
        )
    )


def verdict(pair: PairSection) -> str:
    """What can be said of the pair, in two or three sentences."""
    tested = [row for row in pair.main.rows if row.values["p (adjusted)"].defined]
    if not tested:
        return f"{mean_in_words(pair)} No single finding could be tested."
    sure = [row for row in tested if (row.values["p (adjusted)"].value or 0.0) < CERTAIN]
    better = names_where(sure, positive=True)
    worse = names_where(sure, positive=False)
    rest = len(tested) - len(sure)
    open_ones = f" In {rest} these radiographs cannot tell." if rest else ""
    return (
        f"{mean_in_words(pair)} Of {len(tested)} findings tested, after adjustment {pair.first} is "
        f"better in {better} and {pair.second} in {worse}.{open_ones}"
    )


def mean_in_words(pair: PairSection) -> str:
    """The difference of the mean, with its interval."""
    mean, metric = pair.main.mean["difference"], metric_name(pair.main.metric)
    if mean.value is None or not mean.defined:
        return f"The mean {metric} is undefined."
    interval = "no interval"
    if mean.low is not None and mean.high is not None:
        interval = f"95% interval {decimal(mean.low)} to {decimal(mean.high)}"
    return (
        f"Mean {metric} over findings: {pair.first} minus {pair.second} is {decimal(mean.value)} "
        f"({interval})."
    )


def names_where(rows: Sequence[TableRow], *, positive: bool) -> str:
    """How many findings differ in one direction, and which."""
    names = [row.name for row in rows if ((row.values["difference"].value or 0.0) > 0) is positive]
    return f"{len(names)} ({', '.join(names)})" if names else "none"
