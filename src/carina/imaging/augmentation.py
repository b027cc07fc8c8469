"""Augmentation of whole batches, straight from the pixels of the image store.

Every random number is a function of (seed, step, place in the global batch) and is drawn on the
CPU, so that a result does not depend on how many processes share the batch, nor on the device.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from carina.errors import ConfigError
from carina.imaging.preprocessing import Preprocessing, ResizeRule, place


class Augmentation(Protocol):
    """What turns stored pixels into the square pictures of a training batch."""

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        *,
        size: int,
        seed: int,
        step: int,
        rows: range,
        batch_size: int,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Gives float pictures in [0, 1].

        Args:
            pixels: stored radiographs, padded at the right and bottom to a common size.
            sizes: the true (height, width) of each.
            size: side of the result in pixels.
            seed: of the run.
            step: of the run; a new step gives new random numbers.
            rows: which rows of the global batch these are.
            batch_size: length of the global batch.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class NoAugmentation:
    """Resizes stored radiographs by a rule, and nothing else: for evaluation."""

    resize: ResizeRule

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        *,
        size: int,
        seed: int,
        step: int,
        rows: range,
        batch_size: int,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Resizes; see `Augmentation`. The random state is not used."""
        wanted = Preprocessing(size=size, resize=self.resize, mean=(0.0,), std=(1.0,))
        result = torch.zeros(len(pixels), 1, size, size, device=pixels.device)
        shapes: list[tuple[int, int]] = [(int(h), int(w)) for h, w in sizes.tolist()]
        for shape in sorted(set(shapes)):
            members = [i for i, other in enumerate(shapes) if other == shape]
            height, width = shape
            placed = place(height, width, wanted)
            scaled = resize_bicubic(
                pixels[members, :, :height, :width].float() / 255,
                placed.scaled_height,
                placed.scaled_width,
            )
            result[members] = _cut(scaled, placed.top, placed.left, size)
        return result


@dataclass(frozen=True, kw_only=True)
class WarpAugmentation:
    """Random crop, rotation, shear, shift and flip as one affine warp, then intensity.

    The picture is sampled once, bilinear, whatever the number of geometric changes; what lies
    outside of it is black. Ranges are symmetric unless they are given as (low, high).

    Attributes:
        scale: share of the picture's area that the crop keeps.
        aspect: width / height of the crop, relative to the picture's own.
        rotation_degrees: largest rotation either way.
        shear: largest shear either way, as the tangent of the angle.
        translation: largest shift either way beyond the crop's own place, as a share of the crop.
        flip: probability of a left-right flip. A flip makes "left effusion" false.
        brightness: largest relative change of brightness: 0.3 multiplies by 0.7 to 1.3.
        contrast: the same of the distance from the picture's mean.
        gamma: largest change of log2(gamma): 0.5 gives gamma from 0.71 to 1.41.
        sharpness: largest change of the distance from a smoothed copy.
        noise: largest deviation of added Gaussian noise, in grey values of [0, 1].
    """

    scale: tuple[float, float] = (0.6, 1.0)
    aspect: tuple[float, float] = (0.9, 1.11)
    rotation_degrees: float = 10.0
    shear: float = 0.0
    translation: float = 0.0
    flip: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    gamma: float = 0.0
    sharpness: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigError(
                f"scale must be 0 < low <= high <= 1, got {self.scale}: it is a share of the area."
            )
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ConfigError(f"aspect must be 0 < low <= high, got {self.aspect}.")
        if not 0 <= self.flip <= 1:
            raise ConfigError(f"flip must be a probability, got {self.flip}.")
        if not 0 <= self.rotation_degrees <= 180:
            raise ConfigError(
                f"rotation_degrees must be from 0 to 180, got {self.rotation_degrees}."
            )
        for name in ("shear", "translation", "brightness", "contrast", "sharpness", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be from 0 to 1, got {getattr(self, name)}.")
        if not 0 <= self.gamma <= 3:
            raise ConfigError(f"gamma must be from 0 to 3 octaves, got {self.gamma}.")

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        *,
        size: int,
        seed: int,
        step: int,
        rows: range,
        batch_size: int,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Warps and changes intensity; see `Augmentation`."""
        uniform = _uniform(batch_size, 13, seed, step)[list(rows)]
        warps = self._warps(uniform, sizes.cpu(), size)
        images = warp(pixels.float() / 255, warps, size)
        return self._change_intensity(images, uniform.to(images.device), seed, step)

    def warps(
        self,
        sizes: Int[Tensor, "batch 2"],
        *,
        size: int,
        seed: int,
        step: int,
        rows: range,
        batch_size: int,
    ) -> Float[Tensor, "batch 2 3"]:
        """The warps of a batch, for masks and points that have to move along.

        Returns:
            One matrix an image. It takes (x, y, 1) in pixels of the result to (x, y) in pixels of
            the stored radiograph; the centre of the first pixel is (0.5, 0.5) in both.
        """
        return self._warps(_uniform(batch_size, 13, seed, step)[list(rows)], sizes.cpu(), size)

    def _warps(
        self, uniform: Float[Tensor, "batch draws"], sizes: Int[Tensor, "batch 2"], size: int
    ) -> Float[Tensor, "batch 2 3"]:
        """Builds result-to-source matrices from numbers in [0, 1)."""
        area, ratio, across, down, turn, slant, right, below, mirror = uniform[:, :9].unbind(1)
        height, width = sizes[:, 0].float(), sizes[:, 1].float()
        share = self.scale[0] + area * (self.scale[1] - self.scale[0])
        low, high = np.log(self.aspect)
        stretch = torch.exp(0.5 * (low + ratio * (high - low)))
        crop_width = torch.minimum(width * share.sqrt() * stretch, width)
        crop_height = torch.minimum(height * share.sqrt() / stretch, height)
        centre_x = crop_width / 2 + across * (width - crop_width)
        centre_y = crop_height / 2 + down * (height - crop_height)
        centre_x = centre_x + (2 * right - 1) * self.translation * crop_width
        centre_y = centre_y + (2 * below - 1) * self.translation * crop_height
        # From the result's square [-1, 1] to the source: flip, then scale to the crop's size, then
        # shear and rotate in source pixels, where angles are true, then move to the crop's centre.
        side = torch.where(mirror < self.flip, -1.0, 1.0)
        scale_x, scale_y = side * crop_width / size, crop_height / size
        angle = torch.deg2rad((2 * turn - 1) * self.rotation_degrees)
        cosine, sine, tangent = angle.cos(), angle.sin(), (2 * slant - 1) * self.shear
        linear = torch.stack(
            [
                torch.stack([cosine * scale_x, (cosine * tangent - sine) * scale_y], 1),
                torch.stack([sine * scale_x, (sine * tangent + cosine) * scale_y], 1),
            ],
            1,
        )
        centre = torch.stack([centre_x, centre_y], 1)
        shift = centre - linear.sum(2) * (size / 2)
        return torch.cat([linear, shift[:, :, None]], 2)

    def _change_intensity(
        self,
        images: Float[Tensor, "batch 1 size size"],
        uniform: Float[Tensor, "batch draws"],
        seed: int,
        step: int,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Sharpness, gamma, contrast and brightness, noise, in this order, in place."""
        sharp, gamma, contrast, bright = (
            (2 * uniform[:, 9 + i] - 1).view(-1, 1, 1, 1) for i in range(4)
        )
        if self.sharpness:
            images.add_((images - smooth(images)).mul_(sharp * self.sharpness)).clamp_(0, 1)
        if self.gamma:
            images.pow_(torch.exp2(gamma * self.gamma))
        if self.contrast or self.brightness:
            mean = images.mean((2, 3), keepdim=True)
            factor = 1 + contrast * self.contrast
            light = 1 + bright * self.brightness
            images.mul_(factor * light).add_(mean * (1 - factor) * light)
        return images.clamp_(0, 1)


def warp(
    images: Float[Tensor, "batch 1 height width"],
    warps: Float[Tensor, "batch 2 3"],
    size: int,
) -> Float[Tensor, "batch 1 size size"]:
    """Samples pictures along their warps, bilinear, 0 outside.

    Masks go the same way as 0 and 1; halve the result to get a mask again.
    """
    height, width = images.shape[2:]
    half = images.new_tensor([2 / width, 2 / height])[:, None]
    matrix = warps.to(images) * half
    shift = matrix[:, :, 2] - 1
    centres = torch.arange(size, device=images.device, dtype=images.dtype) + 0.5
    grid = torch.empty(len(images), size, size, 2, device=images.device, dtype=images.dtype)
    for axis in range(2):
        along = matrix[:, axis, 0, None] * centres
        down = matrix[:, axis, 1, None] * centres + shift[:, axis, None]
        torch.add(along[:, None, :], down[:, :, None], out=grid[..., axis])
    sampled: Tensor = F.grid_sample(
        images, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return sampled


def warp_points(
    points: Float[Tensor, "batch points 2"], warps: Float[Tensor, "batch 2 3"]
) -> Float[Tensor, "batch points 2"]:
    """Takes points (x, y) of the stored radiographs to where they are in the warped ones."""
    moved = points - warps[:, None, :, 2]
    return torch.linalg.solve(warps[:, None, :, :2], moved[..., None])[..., 0]


def smooth(images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Pillow's SMOOTH filter: 3 x 3, the centre weighs 5 of 13. Edges are repeated."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    total = F.avg_pool2d(padded, 3, stride=1, divisor_override=1)
    return (total + 4 * images) / 13


def resize_bicubic(
    images: Float[Tensor, "batch 1 height width"], height: int, width: int
) -> Float[Tensor, "batch 1 rows cols"]:
    """Antialiased bicubic resize, held within [0, 1]; Pillow's filter to within rounding."""
    scaled: Tensor = F.interpolate(
        images, (height, width), mode="bicubic", align_corners=False, antialias=True
    )
    return scaled.clamp_(0, 1)


def _cut(
    images: Float[Tensor, "batch 1 height width"], top: int, left: int, size: int
) -> Float[Tensor, "batch 1 size size"]:
    """Puts the corner of pictures at (top, left) of a black square; what lies outside is cut."""
    height, width = images.shape[2:]
    return F.pad(images, (left, size - left - width, top, size - top - height))


def _uniform(count: int, draws: int, seed: int, step: int) -> Float[Tensor, "count draws"]:
    """Numbers in [0, 1) for the whole global batch, a function of (seed, step) alone."""
    generator = np.random.default_rng([seed, step])
    return torch.from_numpy(generator.random((count, draws), dtype=np.float32))
