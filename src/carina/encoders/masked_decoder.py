"""The decoder of a masked autoencoder: guesses removed patches, at the input's resolution or more.

Source: He et al., CVPR 2022 (arXiv:2111.06377); MaCo (Huang et al., Nat Commun 2024) has it
guess the patches of a picture of twice the resolution.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.encoders.masked_vit import MaskedViTConfig, check_table_width, draw_xavier
from carina.encoders.positions import position_table
from carina.encoders.vit import Block, ViTConfig
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MaskedDecoderConfig:
    """Settings of the decoder. Defaults are MaCo's.

    `resolution` is how many pixels of the target there are to one of the input, down and across.
    """

    dim: int = 768
    layers: int = 4
    heads: int = 6
    hidden: int = 3072
    resolution: int = 2

    def __post_init__(self) -> None:
        """Checks that the layers can be built."""
        if min(self.dim, self.layers, self.heads, self.hidden, self.resolution) < 1:
            raise ConfigError(f"Every size of a decoder must be at least 1, got {self}.")
        if self.dim % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide dim ({self.dim}).")
        check_table_width(self.dim)


class MaskedDecoder(nn.Module):
    """Appends a learnt token for each removed patch, and says what all patches look like."""

    def __init__(self, config: MaskedDecoderConfig, encoder: MaskedViTConfig) -> None:
        super().__init__()
        self.config = config
        vit = encoder.vit
        self.embed = nn.Linear(vit.dim, config.dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, config.dim))
        table = position_table(encoder.positions, config.dim, encoder.side)
        self.register_buffer("pos_embed", table)
        sizes = ViTConfig(
            size=vit.size,
            patch=vit.patch,
            dim=config.dim,
            heads=config.heads,
            hidden=config.hidden,
            dropout=0.0,
        )
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        pixels = (config.resolution * vit.patch) ** 2 * vit.channels
        self.pred = nn.Linear(config.dim, pixels)
        nn.init.normal_(self.mask_token, std=0.02)
        draw_xavier(self.modules())

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        restore: Int[Tensor, "batch patches"],
    ) -> Float[Tensor, "batch patches pixels"]:
        """Guesses the pixels of every patch.

        Args:
            tokens: of the encoder: the class token, then those of the kept patches.
            restore: of `PatchMasks`.

        Returns:
            Pixels of each patch, by row, column and channel; those of kept patches mean nothing.
        """
        given: Tensor = self.embed(tokens)
        batch, seen, dim = given.shape
        missing = self.mask_token.expand(batch, restore.shape[1] + 1 - seen, -1)
        patches = torch.cat([given[:, 1:], missing], dim=1)
        patches = patches.gather(1, restore[..., None].expand(-1, -1, dim))
        states = torch.cat([given[:, :1], patches], dim=1) + self.get_buffer("pos_embed")
        for block in self.blocks:
            states = block(states)
        guessed: Tensor = self.pred(self.norm(states[:, 1:]))
        return guessed
