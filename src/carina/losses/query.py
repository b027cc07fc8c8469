"""Whether each queried finding is there."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

IGNORED = -1
"""The label of a finding that no loss is taken for."""


def existence_loss(
    logits: Float[Tensor, "batch queries 2"],
    labels: Int[Tensor, "batch queries"],
    positive_weight: Float[Tensor, "queries"] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross entropy of two classes, absent and present.

    Source: KAD's published code. It is the binary cross entropy of the paper (Zhang et al.,
    Nat Commun 2023, "Training") of the difference of the two logits.

    Args:
        logits: entry 0 speaks for absent, entry 1 for present.
        labels: 0 absent, 1 present, `IGNORED`.
        positive_weight: multiplies the loss of the present ones, finding by finding; None is 1.

    Returns:
        The sum over the labels that are not ignored, in nats, and their number.
    """
    # In half precision a sum over hundreds of answers, and their number, would be rounded.
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(
        wide.flatten(0, 1),
        labels.flatten().long(),
        ignore_index=IGNORED,
        reduction="none",
    ).view_as(labels)
    if positive_weight is not None:
        losses = torch.where(labels == 1, losses * positive_weight, losses)
    return losses.sum(), (labels != IGNORED).sum().to(losses.dtype)
