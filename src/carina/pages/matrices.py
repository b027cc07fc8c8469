"""Matrices as SVG: similarity before and after, and two-by-two tables of counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float

from carina.pages.measured import Number, Values
from carina.pages.overlay import heat_colours
from carina.pages.svg import label, named, number, shortened, svg_document, text_width


def similarity_chart(
    names: Sequence[str],
    before: Float[np.ndarray, "names names"],
    after: Float[np.ndarray, "names names"],
    headings: tuple[str, str] = ("before", "after"),
) -> str:
    """Two matrices of cosine similarity side by side, on one colour scale."""
    cell = max(9.0, min(22.0, 430 / len(names)))
    side = cell * len(names)
    room = min(190.0, max(text_width(name, 11) for name in names) + 10)
    top = 40 + room * 0.9
    low = float(min(before.min(), after.min(), 0.0))
    shapes = []
    for i, (matrix, heading) in enumerate(zip((before, after), headings, strict=True)):
        left = room + i * (side + 34)
        shapes.append(label(left, 20, heading, "ink"))
        shapes.extend(matrix_cells(matrix, left, top, cell, low))
        shapes.extend(column_names(names, left, top, cell))
    for i, name in enumerate(names):
        shown = shortened(name, room - 8, 11)
        shapes.append(
            f'<text x="{number(room - 6)}" y="{number(top + cell * (i + 0.5) + 4)}" class="ink" '
            f'font-size="{number(name_size(cell))}" text-anchor="end">'
            f"{escape(shown)}{named(name, shown)}</text>"
        )
    width = room + 2 * side + 34 + room * 0.6
    shapes.extend(colour_scale(room, top + side + 16, low))
    title = f"Cosine similarity of {len(names)} finding names, {headings[0]} and {headings[1]}"
    return svg_document(width, top + side + 60, title, shapes)


def name_size(cell: Number) -> float:
    """The font size at which slanted names of neighbouring columns do not touch."""
    return min(11.0, cell * 0.78)


def matrix_cells(
    matrix: Float[np.ndarray, "names names"], left: Number, top: Number, cell: Number, low: Number
) -> list[str]:
    """The squares of a matrix, coloured from `low` to 1."""
    colours = heat_colours((matrix - low) / (1 - low))
    return [
        f'<rect x="{number(left + j * cell)}" y="{number(top + i * cell)}" '
        f'width="{number(cell)}" height="{number(cell)}" fill="{hexadecimal(colours[i, j])}"/>'
        for i in range(len(matrix))
        for j in range(len(matrix))
    ]


def column_names(names: Sequence[str], left: Number, top: Number, cell: Number) -> list[str]:
    """Names above the columns of a matrix, slanted."""
    labels = []
    for i, name in enumerate(names):
        x, y = left + cell * (i + 0.75), top - 4
        shown = shortened(name, 180, 11)
        labels.append(
            f'<text x="{number(x)}" y="{number(y)}" transform="rotate(-60 {number(x)} '
            f'{number(y)})" class="ink" font-size="{number(name_size(cell))}">'
            f"{escape(shown)}{named(name, shown)}</text>"
        )
    return labels


def colour_scale(left: Number, top: Number, low: Number) -> list[str]:
    """A bar of colours from `low` to 1 with both ends named."""
    colours = heat_colours(np.linspace(0, 1, 40))
    shapes = [
        f'<rect x="{number(left + 4 * i)}" y="{number(top)}" width="4.3" height="12" '
        f'fill="{hexadecimal(colour)}"/>'
        for i, colour in enumerate(colours)
    ]
    shapes.append(label(left, top + 27, f"{low:.2f}".replace("-", "−"), "soft"))
    shapes.append(label(left + 160, top + 27, "1 (same direction)", "soft", "end"))
    return shapes


def hexadecimal(colour: Values) -> str:
    """#rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*np.asarray(colour).tolist())


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of one finding at its threshold."""

    finding: str
    threshold: Number
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


def confusion_chart(confusions: Sequence[Confusion]) -> str:
    """Two-by-two tables of counts, one for each finding; shade is the share of its row."""
    columns, width, height = 4, 196, 140
    shapes = []
    for i, confusion in enumerate(confusions):
        left, top = (i % columns) * width, (i // columns) * height
        shapes.extend(confusion_panel(confusion, left + 62, top + 44))
    rows = -(-len(confusions) // columns)
    across = min(columns, len(confusions)) * width
    return svg_document(across, rows * height, "Counts at the threshold of each finding", shapes)


def confusion_panel(confusion: Confusion, left: Number, top: Number) -> list[str]:
    """One two-by-two table."""
    cell = (60.0, 34.0)
    shown = shortened(confusion.finding, 180)
    shapes = [
        f'<text x="{number(left - 54)}" y="{number(top - 28)}" class="ink">'
        f"{escape(shown)}{named(confusion.finding, shown)}</text>",
        label(left, top - 8, f"said so (score ≥ {confusion.threshold:.3f})", "soft"),
        label(left + cell[0] / 2, top + 2 * cell[1] + 14, "yes", "soft", "middle"),
        label(left + cell[0] * 1.5, top + 2 * cell[1] + 14, "no", "soft", "middle"),
        label(left - 6, top + cell[1] / 2 + 4, "present", "soft", "end"),
        label(left - 6, top + cell[1] * 1.5 + 4, "absent", "soft", "end"),
    ]
    table = (
        (confusion.true_positive, confusion.false_negative),
        (confusion.false_positive, confusion.true_negative),
    )
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            x, y = left + j * cell[0], top + i * cell[1]
            share = count / max(1, sum(row))
            colour, opacity = ("f0" if i == j else "f1"), f"{share * 0.6:.2f}"
            shapes.append(
                f'<rect x="{number(x)}" y="{number(y)}" width="{number(cell[0] - 2)}" '
                f'height="{number(cell[1] - 2)}" class="{colour}" fill-opacity="{opacity}"/>'
            )
            middle = x + cell[0] / 2 - 1
            shapes.append(label(middle, y + 21, f"{count:,}", "ink", "middle"))
    return shapes
