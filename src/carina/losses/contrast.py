"""Contrast between radiographs and reports, over a global batch.

Each function takes the rows of one process and the rows of all, and returns a sum and a
count: added up over processes they give the loss of one process with the whole batch.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Summed = tuple[Float[Tensor, ""], Float[Tensor, ""]]
"""A sum over rows, differentiable, and the number of rows."""


def cosine_contrast(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    *,
    first: int,
    temperature: float,
) -> Summed:
    """Two-way InfoNCE with cosine similarities, both directions added.

    Source: Zhang et al., Nat Commun 2023, Eq. 6.

    Args:
        image: this process's images; row i belongs with row i of `report`.
        report: this process's reports.
        all_images: the images of all processes.
        all_reports: the reports of all processes.
        first: place of this process's first row among all.
        temperature: tau, > 0; divides the similarities.

    Returns:
        The sum over local pairs, in nats, and their number.
    """
    normal_images, normal_reports = F.normalize(all_images, dim=1), F.normalize(all_reports, dim=1)
    rows = torch.arange(first, first + len(image), device=image.device)
    to_report = F.normalize(image, dim=1) @ normal_reports.T / temperature
    to_image = F.normalize(report, dim=1) @ normal_images.T / temperature
    total = _summed_cross_entropy(to_report, rows) + _summed_cross_entropy(to_image, rows)
    return total, _count(image)


def scaled_dot_contrast(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    *,
    first: int,
    scale: float,
) -> Summed:
    """Two-way InfoNCE with raw dot products times `scale`, the mean of both directions.

    Source: KAD's published code, which neither normalises the embeddings nor exponentiates
    the scale of ln(1 / 0.07). Arguments and result otherwise as in `cosine_contrast`.
    """
    rows = torch.arange(first, first + len(image), device=image.device)
    to_report = scale * image @ all_reports.T
    to_image = scale * report @ all_images.T
    total = _summed_cross_entropy(to_report, rows) + _summed_cross_entropy(to_image, rows)
    return total / 2, _count(image)


def directed_contrast(
    image: Float[Tensor, "local dim"],
    report: Float[Tensor, "local dim"],
    all_images: Float[Tensor, "all dim"],
    all_reports: Float[Tensor, "all dim"],
    *,
    first: int,
    temperature: float,
    image_weight: float,
) -> Summed:
    """Two-way InfoNCE whose directions weigh differently.

    Source: ConVIRT (Zhang et al., MLHC 2022, arXiv:2010.00747); `image_weight` is its lambda, the
    share of the image-to-report direction. Arguments and result otherwise as in
    `cosine_contrast`.
    """
    normal_images, normal_reports = F.normalize(all_images, dim=1), F.normalize(all_reports, dim=1)
    rows = torch.arange(first, first + len(image), device=image.device)
    to_report = F.normalize(image, dim=1) @ normal_reports.T / temperature
    to_image = F.normalize(report, dim=1) @ normal_images.T / temperature
    total = image_weight * _summed_cross_entropy(to_report, rows)
    return total + (1 - image_weight) * _summed_cross_entropy(to_image, rows), _count(image)


def _summed_cross_entropy(logits: Float[Tensor, "local all"], rows: Tensor) -> Float[Tensor, ""]:
    return F.cross_entropy(logits, rows, reduction="sum")


def _count(rows: Float[Tensor, "local dim"]) -> Float[Tensor, ""]:
    return torch.tensor(float(len(rows)), device=rows.device)
