"""Grades as a row of questions: is it at least 1, at least 2, ..."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed


def cumulative_loss(
    logits: Float[Tensor, "batch findings steps"], grades: Float[Tensor, "batch findings"]
) -> Summed:
    """Binary cross entropy of "at least grade k" for k = 1 ... steps.

    Source: Cao, Mirjalili and Raschka, Pattern Recognition Letters 2020 (CORAL), Eq. 4.

    Args:
        logits: of "at least 1", "at least 2", ...
        grades: 0 to steps, or nan where unknown: such an entry has no loss.

    Returns:
        The sum over known grades of the mean over their questions, in nats, and their number.
    """
    known = grades.isfinite()
    steps = torch.arange(1, logits.shape[2] + 1, device=logits.device)
    target = (grades.nan_to_num()[..., None] >= steps).float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(2)
    return torch.where(known, entropy, 0.0).sum(), known.sum().float()


def absolute_loss(
    predicted: Float[Tensor, "batch findings"], scores: Float[Tensor, "batch findings"]
) -> Summed:
    """Smooth absolute error (quadratic below 1), for scores in units of their own deviation.

    Returns:
        The sum over known scores and their number.
    """
    known = scores.isfinite()
    error = F.smooth_l1_loss(predicted, scores.nan_to_num(), reduction="none")
    return torch.where(known, error, 0.0).sum(), known.sum().float()
