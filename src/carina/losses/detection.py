"""What an anchor-free detector minimises (Tian et al., ICCV 2019: FCOS)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed


def focal_loss(
    logits: Float[Tensor, "batch findings places"],
    targets: Float[Tensor, "batch findings places"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """Cross entropy in which what is already right counts little: the sum over all entries.

    Source: Lin et al., ICCV 2017, Eq. 5.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = logits.sigmoid()
    wrong = probability * (1 - targets) + (1 - probability) * targets
    balance = alpha * targets + (1 - alpha) * (1 - targets)
    total: Tensor = (balance * wrong**gamma * entropy).sum()
    return total


def giou_loss(predicted: Float[Tensor, "boxes 4"], truth: Float[Tensor, "boxes 4"]) -> Summed:
    """One minus the generalised IoU of boxes (x1, y1, x2, y2).

    Source: Rezatofighi et al., CVPR 2019.

    Returns:
        The sum over boxes and their number.
    """
    low = torch.maximum(predicted[:, :2], truth[:, :2])
    high = torch.minimum(predicted[:, 2:], truth[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    union = area(predicted) + area(truth) - both
    hull_low = torch.minimum(predicted[:, :2], truth[:, :2])
    hull_high = torch.maximum(predicted[:, 2:], truth[:, 2:])
    hull = (hull_high - hull_low).clamp(min=0).prod(1)
    giou = both / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return (1 - giou).sum(), torch.tensor(float(len(truth)), device=truth.device)


def area(boxes: Float[Tensor, "boxes 4"]) -> Float[Tensor, "boxes"]:
    """Of boxes (x1, y1, x2, y2); 0 where a corner is on the wrong side."""
    sides: Tensor = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    return sides
