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


def focal_entropy(
    logits: Float[Tensor, "batch structures rows cols"],
    masks: Float[Tensor, "batch structures rows cols"],
    known: Bool[Tensor, "batch structures"],
    gamma: float = 2.0,
) -> Summed:
    """Cross entropy in which pixels that are right already count little.

    Every pixel is weighed by sigmoid(-(2 t - 1) z) ** gamma, which for a soft truth t is not
    quite the probability of being wrong: as in ECAMP's segmentation code, without Lin et al.'s
    alpha (ICCV 2017, Eq. 4).

    Returns:
        The sum over known masks of the mean over their pixels, in nats, and their number.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    wrong = (gamma * F.logsigmoid(-(2 * masks - 1) * logits)).exp()
    focal = (wrong * entropy).mean((2, 3))
    return torch.where(known, focal, 0.0).sum(), known.sum().float()


def log_dice(
    logits: Float[Tensor, "batch structures rows cols"],
    masks: Float[Tensor, "batch structures rows cols"],
    known: Bool[Tensor, "batch structures"],
) -> Summed:
    """Minus the logarithm of the Dice coefficient of all known masks of the batch together.

    -log((2 sum pt + 1) / (sum p + sum t + 1)): ECAMP's segmentation code.

    Returns:
        The loss and 1.
    """
    probability = torch.where(known[..., None, None], logits.sigmoid(), 0.0)
    truth = torch.where(known[..., None, None], masks, 0.0)
    both, either = (probability * truth).sum(), (probability + truth).sum()
    return -torch.log((2 * both + 1) / (either + 1)), torch.ones((), device=logits.device)
