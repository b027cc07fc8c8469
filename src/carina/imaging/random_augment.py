"""The operations of KAD's RandomAugment at its level 7 of 10, on one grey picture.

Source: the official implementation at commit 591d999, by its recorded outputs. Two of its defects
are left out: AutoContrast turned every picture whose darkest value is above 0 white (an unsigned
overflow), and Sharpness let values beyond 0 and 255 wrap around.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from carina.imaging.geometry import warp

FACTOR = 1.36
"""Of brightness and sharpness: 7/10 * 1.8 + 0.1; KAD only ever brightens and sharpens."""
SHEAR = 0.21
TRANSLATION_PIXELS = 7.0
"""Whatever the size of the picture, as in the official code."""
ROTATION_DEGREES = 21.0
FILL = 128
"""Grey of what comes in from outside the picture."""

Grey = NDArray[np.uint8]


def identity(image: Grey) -> Grey:
    """Leaves the picture as it is."""
    return image


def auto_contrast(image: Grey) -> Grey:
    """Stretches the levels so that the darkest becomes 0 and the brightest 255."""
    low, high = int(image.min()), int(image.max())
    if low == high:
        return image
    return _look_up(image, (np.arange(256) - low) * (255 / (high - low)))


def equalize(image: Grey) -> Grey:
    """Spreads the levels so that all are about equally frequent, as Pillow does."""
    counts = np.bincount(image.ravel(), minlength=256)
    step = int(counts.sum() - counts[counts > 0][-1]) // 255
    if step == 0:
        return image
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return _look_up(image, (below + step // 2) // step)


def brighten(image: Grey) -> Grey:
    """Multiplies the levels by `FACTOR`."""
    return _look_up(image, np.arange(256) * FACTOR)


def sharpen(image: Grey) -> Grey:
    """Moves each pixel away from the mean of its surroundings; the outermost pixels stay."""
    pixels = image.astype(np.float64)
    rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    smooth = np.rint((total + 4 * pixels[1:-1, 1:-1]) / 13)
    sharp = pixels.copy()
    sharp[1:-1, 1:-1] = smooth + FACTOR * (pixels[1:-1, 1:-1] - smooth)
    # The official code has no clip here: 1 pixel in 1,000 wrapped from white to black.
    return np.clip(sharp, 0, 255).astype(np.uint8)


def shear_across(image: Grey, sign: int) -> Grey:
    """Shifts rows to the right by `sign` * 0.21 pixels for each row down."""
    return _move(image, [[1.0, sign * SHEAR, 0.0], [0.0, 1.0, 0.0]])


def shear_down(image: Grey, sign: int) -> Grey:
    """Shifts columns down by `sign` * 0.21 pixels for each column to the right."""
    return _move(image, [[1.0, 0.0, 0.0], [sign * SHEAR, 1.0, 0.0]])


def translate_across(image: Grey, sign: int) -> Grey:
    """Shifts the picture 7 pixels to the left (`sign` 1) or right (-1)."""
    return _move(image, [[1.0, 0.0, -sign * TRANSLATION_PIXELS], [0.0, 1.0, 0.0]])


def translate_down(image: Grey, sign: int) -> Grey:
    """Shifts the picture 7 pixels up (`sign` 1) or down (-1)."""
    return _move(image, [[1.0, 0.0, 0.0], [0.0, 1.0, -sign * TRANSLATION_PIXELS]])


def rotate(image: Grey, sign: int) -> Grey:
    """Turns the picture by 21 degrees, counter-clockwise for `sign` 1."""
    height, width = image.shape
    angle = np.deg2rad(sign * ROTATION_DEGREES)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    # About (width / 2, height / 2) counted in pixel centres: half a pixel off the true centre.
    x, y = width / 2, height / 2
    across = (1 - cosine) * x - sine * y
    down = sine * x + (1 - cosine) * y
    return _move(image, [[cosine, sine, across], [-sine, cosine, down]])


SIGNED_OPERATIONS = (
    shear_across,
    shear_down,
    translate_across,
    translate_down,
    rotate,
)
PLAIN_OPERATIONS = (
    identity,
    auto_contrast,
    equalize,
    brighten,
    sharpen,
)


def two_of_ten(image: Grey, generator: np.random.Generator) -> Grey:
    """Draws two operations with replacement; each is applied half the time."""
    for which in generator.integers(10, size=2):
        applied, sign = generator.random() < 0.5, int(generator.choice((-1, 1)))
        if not applied:
            continue
        if which < len(PLAIN_OPERATIONS):
            image = PLAIN_OPERATIONS[which](image)
        else:
            image = SIGNED_OPERATIONS[which - len(PLAIN_OPERATIONS)](image, sign)
    return image


def random_resized_crop(image: Grey, size: int, generator: np.random.Generator) -> Grey:
    """Crops 20 to 100 % of the area, width to height 3:4 to 4:3, and resizes to a square.

    Source: torchvision's RandomResizedCrop: ten tries, then the largest centred crop that fits.
    """
    height, width = image.shape
    for _ in range(10):
        area = height * width * generator.uniform(0.2, 1.0)
        ratio = np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3)))
        across, down = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left = int(generator.integers(width - across + 1))
            top = int(generator.integers(height - down + 1))
            break
    else:
        across, down = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        left, top = (width - across) // 2, (height - down) // 2
    crop = Image.fromarray(np.ascontiguousarray(image[top : top + down, left : left + across]))
    return np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC))


def _look_up(image: Grey, levels: NDArray[np.integer] | NDArray[np.floating]) -> Grey:
    """Replaces every level; fractions are cut off, as an unsigned cast does."""
    table: Grey = np.clip(levels, 0, 255).astype(np.uint8)
    return table[image]


def _move(image: Grey, forward: list[list[float]]) -> Grey:
    """Moves pixels by a matrix that takes old to new places, counted in pixel centres."""
    backward = np.linalg.inv(np.array([*forward, [0, 0, 1]]))[:2]
    # `warp` counts from the corner of the first pixel, which is half a pixel before its centre.
    backward[:, 2] += 0.5 - backward[:, :2].sum(1) / 2
    pixels = torch.from_numpy(image.astype(np.float32))[None, None] - FILL
    moved = warp(pixels, torch.from_numpy(backward)[None].float(), image.shape) + FILL
    result: Grey = moved[0, 0].round().clamp(0, 255).to(torch.uint8).numpy()
    return result
