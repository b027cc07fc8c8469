"""AdamW and which parameters it decays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DecayMatrices:
    """Decays tensors of two or more dimensions: weights, not biases, norms or temperatures."""

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether weight decay applies."""
        return parameter.ndim >= 2


@dataclass(frozen=True, kw_only=True)
class DecayAllButVectors:
    """Spares vectors and biases alone: KAD as published, which decays the scalar temperature."""

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether weight decay applies."""
        return parameter.ndim != 1 and not name.endswith(".bias")


DecayRule = DecayMatrices | DecayAllButVectors


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Settings of AdamW (Loshchilov and Hutter, ICLR 2019). `rate` is the peak learning rate."""

    rate: float = 1e-4
    weight_decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    decay: DecayRule = DecayMatrices()

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if not self.rate > 0:
            raise ConfigError(f"rate must be > 0, got {self.rate}.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay must be >= 0, got {self.weight_decay}.")

    def build(self, module: nn.Module) -> torch.optim.AdamW:
        """An optimiser of all parameters of `module` that are to be trained."""
        groups = parameter_groups(module, self.weight_decay, self.decay)
        return torch.optim.AdamW(groups, lr=self.rate, betas=self.betas, eps=self.epsilon)


def parameter_groups(
    module: nn.Module, weight_decay: float, rule: DecayRule
) -> Sequence[dict[str, Any]]:
    """Two groups, without and with decay, in this order; frozen parameters are in neither."""
    trained = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
    spared = [value for name, value in trained if not rule.decays(name, value)]
    decayed = [value for name, value in trained if rule.decays(name, value)]
    return [
        {"params": spared, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": weight_decay},
    ]
