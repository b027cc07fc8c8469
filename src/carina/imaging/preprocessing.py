"""What the image side of a model wants, and how a radiograph becomes that.

A `Preprocessing` is part of a model: it is saved with it. `prepare` also returns the placement
of the picture in the input, so that a heat-map can be put back on the original pixels.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from carina.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Squash:
    """Resizes to size x size, whatever the aspect ratio (KAD on CheXpert and PadChest)."""


@dataclass(frozen=True, kw_only=True)
class BilinearSquash:
    """Like `Squash`, with the triangle filter instead of the cubic one (MedKLIP)."""


@dataclass(frozen=True, kw_only=True)
class CentreCrop:
    """Resizes the shorter side to size, then cuts the centre square."""


@dataclass(frozen=True, kw_only=True)
class Letterbox:
    """Resizes the longer side to size and pads with black to a square: nothing is cut."""


@dataclass(frozen=True, kw_only=True)
class LetterboxCrop:
    """Pads with black to a square and cuts its centre, of which `kept` of each side is left.

    GLoRIA's: 224 of 256 pixels. Pixels are averaged by area. Of an odd number of padded pixels
    the odd one is at the right or below.
    """

    kept: float = 0.875

    def __post_init__(self) -> None:
        """Checks the share."""
        if not 0 < self.kept <= 1:
            raise ConfigError(f"kept must be in (0, 1], got {self.kept}: a share of the side.")


ResizeRule = Squash | BilinearSquash | CentreCrop | Letterbox | LetterboxCrop


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Size, resize rule and standardisation of the image side of a model.

    `size` is the side of the square input in pixels. `mean` and `std` are of grey values in
    [0, 1], one for each of the model's channels (1 or 3); a grey picture is repeated.
    """

    size: int
    resize: ResizeRule
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.size < 16:
            raise ConfigError(f"size must be at least 16 pixels, got {self.size}.")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ConfigError(
                f"mean and std must both have 1 or 3 values, got {self.mean} and {self.std}."
            )
        if not all(value > 0 for value in self.std):
            raise ConfigError(f"std must be > 0, got {self.std}: it divides the pixels.")

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return len(self.mean)


IMAGENET_224 = Preprocessing(size=224, resize=Squash(), mean=IMAGENET_MEAN, std=IMAGENET_STD)
MEDKLIP_224 = replace(IMAGENET_224, resize=BilinearSquash())


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a radiograph lies in the square input of a model.

    The whole picture, `height` x `width` pixels as read, covers `scaled_height` x `scaled_width`
    pixels of the input's plane, its upper left corner at (`left`, `top`). A negative corner means
    that the picture reaches beyond the input: that part was cropped.
    """

    height: int
    width: int
    size: int
    scaled_height: int
    scaled_width: int
    top: int
    left: int

    def to_original(self, grid: Float32[np.ndarray, "rows cols"]) -> NDArray[np.float32]:
        """Puts a map over the input back on the pixels of the radiograph.

        Args:
            grid: a map whose cells tile the whole input, [rows, cols].

        Returns:
            float32 [height, width]: bilinear between the centres of the cells, held beyond the
            outermost centres, 0 where the radiograph was cropped away.
        """
        rows, cols = grid.shape
        across = _cells(self.height, self.scaled_height, self.top, self.size, rows)
        along = _cells(self.width, self.scaled_width, self.left, self.size, cols)
        tall = _blend(grid, across)
        return np.ascontiguousarray(_blend(tall.T, along).T, dtype=np.float32)


def place(height: int, width: int, preprocessing: Preprocessing) -> Placement:
    """Works out where a radiograph of this size will lie, without any pixels."""
    size = preprocessing.size
    match preprocessing.resize:
        case Squash() | BilinearSquash():
            scaled_height = scaled_width = size
        case CentreCrop():
            scaled_height, scaled_width = shorter_side_to(size, height, width)
        case Letterbox():
            scaled_height, scaled_width = _longer_side_to(size, height, width)
        case LetterboxCrop(kept=kept):
            return _cropped_letterbox(height, width, size, round(size / kept))
    return Placement(
        height=height,
        width=width,
        size=size,
        scaled_height=scaled_height,
        scaled_width=scaled_width,
        # Rounded as torchvision's CenterCrop does: halves to even.
        top=-round((scaled_height - size) / 2),
        left=-round((scaled_width - size) / 2),
    )


def prepare(
    image: Float32[np.ndarray, "height width"], preprocessing: Preprocessing
) -> tuple[Float[Tensor, "channels size size"], Placement]:
    """Turns a radiograph as read into the standardised input of a model.

    Pixels are rounded to 256 levels and resized with Pillow's antialiased filters, as the official
    transforms do and as the image store holds them: bicubic, but for `BilinearSquash`.

    Args:
        image: grey values in [0, 1], bone bright.
        preprocessing: what the model wants.

    Returns:
        The input, standardised, and where the radiograph lies in it.
    """
    return prepare_levels(np.rint(image * 255).astype(np.uint8), preprocessing)


def prepare_levels(
    levels: UInt8[np.ndarray, "height width"], preprocessing: Preprocessing
) -> tuple[Float[Tensor, "channels size size"], Placement]:
    """Like `prepare`, for pixels of 256 grey levels, as the image store holds them."""
    placement = place(levels.shape[0], levels.shape[1], preprocessing)
    scaled = _scaled(levels, placement, preprocessing.resize)
    square = Image.new("L", (preprocessing.size, preprocessing.size))
    square.paste(scaled, (placement.left, placement.top))
    pixels = torch.from_numpy(np.array(square))
    return standardise(pixels[None, None].float() / 255, preprocessing)[0], placement


def _scaled(
    levels: UInt8[np.ndarray, "height width"], placement: Placement, rule: ResizeRule
) -> Image.Image:
    """The whole picture at its size in the input's plane, by the filter of the rule."""
    height, width = placement.scaled_height, placement.scaled_width
    match rule:
        case BilinearSquash():
            return Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR)
        case Squash() | CentreCrop() | Letterbox():
            return Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC)
        case LetterboxCrop():
            rows = _shares(levels.shape[0], height) @ levels.astype(np.float32)
            averaged = rows @ _shares(levels.shape[1], width).T
            return Image.fromarray(np.rint(averaged).astype(np.uint8))


def _shares(pixels: int, scaled: int) -> NDArray[np.float32]:
    """How much each pixel of an axis counts in each one of the scaled axis, by what it covers."""
    ends = np.linspace(0, pixels, scaled + 1)
    starts = np.arange(pixels)
    overlap = np.minimum(ends[1:, None], starts + 1) - np.maximum(ends[:-1, None], starts)
    shares: NDArray[np.float32] = (overlap.clip(0) * (scaled / pixels)).astype(np.float32)
    return shares


def standardise(
    images: Float[Tensor, "batch 1 height width"], preprocessing: Preprocessing
) -> Float[Tensor, "batch channels height width"]:
    """Gives grey values in [0, 1] the model's mean and deviation, one copy for each channel."""
    mean = images.new_tensor(preprocessing.mean)[:, None, None]
    std = images.new_tensor(preprocessing.std)[:, None, None]
    return (images - mean) / std


def shorter_side_to(size: int, height: int, width: int) -> tuple[int, int]:
    """Height and width after the shorter side became `size`; fractions are cut off.

    Source: torchvision's Resize(int), which KAD uses for ChestX-ray14.
    """
    short = min(height, width)
    return size * height // short, size * width // short


def _cropped_letterbox(height: int, width: int, size: int, longest: int) -> Placement:
    """A picture in a padded square of side `longest`, of which the centre is the input."""
    scale = longest / max(height, width)
    scaled_height, scaled_width = max(1, int(height * scale)), max(1, int(width * scale))
    border = round((longest - size) / 2)
    return Placement(
        height=height,
        width=width,
        size=size,
        scaled_height=scaled_height,
        scaled_width=scaled_width,
        top=(longest - scaled_height) // 2 - border,
        left=(longest - scaled_width) // 2 - border,
    )


def _longer_side_to(size: int, height: int, width: int) -> tuple[int, int]:
    """Height and width after the longer side became `size`, never below one pixel."""
    longest = max(height, width)
    return max(1, round(size * height / longest)), max(1, round(size * width / longest))


@dataclass(frozen=True)
class _Cells:
    """For each original pixel along one axis: its two cells, their blend, and if it was seen."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    share: NDArray[np.float32]
    seen: NDArray[np.bool_]


def _cells(pixels: int, scaled: int, start: int, size: int, cells: int) -> _Cells:
    """Finds the cells between whose centres each pixel of an axis lies."""
    place_in_input = (np.arange(pixels) + 0.5) * scaled / pixels + start
    position = np.clip(place_in_input * cells / size - 0.5, 0, cells - 1)
    before = np.floor(position).astype(np.int64)
    return _Cells(
        before,
        np.minimum(before + 1, cells - 1),
        (position - before).astype(np.float32),
        (place_in_input >= 0) & (place_in_input < size),
    )


def _blend(grid: NDArray[np.float32], cells: _Cells) -> NDArray[np.float32]:
    """Interpolates the rows of a grid; rows that were not seen are 0."""
    share = (cells.share)[:, None]
    before = grid[cells.before]
    # In this form two equal cells give exactly their value: a flat map must stay flat, or the
    # rounding alone would decide where its greatest pixel lies.
    rows: NDArray[np.float32] = before + (grid[cells.after] - before) * share
    rows[~cells.seen] = 0
    return rows
