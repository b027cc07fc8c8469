"""AdamW and which parameters it decays."""

import re
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
class EqualRates:
    """Every parameter learns at the same rate."""

    def share(self, name: str, depth: int) -> float:
        """1, for all."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class LayerwiseDecay:
    """Layers nearer to the picture learn more slowly: `factor` for each layer of depth.

    The head learns at the full rate. Source: Clark et al., ICLR 2020 (ELECTRA), Appendix A; MaCo
    and ECAMP fine-tune with 0.65 to 0.75.
    """

    factor: float = 0.75

    def __post_init__(self) -> None:
        """Checks the factor."""
        if not 0 < self.factor <= 1:
            raise ConfigError(f"factor must be in (0, 1], got {self.factor}.")

    def share(self, name: str, depth: int) -> float:
        """The share of the rate: `depth` is the number of layers of the whole encoder."""
        return float(self.factor ** (depth + 1 - layer_of(name, depth)))


ENCODER = "image_encoder."
LAYER = re.compile(r"(?:^|\.)(?:blocks\.|layer)(\d+)\.")
STEM = re.compile(r"(?:^|\.)(?:patch_embed|cls_token|pos_embed|conv1|bn1)(?:\.|$)")


def layer_of(name: str, depth: int) -> int:
    """How far from the picture a parameter is: 0 the stem, 1 to depth the layers, then the head.

    Names are timm's and torchvision's: blocks.0 and layer1 are the first layers. Only those of an
    image encoder count: a head may have a conv1 of its own.
    """
    if ENCODER not in name:
        return depth + 1
    found = LAYER.search(name)
    if found:
        return int(found[1]) + (1 if "blocks." in found[0] else 0)
    return 0 if STEM.search(name) else depth + 1


def depth_of(module: nn.Module) -> int:
    """The layers of a module's image encoder; 0 where no parameter is named like one."""
    layers = (layer_of(name, 0) for name, _ in module.named_parameters() if LAYER.search(name))
    return max(layers, default=0)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Settings of AdamW (Loshchilov and Hutter, ICLR 2019). `rate` is the peak learning rate."""

    rate: float = 1e-4
    weight_decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    decay: DecayRule = DecayMatrices()
    layers: EqualRates | LayerwiseDecay = EqualRates()

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if not self.rate > 0:
            raise ConfigError(f"rate must be > 0, got {self.rate}.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay must be >= 0, got {self.weight_decay}.")

    def build(self, module: nn.Module) -> torch.optim.AdamW:
        """An optimiser of all parameters of `module` that are to be trained."""
        groups = parameter_groups(module, self.weight_decay, self.decay, self.layers)
        return torch.optim.AdamW(groups, lr=self.rate, betas=self.betas, eps=self.epsilon)


def parameter_groups(
    module: nn.Module,
    weight_decay: float,
    rule: DecayRule,
    layers: EqualRates | LayerwiseDecay | None = None,
) -> Sequence[dict[str, Any]]:
    """For every share of the rate two groups, without and with decay, in this order.

    Frozen parameters are in none. `rate_share` of a group multiplies the rate of its step.
    """
    layers = layers or EqualRates()
    depth = depth_of(module)
    shares: dict[float, tuple[list[nn.Parameter], list[nn.Parameter]]] = {}
    for name, value in module.named_parameters():
        if value.requires_grad:
            pair = shares.setdefault(layers.share(name, depth), ([], []))
            pair[1 if rule.decays(name, value) else 0].append(value)
    return [
        {"params": parameters, "weight_decay": decay, "rate_share": share}
        for share, pair in shares.items()
        for parameters, decay in zip(pair, (0.0, weight_decay), strict=True)
    ]
