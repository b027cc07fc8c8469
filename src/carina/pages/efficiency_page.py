"""The page of a fine-tuning: what each share of the labels is worth, for each start."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from carina.pages.charts import Line, end_labels
from carina.pages.html import SYNTHETIC_NOTE, chart, document, paragraph, section
from carina.pages.measured import Measured
from carina.pages.svg import (
    LIGHT,
    Frame,
    axes,
    label,
    nice_range,
    nice_ticks,
    number,
    polyline,
    segment,
    svg_document,
)
from carina.pages.table import TableRow, metric_name, score_table

APART = 4.0
"""Pixels between the marks of two starts."""


@dataclass(frozen=True, kw_only=True)
class EfficiencyPoint:
    """One start with one share of the labels; `fraction` in (0, 1]."""

    start: str
    fraction: float
    seeds: int
    patients: int
    values: dict[str, Measured]


def efficiency_page(
    title: str,
    points: Sequence[EfficiencyPoint],
    facts: Sequence[str],
    seen: Sequence[str] = (),
    synthetic: bool = False,
) -> str:
    """A whole page: the chart, the table, and how it was made.

    `seen` tells of each start whether it was pre-trained on patients that are tested; `synthetic`
    says that radiographs were drawn, which the page then says first.
    """
    rows = [
        TableRow(
            name=f"{point.start}, {percent(point.fraction)} of the labels",
            counts=(point.patients, point.seeds),
            values=point.values,
        )
        for point in points
    ]
    metrics = list(points[0].values)
    table = score_table(
        "Means over findings and seeds on test patients, with 95% intervals over patients and "
        "seeds.",
        "start",
        ("patients", "seeds"),
        rows,
    )
    sections = [
        section("chart", "Label efficiency", chart(efficiency_chart(points, metrics[0]))),
        section("table", "All numbers", table),
        section("how", "How it was made", *(paragraph(fact) for fact in facts)),
    ]
    if seen:
        told = section("seen", "Test patients seen before", *(paragraph(one) for one in seen))
        sections.insert(1, told)
    if synthetic:
        sections.insert(0, paragraph(SYNTHETIC_NOTE, "note synthetic"))
    return document(title, "\n".join(sections))


def efficiency_chart(points: Sequence[EfficiencyPoint], metric: str) -> str:
    """Score against the share of the labels (a logarithmic axis), one line a start."""
    starts = list(dict.fromkeys(point.start for point in points))
    ends = [
        end
        for point in points
        for value in (point.values[metric],)
        for end in (value.value, value.low, value.high)
        if end is not None
    ]
    fractions = sorted({point.fraction for point in points})
    x_range = (math.log10(fractions[0]) - 0.1, math.log10(fractions[-1]) + 0.1)
    frame = Frame(
        left=64,
        top=30,
        width=470,
        height=250,
        x=x_range,
        y=nice_range(min(ends, default=0.0), max(ends, default=1.0)),
    )
    pixel = (x_range[1] - x_range[0]) / frame.width
    marks: list[str] = []
    lines: list[Line] = []
    for place, start in enumerate(starts):
        own = sorted((p for p in points if p.start == start), key=lambda p: p.fraction)
        known = [p for p in own if p.values[metric].value is not None]
        heights = [float(p.values[metric].value or 0.0) for p in known]
        # Starts stand beside one another, so that their intervals do not overlap.
        aside = APART * (place - (len(starts) - 1) / 2) * pixel
        places = [math.log10(p.fraction) + aside for p in known]
        colour = place % len(LIGHT)
        marks.append(polyline(frame, places, heights, f"s{colour}"))
        for x, point in zip(places, known, strict=True):
            marks += interval_mark(frame, x, point.values[metric], colour)
        lines.append(Line(name=start, y=heights))
    x_title, y_title = "share of the labels (patients)", "mean " + metric_name(metric)
    ticks = axes(frame, x_title, y_title, (), nice_ticks(*frame.y, 5))
    patients = {point.fraction: point.patients for point in points}
    for fraction in fractions:
        x = float(frame.across([math.log10(fraction)])[0])
        name = f"{percent(fraction)} ({patients[fraction]:,})"
        ticks.append(label(x, frame.top + frame.height + 18, name, "soft", "middle"))
    title = "Score against the share of the labels, with 95% intervals"
    ends_of_lines = end_labels(frame, lines)
    heading = label(64, 18, title, "ink")
    return svg_document(700, 340, title, [heading, *ticks, *marks, *ends_of_lines])


def interval_mark(frame: Frame, x: float, value: Measured, colour: int) -> list[str]:
    """A dot and, where there is one, its interval."""
    across = float(frame.across([x])[0])
    down = frame.down([float(value.value or 0.0)])
    dot = f'<circle cx="{number(across)}" cy="{number(float(down[0]))}" r="3.5" class="f{colour}"/>'
    if value.low is None or value.high is None:
        return [dot]
    ends = frame.down([float(value.low), float(value.high)])
    bar = segment(across, float(ends[0]), across, float(ends[1]), f"s{colour}")
    return [bar, dot]


def percent(fraction: float) -> str:
    """A share as people write it: "1%", "0.5%"."""
    return f"{100 * fraction:.4g}%"
