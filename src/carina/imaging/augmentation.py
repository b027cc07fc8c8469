"""Augmentation of whole batches, straight from the pixels of the image store.

Every random number is a function of (seed, step, place in the global batch) and is drawn on the
CPU, so that a result does not depend on how many processes share the batch, nor on the device.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from carina.errors import ConfigError
from carina.imaging import random_augment
from carina.imaging.geometry import resize_bicubic, smooth, warp
from carina.imaging.preprocessing import Preprocessing, ResizeRule, place, standardise

__all__ = [
    "Augmentation",
    "BatchShare",
    "Moving",
    "NoAugmentation",
    "RandomAugmentOfficial",
    "WarpAugmentation",
    "standardise",  # the last step of every batch, offered here beside the first
]

DRAWS = 16
"""Random numbers an image: 9 for the warp, 4 for intensity, 3 for noise."""


@dataclass(frozen=True, kw_only=True)
class BatchShare:
    """Which rows of which batch pictures are: all that random numbers depend on.

    `seed` and `step` are the run's. `rows` are those of the global batch, of `batch_size`, that
    this process has.
    """

    seed: int
    step: int
    rows: range
    batch_size: int


class Augmentation(Protocol):
    """What turns stored pixels into the square pictures of a training batch."""

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Gives float pictures in [0, 1].

        Args:
            pixels: stored radiographs, padded at the right and bottom to a common size.
            sizes: the true (height, width) of each.
            size: side of the result in pixels.
            share: which rows of which batch these are.
        """
        ...


@runtime_checkable
class Moving(Protocol):
    """An augmentation that tells where it moved every picture, for maps that move along."""

    def warps(
        self,
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 2 3"]:
        """From pixels of the result to pixels of the stored picture, one warp an image."""
        ...


@dataclass(frozen=True, kw_only=True)
class NoAugmentation:
    """Resizes stored radiographs by a rule, and nothing else: for evaluation."""

    resize: ResizeRule

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Resizes; see `Augmentation`. Nothing is random."""
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

    def warps(
        self,
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 2 3"]:
        """The resizing as warps; see `WarpAugmentation.warps`."""
        wanted = Preprocessing(size=size, resize=self.resize, mean=(0.0,), std=(1.0,))
        result = torch.zeros(len(sizes), 2, 3)
        for matrix, (height, width) in zip(result, sizes.tolist(), strict=True):
            placed = place(height, width, wanted)
            across, down = width / placed.scaled_width, height / placed.scaled_height
            matrix[0, 0], matrix[0, 2] = across, -placed.left * across
            matrix[1, 1], matrix[1, 2] = down, -placed.top * down
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
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Warps and changes intensity; see `Augmentation`."""
        uniform = _uniform(share)
        sizes = sizes.cpu()
        warps = self._warps(uniform, sizes, size)
        images = pixels.float().div_(255)
        factor = self._shrinkage(sizes, size)
        if factor > 1:
            images, warps = F.avg_pool2d(images, factor), warps / factor
        images = self._change_intensity(warp(images, warps, (size, size)), uniform)
        return self._add_noise(images, uniform, share) if self.noise else images

    def warps(
        self,
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 2 3"]:
        """The warps of a batch, for masks and points that have to move along.

        Returns:
            One matrix an image. It takes (x, y, 1) in pixels of the result to (x, y) in pixels of
            the stored radiograph; the centre of the first pixel is (0.5, 0.5) in both.
        """
        return self._warps(_uniform(share), sizes.cpu(), size)

    def _shrinkage(self, sizes: Int[Tensor, "batch 2"], size: int) -> int:
        """By how much pictures are averaged down before the warp, so that it does not skip pixels.

        All images of a store have the same shorter side, so this is the same for every batch. A
        crop of middling size decides: a larger factor would blur the small crops.
        """
        middle = float(np.sqrt(sum(self.scale) / 2))
        return int(sizes.min().item() * middle / size) if len(sizes) else 1

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
    ) -> Float[Tensor, "batch 1 size size"]:
        """Sharpness, gamma, contrast and brightness, in this order, in place."""
        changes = (2 * uniform[:, 9:13] - 1).to(images.device)[:, :, None, None, None]
        sharp, gamma, contrast, bright = changes.unbind(1)
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

    def _add_noise(
        self,
        images: Float[Tensor, "batch 1 size size"],
        uniform: Float[Tensor, "batch draws"],
        share: BatchShare,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Adds noise of a random strength, in place.

        One field of noise is drawn for a step and shifted for each image: to draw a field for
        every image of the global batch in every process would cost more than all the rest.
        """
        size = images.shape[-1]
        generator = np.random.default_rng([share.seed, share.step, 1])
        field = torch.from_numpy(generator.standard_normal((size, size), dtype=np.float32))
        field = field.to(images.device)
        for image, draws in zip(images, uniform[:, 13:].tolist(), strict=True):
            shift = (int(draws[1] * size), int(draws[2] * size))
            image[0].add_(field.roll(shift, (0, 1)), alpha=draws[0] * self.noise)
        return images.clamp_(0, 1)


@dataclass(frozen=True, kw_only=True)
class RandomAugmentOfficial:
    """The augmentation of KAD's official code: crop, flip, and two operations out of ten.

    A crop of 20 to 100 % of the area is resized (bicubic), flipped half the time, then two of ten
    operations, drawn with replacement, are each applied half the time. Two defects of the
    official code are left out (`random_augment`), and crops are cut from the stored picture
    instead of the original. Slower than `WarpAugmentation`: picture by picture, on the CPU.
    """

    def __call__(
        self,
        pixels: UInt8[Tensor, "batch 1 height width"],
        sizes: Int[Tensor, "batch 2"],
        size: int,
        share: BatchShare,
    ) -> Float[Tensor, "batch 1 size size"]:
        """Augments; see `Augmentation`."""
        stored, shapes = pixels[:, 0].cpu().numpy(), sizes.tolist()
        result = np.empty((len(stored), 1, size, size), dtype=np.uint8)
        for i, place_in_batch in enumerate(share.rows):
            generator = np.random.default_rng([share.seed, share.step, place_in_batch])
            height, width = shapes[i]
            image = random_augment.random_resized_crop(stored[i, :height, :width], size, generator)
            if generator.random() < 0.5:
                image = image[:, ::-1]
            result[i, 0] = random_augment.two_of_ten(np.ascontiguousarray(image), generator)
        return torch.from_numpy(result).to(pixels.device).float() / 255


def _cut(
    images: Float[Tensor, "batch 1 height width"], top: int, left: int, size: int
) -> Float[Tensor, "batch 1 size size"]:
    """Puts the corner of pictures at (top, left) of a black square; what lies outside is cut."""
    height, width = images.shape[2:]
    return F.pad(images, (left, size - left - width, top, size - top - height))


def _uniform(share: BatchShare) -> Float[Tensor, "batch draws"]:
    """Numbers in [0, 1): drawn from (seed, step) for the whole batch, and cut to the rows."""
    generator = np.random.default_rng([share.seed, share.step])
    whole = generator.random((share.batch_size, DRAWS), dtype=np.float32)
    return torch.from_numpy(whole)[list(share.rows)]
