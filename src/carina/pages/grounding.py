"""Where heat-maps point, beside answers that need no image: a chart, and groups of cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from carina.pages.measured import Measured, Number, format_measured
from carina.pages.svg import (
    Frame,
    label,
    named,
    nice_ticks,
    number,
    segment,
    shortened,
    svg_document,
    text_width,
    tick_text,
)

ROW = 44  # pixels of a finding: three bars and the room between findings
KINDS = ("heat-map", "usual place, image unseen", "random pixel")


@dataclass(frozen=True, kw_only=True)
class PointingBars:
    """The pointing game of one finding: of the heat-maps, of the usual place, of chance."""

    finding: str
    cases: int
    model: Measured
    position: Measured
    chance: Measured


def pointing_chart(title: str, findings: Sequence[PointingBars]) -> str:
    """Three bars a finding with 95% intervals; the finding that gains most over no image first."""
    ordered = sorted(findings, key=lambda one: -gain(one))
    names = [f"{one.finding} ({one.cases})" for one in ordered]
    left = min(260.0, max(map(text_width, names)) + 16)
    frame = Frame(left=left, top=58, width=640 - left, height=ROW * len(ordered))
    bottom = frame.top + frame.height
    shapes = [label(8, 18, title, "ink"), *legend(left)]
    for value in nice_ticks(0.0, 1.0, 6):
        x = float(frame.across(value))
        shapes.append(segment(x, frame.top, x, bottom, "grid"))
        shapes.append(label(x, bottom + 16, tick_text(value), "soft", "middle"))
    shapes.append(segment(frame.left, bottom, frame.left + frame.width, bottom, "axis"))
    axis = "share of cases whose peak lies in the outline"
    shapes.append(label(frame.left + frame.width / 2, bottom + 34, axis, "ink", "middle"))
    for i, (one, name) in enumerate(zip(ordered, names, strict=True)):
        shapes.extend(finding_rows(frame, one, name, frame.top + ROW * i + 6))
    return svg_document(800, bottom + 44, title, shapes)


def gain(bars: PointingBars) -> float:
    """How much the heat-maps are above the usual place; what is undefined comes last."""
    if bars.model.value is None or bars.position.value is None:
        return -2.0
    return bars.model.value - bars.position.value


def legend(left: Number) -> list[str]:
    """What the three bars are."""
    shapes, x = [], float(left)
    for i, kind in enumerate(KINDS):
        shapes.append(
            f'<rect x="{number(x)}" y="32" width="12" height="9" class="f{i}" '
            f'fill-opacity="{1 if i == 0 else 0.55}"/>'
        )
        shapes.append(label(x + 17, 41, kind, "ink"))
        x += text_width(kind) + 40
    return shapes


def finding_rows(frame: Frame, bars: PointingBars, name: str, top: Number) -> list[str]:
    """The name of a finding, and its three bars below one another."""
    shown = shortened(name, frame.left - 14)
    shapes = [
        f'<text x="{number(frame.left - 8)}" y="{number(top + 20)}" class="ink" '
        f'text-anchor="end">{escape(shown)}{named(name, shown)}</text>'
    ]
    for i, measured in enumerate((bars.model, bars.position, bars.chance)):
        shapes.extend(bar(frame, measured, top + 11 * i, i))
    return shapes


def bar(frame: Frame, measured: Measured, top: Number, kind: int) -> list[str]:
    """A bar from 0 with its interval as a line, and the number of the first kind beside it."""
    if measured.value is None or not measured.defined:
        reason = format_measured(measured)
        return [label(frame.left + 4, top + 9, reason, "soft")] if kind == 0 else []
    start, end = float(frame.across(0.0)), float(frame.across(np.clip(measured.value, 0, 1)))
    shapes = [
        f'<rect x="{number(start)}" y="{number(top)}" width="{number(end - start)}" height="9" '
        f'class="f{kind}" fill-opacity="{1 if kind == 0 else 0.55}"/>'
    ]
    if measured.low is not None and measured.high is not None:
        low, high = frame.across(np.clip([measured.low, measured.high], 0, 1)).tolist()
        shapes.append(
            f'<line x1="{number(low)}" y1="{number(top + 4.5)}" x2="{number(high)}" '
            f'y2="{number(top + 4.5)}" class="axis" stroke-width="2"/>'
        )
    if kind == 0:
        right = frame.left + frame.width + 10
        shapes.append(label(right, top + 9, format_measured(measured, 2), "soft"))
    return shapes
