"""Cross entropy and Dice of masks, each structure known or not."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from carina.losses.contrast import Summed


def mask_entropy(
    logits: Float[Tensor, "batch structures rows cols"],
    masks: Float[Tensor, "batch structures rows cols"],
    known: Bool[Tensor, "batch structures"],
) -> Summed:
    """Binary cross entropy, the mean over the pixels of each known mask.

    Returns:
        The sum over known masks, in nats, and their number.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean((2, 3))
    return torch.where(known, entropy, 0.0).sum(), known.sum().float()


def soft_dice(
    logits: Float[Tensor, "batch structures rows cols"],
    masks: Float[Tensor, "batch structures rows cols"],
    known: Bool[Tensor, "batch structures"],
) -> Summed:
    """One minus the Dice coefficient of probabilities, with 1 added above and below.

    1 - (2 sum pt + 1) / (sum p + sum t + 1) for each mask by itself, so a small one counts as
    much as a large one, and an empty one that nothing is predicted for costs nothing. Source:
    Milletari et al., 3DV 2016; MedKLIP's fine-tuning code sums over the whole batch instead.

    Returns:
        The sum over known masks, and their number.
    """
    probability = logits.sigmoid()
    both = (probability * masks).sum((2, 3))
    either = probability.sum((2, 3)) + masks.sum((2, 3))
    loss = 1 - (2 * both + 1) / (either + 1)
    return torch.where(known, loss, 0.0).sum(), known.sum().float()
