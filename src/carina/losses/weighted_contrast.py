"""Contrast in which each pair counts by how much its visible patches tell (MaCo).

Source: Huang et al., Nat Commun 2024, Eq. 3 to 5, and its published code, which agree but for a
bias in front of the softplus. As in `losses/contrast.py` each function takes the rows of one
process and the rows of all, and returns sums and counts that add up over processes.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed


def scaled_cosine_contrast(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    *,
    first: int,
    scale: Float[Tensor, ""],
) -> Summed:
    """Two-way InfoNCE with a learnt scale, the mean of both directions (CLIP).

    Args:
        image: this process's images; row i belongs with row i of `report`.
        report: this process's reports.
        all_images: the images of all processes.
        all_reports: the reports of all processes.
        first: place of this process's first row among all.
        scale: 1 / tau; multiplies the cosines.

    Returns:
        The sum over local pairs, in nats, and their number.
    """
    to_report, to_image = _logits(image, report, all_images, all_reports, scale)
    losses = _cross_entropies(to_report, first) + _cross_entropies(to_image, first)
    return losses.sum() / 2, _number(image)


def weighted_contrast(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    importance: Float[Tensor, " local"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    all_importance: Float[Tensor, " all"],
    *,
    first: int,
    scale: Float[Tensor, ""],
) -> tuple[Summed, Summed]:
    """MaCo's contrast: importance sharpens the logits of a pair, and weighs its loss.

    Row i is sharpened by the importance of pair i in both directions. Where it weighs the loss
    it carries no gradient.

    Args:
        image: as all of these in `scaled_cosine_contrast`.
        report: see there.
        importance: of this process's pairs, > 0.
        all_images: see there.
        all_reports: see there.
        all_importance: of the pairs of all processes.
        first: see there.
        scale: see there.

    Returns:
        The sharpened contrast and the weighted one, each a sum over local pairs, both directions
        averaged, and the number of local pairs; their mean is the loss.
    """
    to_report, to_image = _logits(image, report, all_images, all_reports, scale)
    sharpness = importance[:, None]
    sharpened = _cross_entropies(sharpness * to_report, first) + _cross_entropies(
        sharpness * to_image, first
    )
    plain = _cross_entropies(to_report, first) + _cross_entropies(to_image, first)
    # Divided by the mean weight of all pairs, so that the number of pairs is the count.
    mean = all_importance.detach().mean().clamp_min(torch.finfo(torch.float32).tiny)
    weighted = plain * (importance.detach() / mean)
    count = _number(image)
    return (sharpened.sum() / 2, count), (weighted.sum() / 2, count)


def _logits(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    scale: Float[Tensor, ""],
) -> tuple[Float[Tensor, "local all"], Float[Tensor, "local all"]]:
    """Cosines times the scale, of local images with all reports, and of local reports."""
    normal_images, normal_reports = F.normalize(all_images, dim=1), F.normalize(all_reports, dim=1)
    to_report = scale * F.normalize(image, dim=1) @ normal_reports.T
    to_image = scale * F.normalize(report, dim=1) @ normal_images.T
    return to_report, to_image


def _cross_entropies(logits: Float[Tensor, "local all"], first: int) -> Float[Tensor, " local"]:
    rows = torch.arange(first, first + len(logits), device=logits.device)
    return F.cross_entropy(logits, rows, reduction="none")


def _number(rows: Float[Tensor, "local dim"]) -> Float[Tensor, ""]:
    return torch.tensor(float(len(rows)), device=rows.device)
