"""Affine warps of pictures and points, and resizing, on whole batches.

Coordinates are (x, y) in pixels, x right, y down; the centre of the first pixel is (0.5, 0.5). A
warp is a [2, 3] matrix that takes (x, y, 1) of the result to (x, y) of the source.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def warp(
    images: Float[Tensor, "batch channels height width"],
    warps: Float[Tensor, "batch 2 3"],
    shape: tuple[int, ...],
) -> Float[Tensor, "batch channels rows cols"]:
    """Samples pictures along their warps, bilinear, 0 outside.

    A mask goes the same way, as 0 and 1; what is above one half afterwards belongs to it.

    Args:
        images: the sources.
        warps: from the result to the source, one for each picture.
        shape: rows and columns of the result.
    """
    grid = sampling_grid(warps, images.shape[2:], shape, images.device)
    sampled: Tensor = F.grid_sample(
        images, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return sampled


def warp_coarse(
    maps: Float[Tensor, "batch channels rows cols"],
    warps: Float[Tensor, "batch 2 3"],
    sizes: Int[Tensor, "batch 2"],
    shape: tuple[int, int],
) -> Float[Tensor, "batch channels down across"]:
    """Lets coarse maps move with the pictures that they cover.

    Within the picture a map holds up to its edge what its outermost cells say; outside it is 0.

    Args:
        maps: their cells tile the whole picture, whatever its shape.
        warps: from the result to pixels of the picture, one for each, as the picture's own.
        sizes: (height, width) of each picture in pixels.
        shape: rows and columns of the result.
    """
    relative = warps.to(maps) / sizes.to(maps).flip(1)[:, :, None]  # the picture becomes 1 x 1
    grid = sampling_grid(relative, (1, 1), shape, maps.device)
    sampled = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    inside: Tensor = (grid.abs() <= 1).all(-1)
    return sampled * inside[:, None]


def sampling_grid(
    warps: Float[Tensor, "batch 2 3"],
    source: tuple[int, ...],
    shape: tuple[int, ...],
    device: torch.device,
) -> Float[Tensor, "batch rows cols 2"]:
    """Where each pixel of the results lies in the sources, whose corners are at -1 and 1.

    Args:
        warps: from the result to the source, one for each picture.
        source: rows and columns of the sources.
        shape: rows and columns of the results.
        device: where the grid is wanted.
    """
    height, width = source
    rows, cols = shape
    half = torch.tensor([2 / width, 2 / height], device=device)[:, None]
    matrix = warps.to(half) * half
    shift = matrix[:, :, 2] - 1
    down, across = (torch.arange(n, device=device) + 0.5 for n in (rows, cols))
    grid = torch.empty(len(warps), rows, cols, 2, device=device)
    for axis in range(2):
        from_x = matrix[:, axis, 0, None] * across
        from_y = matrix[:, axis, 1, None] * down + shift[:, axis, None]
        torch.add(from_x[:, None, :], from_y[:, :, None], out=grid[..., axis])
    return grid


def warp_points(
    points: Float[Tensor, "batch points 2"], warps: Float[Tensor, "batch 2 3"]
) -> Float[Tensor, "batch points 2"]:
    """Takes points (x, y) of the sources to where they are in the results."""
    moved = points - warps[:, None, :, 2]
    there: Tensor = torch.linalg.solve(warps[:, None, :, :2], moved[..., None])[..., 0]
    return there


def resize_bicubic(
    images: Float[Tensor, "batch channels height width"], height: int, width: int
) -> Float[Tensor, "batch channels rows cols"]:
    """Antialiased bicubic resize, held within [0, 1]; Pillow's filter to within rounding."""
    scaled: Tensor = F.interpolate(
        images, (height, width), mode="bicubic", align_corners=False, antialias=True
    )
    return scaled.clamp_(0, 1)


def smooth(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Pillow's SMOOTH filter: 3 x 3, the centre weighs 5 of 13. Edges are repeated."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    # Two passes of three: a quarter of the time of a 3 x 3 pooling on a CPU.
    rows = (padded[:, :, :-2] + padded[:, :, 1:-1]).add_(padded[:, :, 2:])
    total = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:])
    return total.add_(images, alpha=4).div_(13)
