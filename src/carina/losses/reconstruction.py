"""How well removed patches are guessed (He et al., CVPR 2022, arXiv:2111.06377)."""

import torch
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed

EPSILON = 1e-6


def patches_of(
    images: Float[Tensor, "batch channels height width"], patch: int
) -> Float[Tensor, "batch patches pixels"]:
    """Cuts pictures into squares of `patch` pixels, row after row.

    The pixels of a patch run by row, column and channel.
    """
    cells = images.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))
    joined: Tensor = cells.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    return joined


def picture_of(
    patches: Float[Tensor, "batch patches pixels"], patch: int
) -> Float[Tensor, "batch channels height width"]:
    """Puts the squares of `patches_of` together again; there are as many down as across."""
    side = round(patches.shape[1] ** 0.5)
    cells = patches.unflatten(2, (patch, patch, -1)).unflatten(1, (side, side))
    joined: Tensor = cells.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
    return joined


def normalised(
    patches: Float[Tensor, "batch patches pixels"],
) -> Float[Tensor, "batch patches pixels"]:
    """Each patch with mean 0 and deviation 1, the variance unbiased: an option of MAE."""
    mean = patches.mean(-1, keepdim=True)
    variance = patches.var(-1, keepdim=True)
    return (patches - mean) / (variance + EPSILON).sqrt()


def reconstruction_loss(
    guessed: Float[Tensor, "batch patches pixels"],
    target: Float[Tensor, "batch patches pixels"],
    removed: Float[Tensor, "batch patches"],
) -> Summed:
    """Squared error of the removed patches; kept ones do not count.

    Source: Huang et al., Nat Commun 2024, Eq. 1 and 2, as the published code computes it: the
    mean over the pixels of a patch.

    Args:
        guessed: of `MaskedDecoder`.
        target: of `patches_of`.
        removed: 1 for a removed patch, 0 for one that was seen.

    Returns:
        The sum over removed patches, and their number.
    """
    rows = removed.bool()
    error = (guessed[rows].float() - target[rows].float()).square().mean(-1).sum()
    return error, removed.sum().to(torch.float32)


def weighted_squares(
    guessed: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
    weights: Float[Tensor, "batch 1 height width"],
) -> Summed:
    """Squared error of pictures, in which each pixel counts by its weight.

    Source: Wang et al., arXiv:2312.13316, Eq. 5: the error given an attention map. The published
    code has 1 in a square of the picture and 0 outside of it.

    Args:
        guessed: the guessed pictures.
        target: what they should look like.
        weights: >= 0.

    Returns:
        The sum over pictures of each one's mean over all pixels, and the number of pictures.
    """
    squares = (guessed.float() - target.float()).square().mean(1, keepdim=True)
    count = torch.tensor(float(len(guessed)), device=guessed.device)
    return (squares * weights).mean((1, 2, 3)).sum(), count
