"""From attenuation to a grey picture: scatter, noise, exposure, collimation and the marker."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from carina.phantom.canvas import Canvas, Grid

AIR = np.float32(1.2)
MARKERS = {
    "L": ("1000", "1000", "1000", "1000", "1000", "1000", "1111"),
    "R": ("1110", "1001", "1001", "1110", "1010", "1001", "1001"),
}


@dataclass(frozen=True, kw_only=True)
class Film:
    """How a radiograph was exposed and shown.

    `scatter` is the scattered share of the radiation, `dose` divides the noise, `low` and
    `high` are the attenuations shown black and white, `curve` bends the greys between.
    `collimation` holds the covered share of the picture at left, top, right and bottom.
    """

    scatter: float
    dose: float
    low: float
    high: float
    curve: float
    sharpening: float
    collimation: tuple[float, float, float, float]
    marker: str
    marker_at: tuple[float, float]
    inverted: bool


def draw_film(rng: np.random.Generator, fat: float, *, bedside: bool) -> Film:
    """Draws exposure and window; bedside radiographs scatter more and are noisier."""
    edges = rng.uniform(0, 0.05, 4) * (rng.random(4) < 0.3)
    left = bool(rng.random() < 0.7)
    across = rng.uniform(0.72, 0.95) * (1 if left else -1)
    return Film(
        scatter=float(rng.uniform(0.12, 0.24) + (0.1 if bedside else 0.0) + 0.08 * fat),
        dose=float(rng.uniform(0.6, 1.6) * (0.6 if bedside else 1.0)),
        low=float(rng.normal(0.42, 0.05)),
        high=float(rng.normal(2.62, 0.1) + 0.25 * fat),
        curve=float(rng.normal(1.0, 0.12)),
        sharpening=float(rng.uniform(0, 1)),
        collimation=(float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])),
        marker="L" if left else "R",
        marker_at=(float(across), float(rng.uniform(-0.95, -0.72))),
        inverted=False,
    )


def expose(canvas: Canvas, film: Film, noise: Grid) -> NDArray[np.uint8]:
    """Turns attenuation into grey values, bone bright.

    Args:
        canvas: the finished patient.
        film: exposure and window.
        noise: standard normal, of the picture's size.
    """
    primary = np.exp(-np.maximum(canvas.attenuation - AIR * canvas.air, 0))
    size = canvas.frame.size
    small = Image.fromarray(primary).reduce(max(1, size // 28))
    haze = soften(small)
    spread = np.asarray(haze.resize((size, size), Image.Resampling.BILINEAR))
    total = np.float32(1 - film.scatter) * primary + np.float32(film.scatter) * spread
    total += noise * np.sqrt(total) * np.float32(0.011 / film.dose)
    density = -np.log(np.maximum(total, 1e-3))
    scale = np.float32(1 / (film.high - film.low))
    return finish(np.clip((density - np.float32(film.low)) * scale, 0, 1), film)


def soften(small: Image.Image) -> Image.Image:
    """Blurs a small float picture by three box passes."""
    values = np.asarray(small)
    height, width = values.shape
    for _ in range(3):
        padded = np.pad(values, 2, mode="edge")
        rows = np.add.reduce([padded[i : i + height] for i in range(5)]) / 5
        values = np.add.reduce([rows[:, i : i + width] for i in range(5)]) / 5
    return Image.fromarray(values.astype(np.float32))


def finish(grey: Grid, film: Film) -> NDArray[np.uint8]:
    """Bends the greys, covers the collimated borders and prints the marker."""
    bent = np.linspace(0, 1, 4096) ** film.curve
    shown = (bent * 0.86 + 0.07 * np.sin((bent - 0.5) * np.pi) + 0.07) * 236 + 2
    table = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    picture = table.take((grey * 4095 + 0.5).astype(np.int32))
    height, width = picture.shape
    left, top, right, bottom = film.collimation
    picture[: round(top * height)] = 4
    picture[height - round(bottom * height) :] = 4
    picture[:, : round(left * width)] = 4
    picture[:, width - round(right * width) :] = 4
    return print_marker(picture, film)


def print_marker(picture: NDArray[np.uint8], film: Film) -> NDArray[np.uint8]:
    """A lead letter for the side, drawn as its own small bitmap so that no font is needed."""
    rows = MARKERS[film.marker]
    dot = max(1, picture.shape[0] // 150)
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    x = round((film.marker_at[0] + 1) / 2 * picture.shape[1]) - 2 * dot
    y = round((film.marker_at[1] + 1) / 2 * picture.shape[0])
    for row, bits in enumerate(rows):
        for column, bit in enumerate(bits):
            if bit == "1":
                place = (x + column * dot, y + row * dot)
                pen.rectangle((*place, place[0] + dot - 1, place[1] + dot - 1), fill=246)
    return np.asarray(image)
