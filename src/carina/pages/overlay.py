"""Heat-maps and outlines over grey radiographs: arrays in, RGB pictures out."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from carina.pages.measured import Number

EVERYWHERE = "like everywhere"
ALONE = "here alone"
"""What the two ends of the colours mean; see `prominence`."""

HEAT_OPACITY = 0.6
"""Opacity of the last colour: anatomy stays visible under the hottest spot."""

OUTLINE = (0, 229, 255)  # cyan: far from every colour of the map and from every grey
HALO = (0, 30, 40)
CROSS = (255, 255, 255)

BoxCorners = tuple[Number, Number, Number, Number]


def heat_colours(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Colours of values in [0, 1]: dark red, orange, pale yellow, lightness rising evenly.

    The path is a straight line in lightness and hue of OKLCH (Ottosson, "A perceptual color
    space for image processing", 2020), so it keeps its order in grey print and for the
    colour-blind.
    """
    table = heat_table()
    colours: NDArray[np.uint8] = table[
        np.round(np.clip(values, 0, 1) * (len(table) - 1)).astype(np.intp)
    ]
    return colours


def heat_table(entries: int = 256) -> UInt8[np.ndarray, "entries 3"]:
    """The colours of `entries` evenly spaced values from 0 to 1."""
    place = np.linspace(0, 1, entries)
    lightness = 0.45 + 0.47 * place
    hue = np.deg2rad(10 + 95 * place)
    chroma = 0.17 + 0.04 * np.sin(np.pi * place) - 0.02 * place
    linear = oklab_to_linear(lightness, chroma * np.cos(hue), chroma * np.sin(hue))
    linear = np.clip(linear, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.round(gamma * 255).astype(np.uint8)
    return colours


def oklab_to_linear(
    lightness: Float[np.ndarray, "n"], a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    """From OKLab to linear sRGB, by the two matrices of Ottosson 2020."""
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return (to_linear @ cones**3).T


def overlay(
    image: Float[np.ndarray, "height width"],
    heatmap: Float[np.ndarray, "height width"] | None = None,
    *,
    mask: Bool[np.ndarray, "height width"] | None = None,
    boxes: Sequence[BoxCorners] = (),
    peak: tuple[int, int] | None = None,
    longest_side: int | None = None,
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Lays a heat-map, and the outline of the truth, over a radiograph.

    Args:
        image: grey in [0, 1].
        heatmap: values >= 0 on the same pixels. Colour and opacity follow `prominence`: a map
            says where, never how likely. A map that is the same everywhere leaves the
            radiograph as it is.
        mask: pixels of the true finding; its border is drawn.
        boxes: (x1, y1, x2, y2) in pixels of `image`; their borders are drawn.
        peak: (row, column) of `image`; a cross is drawn around that pixel.
        longest_side: the picture is made smaller until its longer side fits.
    """
    small = image if longest_side is None else fitted(image, longest_side)
    rows, cols = small.shape
    scale = max(small.shape) / max(image.shape)
    picture = np.repeat(np.clip(small, 0, 1).astype(np.float32)[..., None] * 255, 3, axis=2)
    if heatmap is not None:
        heat = np.clip(resized(prominence(heatmap), rows, cols), 0, 1)
        opacity = HEAT_OPACITY * heat[..., None]
        picture = picture * (1 - opacity) + heat_colours(heat) * opacity
    painted = np.round(picture).astype(np.uint8)
    thickness = max(1, round(max(rows, cols) / 200))
    if mask is not None:
        painted = draw_mask(painted, resized(mask.astype(np.float32), rows, cols) >= 0.5, thickness)
    for box in boxes:
        painted = draw_box(painted, tuple(corner * scale for corner in box), thickness)
    if peak is not None:
        row, col = (int((place + 0.5) * scale) for place in peak)
        painted = draw_cross(painted, row, col, thickness)
    return painted


def prominence(
    heatmap: Float[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width"]:
    """How far each place stands above the map's mean, as a share of the map's maximum.

    Attention is spread over the whole image and adds up to one. Divided by the maximum alone, a
    map that looks everywhere alike would be painted as one hot spot, and stretched between its
    ends, as a pattern of noise. So a map without a peak stays nearly invisible.

    Returns:
        Values in [0, 1]: 0 at or below the mean, near 1 where all of the map is in one place.
    """
    highest = float(heatmap.max())
    if not highest > 0:
        return np.zeros_like(heatmap)
    raised = (heatmap - heatmap.mean()) / highest
    return np.asarray(np.clip(raised, 0, 1))


def fitted(
    values: Float[np.ndarray, "height width"], longest_side: int
) -> Float[np.ndarray, "rows cols"]:
    """The array made smaller, if need be, until its longer side fits; aspect is kept."""
    scale = min(1.0, longest_side / max(values.shape))
    rows, cols = (max(1, round(side * scale)) for side in values.shape)
    return resized(values, rows, cols)


def resized(
    values: Float[np.ndarray, "height width"], rows: int, cols: int
) -> Float[np.ndarray, "rows cols"]:
    """The array at another size: area-weighted when smaller; itself when of that size already."""
    if values.shape == (rows, cols):
        return values
    # Pillow's bilinear filter widens with the scale, so nothing is skipped when shrinking.
    whole = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(whole.resize((cols, rows), Image.Resampling.BILINEAR))


def draw_mask(
    picture: UInt8[np.ndarray, "rows cols 3"], mask: Bool[np.ndarray, "rows cols"], thickness: int
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Draws the inner border of a mask, with a thin dark halo outside it."""
    painted = picture.copy()
    painted[grown(mask, 1) & ~mask] = HALO
    painted[mask & ~shrunk(mask, thickness)] = OUTLINE
    return painted


def draw_box(
    picture: UInt8[np.ndarray, "rows cols 3"], box: BoxCorners, thickness: int
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Draws the border of a box (the part of it that lies on the picture)."""
    rows, cols = picture.shape[:2]
    x1, x2 = np.clip(np.round([box[0], box[2]]).astype(int), 0, cols)
    y1, y2 = np.clip(np.round([box[1], box[3]]).astype(int), 0, rows)
    inside = np.zeros((rows, cols), dtype=bool)
    inside[y1:y2, x1:x2] = True
    return draw_mask(picture, inside, thickness)


def draw_cross(
    picture: UInt8[np.ndarray, "rows cols 3"], row: int, col: int, thickness: int
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Draws a cross around a pixel, open in the middle, white with a dark halo."""
    rows, cols = picture.shape[:2]
    down, across = np.mgrid[:rows, :cols]
    dy, dx = np.abs(down - row), np.abs(across - col)
    inner, outer = 2 * thickness, 6 * thickness
    long, thin = np.maximum(dy, dx), np.minimum(dy, dx)
    arms = (thin < thickness) & (long >= inner) & (long < outer)
    painted = picture.copy()
    painted[grown(arms, 1) & ~arms] = HALO
    painted[arms] = CROSS
    return painted


def grown(mask: Bool[np.ndarray, "rows cols"], pixels: int) -> Bool[np.ndarray, "rows cols"]:
    """The mask and all that touches it within `pixels` steps (up, down, left, right)."""
    for _ in range(pixels):
        bigger = mask.copy()
        bigger[1:] |= mask[:-1]
        bigger[:-1] |= mask[1:]
        bigger[:, 1:] |= mask[:, :-1]
        bigger[:, :-1] |= mask[:, 1:]
        mask = bigger
    return mask


def shrunk(mask: Bool[np.ndarray, "rows cols"], pixels: int) -> Bool[np.ndarray, "rows cols"]:
    """The mask without what lies within `pixels` steps of its border; the picture's edge counts."""
    framed = np.pad(~mask, pixels, constant_values=True)
    return ~grown(framed, pixels)[pixels:-pixels, pixels:-pixels]


def with_colour_bar(
    picture: UInt8[np.ndarray, "rows cols 3"],
) -> UInt8[np.ndarray, "taller cols 3"]:
    """Adds a strip below a picture: the map's colours, and what their ends mean."""
    cols = picture.shape[1]
    height = max(14, cols // 30)
    strip = Image.new("RGB", (cols, height * 2), (20, 20, 20))
    bar = heat_colours(np.linspace(0, 1, max(2, cols // 3)))
    left, top = (cols - len(bar)) // 2, height // 2
    strip.paste(Image.fromarray(np.repeat(bar[None], height, axis=0)), (left, top))
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(height * 0.75)
    middle = top + height / 2
    draw.text((left - height / 2, middle), EVERYWHERE, (230, 230, 230), font, "rm")
    right = left + len(bar) + height / 2
    draw.text((right, middle), ALONE, (230, 230, 230), font, "lm")
    return np.concatenate([picture, np.asarray(strip)])


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encodes an RGB or grey picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()


def jpeg_data_uri(picture: NDArray[np.uint8], longest_side: int | None = None) -> str:
    """Encodes a picture as a JPEG that can stand in a page: "data:image/jpeg;base64,...".

    `longest_side` makes it smaller first.
    """
    buffer = io.BytesIO()
    drawn = Image.fromarray(picture)
    if longest_side is not None:
        drawn.thumbnail((longest_side, longest_side))
    drawn.save(buffer, "JPEG", quality=85, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
