"""Contrast between two descriptions of the same concept (stage 1 of KAD)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from carina.losses.contrast import Summed


def official_targets(
    same: Bool[Tensor, "concepts concepts"],
) -> Float[Tensor, "concepts concepts"]:
    """How much each pair counts in KAD's published code.

    Args:
        same: whether row and column describe the same concept; the diagonal always counts.

    Returns:
        The matches, each column divided by its 2-norm: a concept that occurs n times has
        weights 1 / sqrt(n), so a row sums to sqrt(n) and not to 1.
    """
    diagonal = torch.eye(len(same), dtype=torch.bool, device=same.device)
    return F.normalize((same | diagonal).float(), dim=0)


def official_knowledge_loss(
    first: Float[Tensor, "concepts dim"],
    second: Float[Tensor, "concepts dim"],
    targets: Float[Tensor, "concepts concepts"],
    scale: Float[Tensor, ""],
) -> Summed:
    """Cross entropy against soft targets, the mean of both directions.

    Source: KAD's published code, knowledge encoder.

    Args:
        first: embeddings of one description of each concept, of any length.
        second: embeddings of another description of the same concepts.
        targets: of `official_targets`.
        scale: multiplies the cosines; the exponential of the learned temperature.

    Returns:
        The sum over concepts, in nats, and their number.
    """
    cosines = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    forwards = -(targets * F.log_softmax(scale * cosines, dim=1)).sum()
    backwards = -(targets * F.log_softmax(scale * cosines.T, dim=1)).sum()
    return (forwards + backwards) / 2, torch.tensor(float(len(first)), device=first.device)


def paper_knowledge_loss(
    embeddings: Float[Tensor, "texts dim"],
    same: Bool[Tensor, "texts texts"],
    temperature: float,
) -> Summed:
    """Supervised contrast among all texts of a batch, each against all others.

    Source: Zhang et al., Nat Commun 2023, Eq. 2: for each text the positives, the other texts
    of its concept, are averaged; the text itself is neither positive nor negative.

    Args:
        embeddings: of any length.
        same: whether two texts describe the same concept.
        temperature: tau, > 0; divides the cosines.

    Returns:
        The sum over texts that have a positive, in nats, and their number.
    """
    normal = F.normalize(embeddings, dim=1)
    itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
    logits = (normal @ normal.T / temperature).masked_fill(itself, -torch.inf)
    positives = same & ~itself
    logarithms = F.log_softmax(logits, dim=1).masked_fill(~positives, 0.0)
    counts = positives.sum(1)
    losses = -logarithms.sum(1) / counts.clamp(min=1)
    return losses.sum(), (counts > 0).sum().float()
