"""What papers report, what users got and what was found here, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from carina.pages.measured import Measured, Number
from carina.pages.svg import (
    LIGHT,
    Frame,
    label,
    named,
    nice_range,
    nice_ticks,
    number,
    segment,
    shortened,
    svg_document,
    text_width,
    tick_text,
)

WIDTH = 800
ROW, MODEL = 26, 11  # pixels of a protocol's reported numbers, and of each model below
PAPER, USERS = "the paper", "users of its weights"


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One protocol: the number of the paper, that of users, and one a model.

    None where nobody reports one, or where the model was not measured.
    """

    name: str
    paper: Number | None
    users: Number | None
    found: tuple[Measured | None, ...]


def reported_chart(
    title: str, x_label: str, models: Sequence[str], rows: Sequence[ReportedRow]
) -> str:
    """A band a protocol: a diamond for the paper, a cross for users, dots with intervals below.

    Args:
        title: of the picture.
        x_label: what the axis shows.
        models: their names, in the order of `found`.
        rows: at least one, with one number or more.
    """
    left = min(270.0, max(text_width(row.name) for row in rows) + 16)
    top, band = 34 + 18 * legend_lines(models, left), ROW + MODEL * len(models)
    frame = Frame(
        left=left,
        top=top,
        width=WIDTH - left - 24,
        height=band * len(rows),
        x=nice_range(*ends_of(rows)),
    )
    bottom = frame.top + frame.height
    shapes = [label(8, 18, title, "ink"), *legend(models, left)]
    for value in nice_ticks(*frame.x, 6):
        x = float(frame.across(value))
        shapes.append(segment(x, frame.top, x, bottom, "grid"))
        shapes.append(label(x, bottom + 16, tick_text(value), "soft", "middle"))
    shapes.append(segment(frame.left, bottom, frame.left + frame.width, bottom, "axis"))
    shapes.append(label(frame.left + frame.width / 2, bottom + 34, x_label, "ink", "middle"))
    for place, row in enumerate(rows):
        shapes.extend(band_of(frame, row, frame.top + band * place))
    return svg_document(WIDTH, bottom + 44, title, shapes)


def ends_of(rows: Sequence[ReportedRow]) -> tuple[float, float]:
    """The least and the greatest number of the picture."""
    values = [
        float(value)
        for row in rows
        for value in (
            *(row.paper, row.users),
            *(end for one in row.found if one for end in (one.value, one.low, one.high)),
        )
        if value is not None
    ]
    return min(values), max(values)


def legend_places(models: Sequence[str], left: float) -> list[tuple[float, int, str]]:
    """Where each name of the legend stands: across, in which line, and the name."""
    places, x, line = [], left, 0
    for name in (PAPER, USERS, *models):
        wide = text_width(name) + 34
        if x + wide > WIDTH and x > left:
            x, line = left, line + 1
        places.append((x, line, name))
        x += wide
    return places


def legend_lines(models: Sequence[str], left: float) -> int:
    """How many lines the legend takes."""
    return legend_places(models, left)[-1][1] + 1


def legend(models: Sequence[str], left: float) -> list[str]:
    """What the marks are."""
    shapes = []
    for place, (x, line, name) in enumerate(legend_places(models, left)):
        y = 36 + 18 * line
        shapes.append(mark(x + 6, y, place))
        shapes.append(label(x + 16, y + 4, name, "ink"))
    return shapes


def mark(x: Number, y: Number, place: int) -> str:
    """A diamond for the paper, a cross for users, then a dot of each model's colour."""
    if place == 0:
        points = " ".join(
            f"{number(x + dx)},{number(y + dy)}" for dx, dy in ((0, -6), (5, 0), (0, 6), (-5, 0))
        )
        return f'<polygon points="{points}" class="ink"/>'
    if place == 1:
        arms = (
            segment(x - 4, y - 4, x + 4, y + 4, "axis"),
            segment(x - 4, y + 4, x + 4, y - 4, "axis"),
        )
        return f'<g stroke-width="2.5">{"".join(arms)}</g>'
    return f'<circle cx="{number(x)}" cy="{number(y)}" r="4" class="{colour("f", place - 2)}"/>'


def colour(kind: str, model: int) -> str:
    """The class of a model's colour, of lines ("s") or areas ("f")."""
    return f"{kind}{model % len(LIGHT)}"


def band_of(frame: Frame, row: ReportedRow, top: Number) -> list[str]:
    """The name of a protocol, what is reported in the first line, the models below."""
    shown = shortened(row.name, frame.left - 14)
    y = top + 12
    shapes = [
        segment(frame.left, top, frame.left + frame.width, top, "grid"),
        f'<text x="{number(frame.left - 8)}" y="{number(y + 4)}" class="ink" text-anchor="end">'
        f"{escape(shown)}{named(row.name, shown)}</text>",
    ]
    for place, value in enumerate((row.paper, row.users)):
        if value is not None:
            shapes.append(mark(float(frame.across(value)), y, place))
    for model, measured in enumerate(row.found):
        if measured is not None and measured.defined:
            shapes.extend(found_marks(frame, measured, y + MODEL * (model + 1) + 3, model))
    return shapes


def found_marks(frame: Frame, measured: Measured, y: Number, model: int) -> list[str]:
    """The interval of a model as a line, and its value as a dot."""
    assert measured.value is not None  # looked at by the caller
    shapes = []
    if measured.low is not None and measured.high is not None:
        low, high = frame.across(np.array([measured.low, measured.high])).tolist()
        shapes.append(
            f'<line x1="{number(low)}" y1="{number(y)}" x2="{number(high)}" y2="{number(y)}" '
            f'class="{colour("s", model)}" stroke-width="3" stroke-opacity=".5"/>'
        )
    shapes.append(mark(float(frame.across(measured.value)), y, model + 2))
    return shapes
