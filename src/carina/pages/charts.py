"""Charts with axes as SVG: numbers in, one self-contained picture out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from carina.pages.measured import Measured, Number, Values, format_measured
from carina.pages.svg import (
    LIGHT,
    Frame,
    axes,
    label,
    named,
    nice_range,
    nice_ticks,
    number,
    polyline,
    segment,
    shortened,
    svg_document,
    text_width,
    tick_text,
)

UNIT_TICKS = (0, 0.5, 1)
PANEL = Frame(left=46, top=44, width=154, height=140)
PANEL_SIZE = (212, 224)
WIDE = 1.12
"""Room for names in system fonts wider than the mean, which would be cut at the page's edge."""


def roc_chart(finding: str, false_rate: Values, true_rate: Values, auc: Measured) -> str:
    """The receiver operating characteristic of one finding; the dashed diagonal is chance."""
    return unit_panel(
        finding,
        f"AUC {format_measured(auc, 2)}",
        ("1 − specificity", "sensitivity"),
        [
            polyline(PANEL, (0, 1), (0, 1), "axis dash"),
            polyline(PANEL, false_rate, true_rate, "s0"),
        ],
    )


def precision_recall_chart(
    finding: str,
    recall: Values,
    precision: Values,
    average_precision: Measured,
    prevalence: Number,
) -> str:
    """Precision against recall of one finding; the dashed line is the share of positives."""
    return unit_panel(
        finding,
        f"AP {format_measured(average_precision, 2)}",
        ("recall (sensitivity)", "precision"),
        [
            polyline(PANEL, (0, 1), (prevalence, prevalence), "axis dash"),
            polyline(PANEL, recall, precision, "s1"),
        ],
    )


def calibration_chart(finding: str, mean_score: Values, share: Values) -> str:
    """Share of positives against mean score of each bin; on the diagonal, scores are honest."""
    across, down = PANEL.across(mean_score), PANEL.down(share)
    dots = [
        f'<circle cx="{number(x)}" cy="{number(y)}" r="2.5" class="f2"/>'
        for x, y in zip(across.tolist(), down.tolist(), strict=True)
    ]
    return unit_panel(
        finding,
        "calibration",
        ("mean score of bin", "share of positives"),
        [
            polyline(PANEL, (0, 1), (0, 1), "axis dash"),
            polyline(PANEL, mean_score, share, "s2"),
            *dots,
        ],
    )


def unit_panel(finding: str, result: str, names: tuple[str, str], marks: Sequence[str]) -> str:
    """A small chart of one finding whose axes go from 0 to 1."""
    shown = shortened(finding, PANEL_SIZE[0] - 12)
    return svg_document(
        *PANEL_SIZE,
        f"{finding}: {names[1]} against {names[0]}; {result}",
        [
            f'<g font-weight="600">{label(8, 16, shown, "ink")}</g>',
            label(8, 33, result, "soft"),
            *axes(PANEL, *names, UNIT_TICKS, UNIT_TICKS),
            *marks,
        ],
    )


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart with its name."""

    name: str
    y: Values


def line_chart(
    title: str,
    x: Values,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    height: Number = 280,
) -> str:
    """Lines over one x axis, each named at its end; values that are not finite are gaps."""
    values = np.concatenate([np.asarray(line.y, dtype=float) for line in lines])
    finite = values[np.isfinite(values)]
    y_range = nice_range(float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    x_range = (float(x[0]), float(x[-1])) if x[-1] > x[0] else nice_range(x[0], x[0])
    room = max(110.0, *(text_width(line.name) + 14 for line in lines))
    frame = Frame(left=64, top=30, width=700 - 64 - room, height=height - 78, x=x_range, y=y_range)
    marks = []
    for i, line in enumerate(lines):
        marks.append(polyline(frame, x, bridged(line.y), f"s{i % len(LIGHT)}"))
    names = end_labels(frame, lines)
    ticks = axes(frame, x_label, y_label, nice_ticks(*x_range, 7), nice_ticks(*y_range, 5))
    return svg_document(700, height, title, [label(64, 18, title, "ink"), *ticks, *marks, *names])


def bridged(values: Values) -> NDArray[np.float64]:
    """Values with those that were not logged bridged, so that a sparse series is still a line."""
    y = np.asarray(values, dtype=float)
    known = np.flatnonzero(np.isfinite(y))
    if len(known) < 2:
        return y
    filled: NDArray[np.float64] = np.interp(np.arange(len(y)), known, y[known])
    filled[: known[0]] = np.nan
    filled[known[-1] + 1 :] = np.nan
    return filled


def end_labels(frame: Frame, lines: Sequence[Line]) -> list[str]:
    """The names of lines beside their last values, moved apart where they would overlap."""
    places = []
    for i, line in enumerate(lines):
        values = np.asarray(line.y, dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            places.append((float(frame.down(values[-1])), i))
    places.sort()
    labels: list[str] = []
    lowest = -math.inf
    for wanted, i in places:
        y = max(wanted + 4, lowest + 14)
        lowest = y
        colour = f"f{i % len(LIGHT)}"
        labels.append(label(frame.left + frame.width + 6, y, lines[i].name, colour))
    return labels


def training_charts(
    stage: str,
    steps: Values,
    losses: Mapping[str, Values],
    learning_rate: Values = (),
) -> list[str]:
    """Losses of a stage over its steps and, in a second chart, the learning rate.

    Series of more than 300 steps are averaged over neighbouring steps, and the title says so.
    """
    every = max(1, -(-len(steps) // 300))
    note = f", mean of every {every} steps" if every > 1 else ""
    x = thinned(steps, every)
    lines = [Line(name=name, y=thinned(values, every)) for name, values in losses.items()]
    charts = [line_chart(f"{stage}: losses{note}", x, lines, "step", "loss")]
    if learning_rate:
        rate = [Line(name="learning rate", y=thinned(learning_rate, every))]
        title = f"{stage}: learning rate"
        charts.append(line_chart(title, x, rate, "step", "", height=190))
    return charts


def thinned(values: Values, every: int) -> list[float]:
    """Means of each `every` neighbours; nan where none of them is a number."""
    y = np.asarray(values, dtype=float)
    chunks = [y[i : i + every] for i in range(0, len(y), every)]
    return [
        float(np.mean(chunk[np.isfinite(chunk)])) if np.isfinite(chunk).any() else float("nan")
        for chunk in chunks
    ]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row of an interval chart."""

    name: str
    measured: Measured


def interval_chart(
    title: str,
    bars: Sequence[Bar],
    x_label: str,
    x_range: tuple[Number, Number] = (0.0, 1.0),
    reference: Number | None = None,
    digits: int = 2,
) -> str:
    """Values as dots with their intervals as lines, one row each; undefined ones say why.

    `reference` (such as 0.5 for AUC) is a dashed line; `digits` behind the point are written.
    """
    left = min(260.0, WIDE * max(text_width(bar.name) for bar in bars) + 16)
    frame = Frame(left=left, top=34, width=540 - left + 100, height=22 * len(bars), x=x_range)
    bottom = frame.top + frame.height
    shapes = [label(8, 18, title, "ink")]
    for value in nice_ticks(*x_range, 6):
        x = float(frame.across(value))
        shapes.append(segment(x, frame.top, x, bottom, "grid"))
        shapes.append(label(x, bottom + 16, tick_text(value), "soft", "middle"))
    shapes.append(segment(frame.left, bottom, frame.left + frame.width, bottom, "axis"))
    shapes.append(label(frame.left + frame.width / 2, bottom + 34, x_label, "ink", "middle"))
    if reference is not None:
        x = float(frame.across(reference))
        shapes.append(segment(x, frame.top, x, bottom, "axis dash"))
    for i, bar in enumerate(bars):
        shapes.extend(interval_row(frame, bar, frame.top + 22 * i + 11, digits))
    written = max(text_width(format_measured(bar.measured, digits)) for bar in bars)
    width = max(800.0, frame.left + frame.width + 14 + written)
    return svg_document(width, bottom + 44, title, shapes)


def interval_row(frame: Frame, bar: Bar, y: Number, digits: int) -> list[str]:
    """The name, line, dot and number of one row."""
    shown = shortened(bar.name, frame.left - 14)
    right = frame.left + frame.width + 10
    shapes = [
        f'<text x="{number(frame.left - 8)}" y="{number(y + 4)}" class="ink" text-anchor="end">'
        f"{escape(shown)}{named(bar.name, shown)}</text>"
    ]
    measured = bar.measured
    if measured.value is None or not measured.defined:
        return [*shapes, label(frame.left + 8, y + 4, format_measured(measured), "soft")]
    low, high = frame.x
    if measured.low is not None and measured.high is not None:
        ends = frame.across(np.clip([measured.low, measured.high], low, high)).tolist()
        shapes.append(
            f'<line x1="{number(ends[0])}" y1="{number(y)}" x2="{number(ends[1])}" '
            f'y2="{number(y)}" class="s0" stroke-width="3" stroke-opacity=".5"/>'
        )
    x = float(frame.across(np.clip(measured.value, low, high)))
    shapes.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="4.5" class="f0"/>')
    shapes.append(label(right, y + 4, format_measured(measured, digits), "soft"))
    return shapes
