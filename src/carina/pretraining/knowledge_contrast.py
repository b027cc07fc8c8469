"""How KAD's first stage tells texts about one concept from others: each choice is a class."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from carina.errors import ConfigError
from carina.knowledge.graph import ConceptGraph
from carina.knowledge.kinship import Kinship
from carina.knowledge.pairs import TextPair
from carina.losses.knowledge import official_knowledge_loss, official_targets, paper_knowledge_loss
from carina.training.objective import Term

LARGEST_SCALE = 100.0

Likeness = Float[Tensor, "all all"]
LikenessRule = Callable[[Sequence[TextPair]], NDArray[np.float32]]


def same_concept(pairs: Sequence[TextPair]) -> NDArray[np.float32]:
    """1 where two pairs match, and for each pair with itself."""
    match = np.array([pair.match for pair in pairs])
    same = (match[:, None] == match[None, :]) & (match[:, None] != "")
    alike: NDArray[np.float32] = (same | np.eye(len(pairs), dtype=bool)).astype(np.float32)
    return alike


class _PaperLoss(nn.Module):
    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        texts = torch.cat([first, second])
        total, count = paper_knowledge_loss(texts, likeness.repeat(2, 2) > 0.5, self.temperature)
        return Term(sum=total, count=count)


class _OfficialLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        with torch.no_grad():  # before a step what the published code does after the one before
            self.logit_scale.clamp_(0.0, math.log(LARGEST_SCALE))
        targets = official_targets(likeness > 0.5)
        total, count = official_knowledge_loss(first, second, targets, self.logit_scale.exp())
        return Term(sum=total, count=count)


class _KinshipLoss(nn.Module):
    def __init__(self, temperature: float, sharing: float) -> None:
        super().__init__()
        self.temperature, self.sharing = temperature, sharing

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        weights = torch.where(likeness > 1 - 1e-6, 1.0, self.sharing * likeness)
        targets = weights / weights.sum(1, keepdim=True)
        scale = torch.tensor(1 / self.temperature, device=first.device)
        total, count = official_knowledge_loss(first, second, targets, scale)
        return Term(sum=total, count=count)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ConfigError(
            f"temperature must be > 0, got {temperature}: it divides the similarities."
        )


@dataclass(frozen=True, kw_only=True)
class PaperContrast:
    """Every text of a batch against all others; those of its concept are averaged.

    Source: Zhang et al., Nat Commun 2023, Eq. 2. The paper gives no temperature; 0.07 is where
    the published code begins.
    """

    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Checks the temperature."""
        _check_temperature(self.temperature)

    def loss(self) -> nn.Module:
        """The loss as a module."""
        return _PaperLoss(self.temperature)

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """Which pairs of a batch are about the same."""
        return same_concept


@dataclass(frozen=True, kw_only=True)
class OfficialContrast:
    """First texts against second texts, with a learned scale in [1, 100]: KAD as published."""

    def loss(self) -> nn.Module:
        """The loss as a module; it holds the scale."""
        return _OfficialLoss()

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """Which pairs of a batch are about the same."""
        return same_concept


@dataclass(frozen=True, kw_only=True)
class KinshipContrast:
    """Our own: concepts that share attributes are not pushed apart as far as others.

    In plain contrast every other concept of the batch is as wrong as any, so a finding without
    examples ends up near nothing that was seen. Here the target of a text is a distribution: 1
    for its own concept and `sharing` x likeness for others, divided by their sum.
    """

    temperature: float = 0.2
    sharing: float = 0.5

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        _check_temperature(self.temperature)
        if not 0 <= self.sharing <= 1:
            raise ConfigError(
                f"sharing must be in [0, 1], got {self.sharing}: it is the weight of a concept "
                "that is alike beside the right one."
            )

    def loss(self) -> nn.Module:
        """The loss as a module."""
        return _KinshipLoss(self.temperature, self.sharing)

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """How much the concepts of a batch have in common."""
        kinship = Kinship(graph)

        def rule(pairs: Sequence[TextPair]) -> NDArray[np.float32]:
            return kinship.matrix([pair.concept for pair in pairs])

        return rule


Contrast = PaperContrast | OfficialContrast | KinshipContrast
