"""The few shapes that charts are drawn with: axes, lines, labels, in light and dark.

Every chart is a whole SVG document that also stands inside an HTML page. Its colours are
classes of one small style sheet that follows the reader's light or dark setting.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from carina.pages.measured import Number, Values

LIGHT = ("#0072b2", "#d55e00", "#00795a", "#a8437f", "#8a6d00", "#3f7fb5", "#5b5b5b")
DARK = ("#5ab4ec", "#ff9257", "#35c79f", "#e79ac8", "#e8c547", "#9ccdf0", "#b8b8b8")
"""Okabe and Ito's colour-blind safe hues (2008), darkened and lightened until lines of one pixel
and text in them read well on white and on black."""

LETTER = 0.56  # mean width of a letter of the system's sans serif, in font sizes


def style_sheet() -> str:
    """The classes that charts use."""
    light = "".join(f".cv .s{i}{{stroke:{c}}}.cv .f{i}{{fill:{c}}}" for i, c in enumerate(LIGHT))
    dark = "".join(f".cv .s{i}{{stroke:{c}}}.cv .f{i}{{fill:{c}}}" for i, c in enumerate(DARK))
    return (
        ".cv{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:12px}"
        ".cv .ink{fill:#222}.cv .soft{fill:#5a5a5a}.cv .axis{stroke:#777}.cv .grid{stroke:#e2e2e2}"
        f".cv .line{{fill:none;stroke-width:1.8;stroke-linejoin:round}}{light}"
        ".cv .dash{stroke-dasharray:4 4}.cv .paper{fill:#fff}"
        "@media screen and (prefers-color-scheme:dark){.cv .ink{fill:#e8e8e8}"
        ".cv .soft{fill:#a9a9a9}.cv .axis{stroke:#8a8a8a}.cv .grid{stroke:#333}"
        f".cv .paper{{fill:#161a1d}}{dark}}}"
    )


def svg_document(width: Number, height: Number, title: str, body: Sequence[str]) -> str:
    """Puts shapes into a whole SVG document; `title` is what a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cv" role="img" '
        f'viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" '
        f'height="{number(height)}"><title>{escape(title)}</title>'
        f"<style>{style_sheet()}</style>"
        # Opened by itself in a dark browser, a picture without ground stands on white.
        f'<rect width="100%" height="100%" class="paper"/>{"".join(body)}</svg>'
    )


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plotting area: where it lies in the picture, and which values its edges have."""

    left: Number
    top: Number
    width: Number
    height: Number
    x: tuple[Number, Number] = (0.0, 1.0)
    y: tuple[Number, Number] = (0.0, 1.0)

    def across(self, value: Number | Values) -> np.ndarray:
        """Horizontal place of a value."""
        low, high = self.x
        share = (np.asarray(value, dtype=float) - low) / (high - low)
        return np.asarray(self.left + share * self.width)

    def down(self, value: Number | Values) -> np.ndarray:
        """Vertical place of a value; larger values are higher up."""
        low, high = self.y
        share = (np.asarray(value, dtype=float) - low) / (high - low)
        return np.asarray(self.top + (1 - share) * self.height)


def axes(
    frame: Frame,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[Number],
    y_ticks: Sequence[Number],
) -> list[str]:
    """Grid lines, tick labels and axis names of a frame."""
    bottom = frame.top + frame.height
    shapes = []
    for value in x_ticks:
        x = float(frame.across(value))
        shapes.append(segment(x, frame.top, x, bottom, "grid"))
        shapes.append(label(x, bottom + 15, tick_text(value), "soft", "middle"))
    for value in y_ticks:
        y = float(frame.down(value))
        shapes.append(segment(frame.left, y, frame.left + frame.width, y, "grid"))
        shapes.append(label(frame.left - 6, y + 4, tick_text(value), "soft", "end"))
    shapes.append(segment(frame.left, bottom, frame.left + frame.width, bottom, "axis"))
    shapes.append(segment(frame.left, frame.top, frame.left, bottom, "axis"))
    shapes.append(label(frame.left + frame.width / 2, bottom + 32, x_label, "ink", "middle"))
    widest = max((text_width(tick_text(value)) for value in y_ticks), default=0.0)
    x, y = frame.left - 14 - widest, frame.top + frame.height / 2
    shapes.append(
        f'<text x="{number(x)}" y="{number(y)}" class="ink" text-anchor="middle" '
        f'transform="rotate(-90 {number(x)} {number(y)})">{escape(y_label)}</text>'
    )
    return shapes


def polyline(frame: Frame, x: Values, y: Values, classes: str) -> str:
    """A line through values; gaps where one is not finite; steps under half a pixel left out."""
    across, down = frame.across(x), frame.down(y)
    finite = np.isfinite(across) & np.isfinite(down)
    path: list[str] = []
    last: tuple[Number, Number] | None = None
    count = len(across)
    for i in range(count):
        if not finite[i]:
            last = None
            continue
        place = (float(across[i]), float(down[i]))
        ends = i == count - 1 or not finite[i + 1]
        if last is not None and not ends and math.dist(place, last) < 0.5:
            continue
        path.append(f"{'M' if last is None else 'L'}{number(place[0])} {number(place[1])}")
        last = place
    return f'<path d="{"".join(path)}" class="line {classes}"/>' if path else ""


def segment(x1: Number, y1: Number, x2: Number, y2: Number, classes: str) -> str:
    """A straight line between two places of the picture."""
    return (
        f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" '
        f'class="{classes}"/>'
    )


def label(x: Number, y: Number, text: str, classes: str, anchor: str = "start") -> str:
    """A line of text; `anchor` is start, middle or end."""
    return (
        f'<text x="{number(x)}" y="{number(y)}" class="{classes}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def shortened(text: str, width: Number, font_size: Number = 12) -> str:
    """The text, or as much of it as about fits into `width` pixels and an ellipsis."""
    fitting = int(width / (font_size * LETTER))
    return text if len(text) <= fitting else text[: max(1, fitting - 1)].rstrip() + "…"


def named(text: str, shown: str) -> str:
    """A tooltip with the whole text, where only a part of it is shown."""
    return "" if text == shown else f"<title>{escape(text)}</title>"


def text_width(text: str, font_size: Number = 12) -> float:
    """About how many pixels a text takes."""
    return len(text) * font_size * LETTER


def nice_ticks(low: Number, high: Number, most: int = 6) -> list[float]:
    """Round values from `low` to `high`, in steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [float(low)]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def nice_range(low: Number, high: Number) -> tuple[float, float]:
    """The range, widened to round values, never empty."""
    if not high > low:
        pad = abs(low) * 0.5 or 0.5
        low, high = low - pad, high + pad
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def tick_text(value: Number) -> str:
    """A tick's value as short as it can be written; a true minus sign."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000 or abs(value) < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def number(value: Number) -> str:
    """A coordinate with at most one decimal (a tenth of a pixel)."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value else "0"
