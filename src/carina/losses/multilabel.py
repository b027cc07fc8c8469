"""Cross entropy of many findings at once, each label known or not."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed


def multilabel_loss(
    logits: Float[Tensor, "batch findings"],
    labels: Float[Tensor, "batch findings"],
    present_weights: Float[Tensor, "findings"],
) -> Summed:
    """Binary cross entropy over the known labels.

    Args:
        logits: before the sigmoid.
        labels: 1, 0, or nan where unknown: such an entry has no loss and does not count.
        present_weights: multiplies the loss of the present labels of each finding, >= 0.

    Returns:
        The sum over known labels, in nats, and their number.
    """
    known = labels.isfinite()
    target = labels.nan_to_num()
    entropy = F.binary_cross_entropy_with_logits(
        logits, target, pos_weight=present_weights, reduction="none"
    )
    total = torch.where(known, entropy, 0.0).sum()
    return total, known.sum().float()
