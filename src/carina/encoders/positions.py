"""Fixed sine-cosine tables that tell a transformer where a patch lies; each kind is a class."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

BASE = 10_000.0


@dataclass(frozen=True, kw_only=True)
class MAEPositions:
    """The table of masked autoencoders: frequency k of a half of width d is 10000^(-k / (d/2)).

    Source: He et al., CVPR 2022 (arXiv:2111.06377), after Vaswani et al., 2017, section 3.5.
    """

    def exponents(self, half: int) -> Float[Tensor, " frequencies"]:
        """What 10000 is raised to, negated, for the frequencies of one axis."""
        return torch.arange(half // 2, dtype=torch.float64) / (half / 2)


@dataclass(frozen=True, kw_only=True)
class OfficialPositions:
    """The table of MaCo's published code: its frequency k is 10000^(-k / (2 d)).

    All waves are long: the highest turns once in six patches, the lowest in sixty.
    """

    def exponents(self, half: int) -> Float[Tensor, " frequencies"]:
        """What 10000 is raised to, negated, for the frequencies of one axis."""
        return torch.arange(half // 2, dtype=torch.float64) / (2 * half)


Positions = MAEPositions | OfficialPositions


def position_table(positions: Positions, dim: int, side: int) -> Float[Tensor, "1 tokens dim"]:
    """The table of a square grid of patches behind a class token, whose row is 0.

    Args:
        positions: the frequencies.
        dim: length of a token, a multiple of 4: the first half tells the column, the second the
            row, each by sines, then cosines.
        side: patches down and across.

    Returns:
        1 + side * side rows, patches row after row, computed in float64, kept in float32.
    """
    frequencies = BASE ** -positions.exponents(dim // 2)
    place = torch.arange(side, dtype=torch.float64)[:, None] * frequencies
    waves = torch.cat([place.sin(), place.cos()], dim=1)
    columns = waves.repeat(side, 1)
    rows = waves.repeat_interleave(side, dim=0)
    table = torch.cat([columns, rows], dim=1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), table])[None].float()
