"""Weights and images made by a formula, for which official implementations' outputs are recorded.

Each is a pure function of a name: a normal sample from a generator that is seeded with the name's
CRC-32. So no weights have to be kept beside the outputs.
"""

import math
import zlib

import torch
from torch import Tensor


def sample(name: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers that belong to a name."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator)


def weight(name: str, shape: tuple[int, ...], kind: str, prefix: str = "") -> Tensor:
    """The tensor of one key: fan-in scaled, near one for norms, fresh statistics."""
    if kind == "bn_mean":
        return torch.zeros(shape)
    if kind == "bn_var":
        return torch.ones(shape)
    if kind == "bn_count":
        return torch.zeros(shape, dtype=torch.long)
    scale = math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.02
    return sample(prefix + name, shape) * scale + (1.0 if kind == "norm_weight" else 0.0)


def images(name: str, batch: int, size: int, prefix: str = "") -> Tensor:
    """Pictures of a level of their own, coarse squares and noise."""
    level = torch.linspace(-1.5, 1.5, batch).reshape(batch, 1, 1, 1)
    coarse = sample(f"{prefix}input:{name}.coarse", (batch, 1, 14, 14))
    squares = coarse.repeat_interleave(size // 14, 2).repeat_interleave(size // 14, 3)
    return level + squares + 0.5 * sample(f"{prefix}input:{name}.noise", (batch, 3, size, size))
