"""Where attenuation is summed up: a grid in the patient's coordinates, and shapes to put on it.

Coordinates: u runs to the patient's left (the right of the picture), v runs down; 1 is half the
width of the picture, the origin is the middle of the chest. Attenuation is a line integral,
in units in which the middle of the chest without lungs is near 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, cos, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]
Point = tuple[float, float]

SUPERSAMPLING = 2
TABLE = 256
LEVELS = np.linspace(-1.6, 1.6, 641)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How the patient lies on the detector: shift in units of u and v, zoom, tilt in radians."""

    size: int
    shift_u: float = 0.0
    shift_v: float = 0.0
    zoom: float = 1.0
    tilt: float = 0.0

    def to_pixels(self, points: Floats) -> Floats:
        """Patient coordinates [n, 2] to pixel coordinates (x, y) [n, 2]."""
        cosine, sine = cos(self.tilt), sin(self.tilt)
        u, v = points[:, 0], points[:, 1]
        x = (cosine * u - sine * v) * self.zoom + self.shift_u
        y = (sine * u + cosine * v) * self.zoom + self.shift_v
        return np.stack([(x + 1) * self.size / 2 - 0.5, (y + 1) * self.size / 2 - 0.5], axis=1)

    @property
    def scale(self) -> float:
        """Pixels per unit of u."""
        return self.zoom * self.size / 2


@lru_cache(maxsize=4)
def pixel_grid(size: int) -> tuple[Floats, Floats]:
    """Pixel centres x and y of a square picture, from -1 to 1."""
    centres = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(centres, centres)
    return x, y


class Canvas:
    """Patient coordinates of every pixel, and the attenuation added up so far.

    `u`, `v` are float64 [size, size], so that masks come out the same on any machine;
    `level` is the place of each pixel's v among `LEVELS`;
    `attenuation` is float32 [size, size]; `air`, float32 [size, size], is the share of the
    chest's depth that the lungs fill, which heart, fluid and lesions take away.
    """

    def __init__(self, frame: Frame) -> None:
        """Lays the grid over the picture that `frame` describes."""
        self.frame = frame
        x, y = pixel_grid(frame.size)
        cosine, sine = np.cos(frame.tilt) / frame.zoom, np.sin(frame.tilt) / frame.zoom
        x, y = x - frame.shift_u, y - frame.shift_v
        self.u: Floats = cosine * x + sine * y
        self.v: Floats = cosine * y - sine * x
        level = np.rint((self.v + 1.6) * 200).astype(np.intp)
        self.level = np.minimum(np.maximum(level, 0), len(LEVELS) - 1)
        self.attenuation: Grid = np.zeros((frame.size, frame.size), dtype=np.float32)
        self.air: Grid = np.zeros((frame.size, frame.size), dtype=np.float32)

    def window(self, u1: float, v1: float, u2: float, v2: float) -> Window:
        """The smallest rectangle of pixels that holds a rectangle of the patient."""
        corners = np.array([[u1, v1], [u2, v1], [u1, v2], [u2, v2]])
        pixels = self.frame.to_pixels(corners)
        low = np.clip(np.floor(pixels.min(axis=0)).astype(int), 0, self.frame.size)
        high = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 1, 0, self.frame.size)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def around(self, centre: Point, radius: float) -> Window:
        """The window round a circle."""
        u, v = centre
        return self.window(u - radius, v - radius, u + radius, v + radius)

    def displace(self, window: Window, share: Floats) -> None:
        """Puts soft tissue or fluid where air was; `share` is the part of the air that goes."""
        self.air[window] *= (1.0 - share).astype(np.float32)

    def add(self, window: Window, attenuation: Floats) -> None:
        """Adds attenuation, or takes some away where it is negative."""
        self.attenuation[window] += attenuation.astype(np.float32)

    def nothing(self) -> Mask:
        """A mask with no pixel set."""
        return np.zeros(self.attenuation.shape, dtype=np.bool_)


def look_up(canvas: Canvas, table: Floats, window: Window | None = None) -> Floats:
    """A function of v, given at `LEVELS`, at every pixel."""
    level = canvas.level if window is None else canvas.level[window]
    return np.asarray(table.take(level))


def bulge(depth: Floats) -> Floats:
    """Thickness of a round body at a relative depth from its border: 0 outside, 1 from 1 on."""
    inside = np.minimum(np.maximum(depth, 0.0), 1.0)
    return np.asarray(np.sqrt(inside * (2.0 - inside)))


def ramp(depth: Floats) -> Floats:
    """A soft step from 0 (depth <= 0) to 1 (depth >= 1)."""
    inside = np.minimum(np.maximum(depth, 0.0), 1.0)
    return inside * inside * (3.0 - 2.0 * inside)


def radial_table(radii: Floats) -> Floats:
    """A smooth closed contour through radii given at even angles from +u towards +v.

    Returns:
        The radius at `TABLE` even angles (trigonometric interpolation).
    """
    spectrum = np.fft.rfft(radii)
    if len(radii) % 2 == 0:
        spectrum[-1] /= 2
    whole = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    whole[: len(spectrum)] = spectrum
    return np.fft.irfft(whole, TABLE) * TABLE / len(radii)


def relative_radius(canvas: Canvas, window: Window, centre: Point, table: Floats) -> Floats:
    """Distance from `centre` over the contour's radius in that direction: below 1 is inside."""
    du, dv = canvas.u[window] - centre[0], canvas.v[window] - centre[1]
    place = np.arctan2(dv, du) * (TABLE / (2 * np.pi))
    index = np.rint(place).astype(np.int64) % TABLE
    return np.sqrt(du * du + dv * dv) / np.maximum(table[index], 1e-6)


def ellipsoid(canvas: Canvas, window: Window, centre: Point, axes: Point, angle: float) -> Floats:
    """Squared relative radius of an ellipse: below 1 is inside."""
    du, dv = canvas.u[window] - centre[0], canvas.v[window] - centre[1]
    cosine, sine = cos(angle), sin(angle)
    along, across = cosine * du + sine * dv, cosine * dv - sine * du
    return np.asarray((along / axes[0]) ** 2 + (across / axes[1]) ** 2)


@lru_cache(maxsize=16)
def bernstein(points: int, count: int) -> Floats:
    """Weights [count, points] of a Bezier curve's control points."""
    t = np.linspace(0, 1, count)[:, None]
    order = points - 1
    powers = np.arange(points)[None]
    binomial = np.array([comb(order, k) for k in range(points)])
    return np.asarray(binomial * t**powers * (1 - t) ** (order - powers))


def bezier(points: Sequence[Point] | Floats, count: int = 12) -> Floats:
    """Points [..., count, 2] on the Bezier curves of control points [..., k, 2]."""
    control = np.asarray(points, dtype=np.float64)
    return np.asarray(bernstein(control.shape[-2], count) @ control)


def normals(curve: Floats) -> Floats:
    """Unit vectors [n, 2] across a polyline."""
    along = np.empty_like(curve)
    along[1:-1] = curve[2:] - curve[:-2]
    along[0], along[-1] = curve[1] - curve[0], curve[-1] - curve[-2]
    across = along[:, ::-1] * np.array([-1.0, 1.0])
    length = np.sqrt((across * across).sum(axis=1, keepdims=True))
    return np.asarray(across / np.maximum(length, 1e-9))


Stroke = tuple[Floats, float | None, float]


class Layer:
    """Lines and areas drawn at twice the resolution, then averaged: a cheap anti-aliased sheet.

    Values are 0 to 255 of `peak` attenuation. Whole numbers only, so the same on any machine.
    """

    def __init__(self, frame: Frame, peak: float) -> None:
        """An empty sheet in which 255 stands for `peak`."""
        self.frame = frame
        self.peak = peak
        self.strokes: list[Stroke] = []

    def line(self, curve: Floats, width: float, value: float) -> None:
        """A line along `curve`; width in units of u, value in attenuation."""
        self.strokes.append((curve, width, value))

    def band(self, curve: Floats, width: float, value: float) -> None:
        """A filled band along `curve`."""
        half = normals(curve) * (width / 2)
        self.area(np.concatenate([curve + half, (curve - half)[::-1]]), value)

    def area(self, outline: Floats, value: float) -> None:
        """A filled polygon."""
        self.strokes.append((outline, None, value))

    def picture(self) -> Image.Image:
        """Draws all strokes, later ones over earlier ones; 8-bit, the size of the frame."""
        side = self.frame.size * SUPERSAMPLING
        image = Image.new("L", (side, side))
        if not self.strokes:
            return image.reduce(SUPERSAMPLING)
        pen = ImageDraw.Draw(image)
        every = np.concatenate([curve for curve, _, _ in self.strokes])
        points = np.rint((self.frame.to_pixels(every) + 0.5) * SUPERSAMPLING).ravel().tolist()
        unit = self.frame.scale * SUPERSAMPLING
        first = 0
        for curve, width, value in self.strokes:
            last = first + 2 * len(curve)
            level = round(min(max(value / self.peak, 0.0), 1.0) * 255)
            if width is None:
                pen.polygon(points[first:last], fill=level)
            else:
                pen.line(points[first:last], fill=level, width=max(1, round(width * unit)))
            first = last
        return image.reduce(SUPERSAMPLING)

    def sheet(self, blur: float = 0.0) -> Grid:
        """The layer's attenuation, float32 [size, size], softened by `blur` in units of u."""
        picture = self.picture()
        if blur * self.frame.scale > 0.55:
            picture = picture.filter(ImageFilter.BoxBlur(1.3 * blur * self.frame.scale))
        return np.asarray(picture, dtype=np.float32) * np.float32(self.peak / 255)

    def mask(self) -> Mask:
        """Where anything was drawn."""
        return np.asarray(self.picture()) > 32
