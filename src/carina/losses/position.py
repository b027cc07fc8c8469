"""Where a finding is, told by contrast with other positions."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from carina.losses.contrast import Summed

NO_CHOICE = -1
"""Fills a row of choices where there are no more positions to be wrong about."""


def position_contrast(
    predicted: Float[Tensor, "asked dim"],
    positions: Float[Tensor, "places dim"],
    choices: Int[Tensor, "asked choices"],
) -> Summed:
    """Cross entropy over inner products with the right position and some wrong ones.

    Source: Wu et al., ICCV 2023 (MedKLIP), section 3.3, the position loss: inner products of
    vectors of any length, without a temperature.

    Args:
        predicted: where each finding is thought to be.
        positions: the embeddings of all positions.
        choices: rows of `positions`: first the right one, then the wrong ones, then `NO_CHOICE`.

    Returns:
        The sum over findings, in nats, and their number; of no findings 0 and 0.
    """
    logits = (predicted @ positions.T).gather(1, choices.clamp(min=0))
    logits = logits.masked_fill(choices == NO_CHOICE, -torch.inf)
    right = torch.zeros(len(choices), dtype=torch.long, device=choices.device)
    total = F.cross_entropy(logits, right, reduction="sum")
    return total, torch.tensor(float(len(choices)), device=choices.device)
