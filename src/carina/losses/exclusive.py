"""Cross entropy of classes of which exactly one is true."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.losses.contrast import Summed


def exclusive_loss(
    logits: Float[Tensor, "batch classes"],
    labels: Float[Tensor, "batch classes"],
    weights: Float[Tensor, "classes"],
) -> Summed:
    """Cross entropy under a softmax, each image weighted by its class.

    Args:
        logits: before the softmax.
        labels: 1 for the true class, 0 for the others.
        weights: of each class, > 0.

    Returns:
        The weighted sum over images, in nats, and the sum of their weights.
    """
    true = labels.argmax(1)
    entropy = F.cross_entropy(logits, true, reduction="none")
    shares = weights[true]
    total: Tensor = (entropy * shares).sum()
    return total, shares.sum()
