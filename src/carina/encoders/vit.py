"""A vision transformer with timm's parameter names."""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Settings of a vision transformer. Defaults are ViT-B/16 at 224 px.

    `size` is the side of the input, `patch` that of a patch, in pixels. With `final_norm` the
    last LayerNorm is applied; KAD's published code leaves it out.
    """

    size: int = 224
    patch: int = 16
    dim: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    channels: int = 3
    dropout: float = 0.1
    final_norm: bool = True

    def __post_init__(self) -> None:
        """Checks that the patches fill the input and the heads the features."""
        if min(self.patch, self.dim, self.layers, self.heads, self.hidden, self.channels) < 1:
            raise ConfigError(f"Every size of a ViT must be at least 1, got {self}.")
        if self.size < self.patch or self.size % self.patch:
            raise ConfigError(
                f"size must be a multiple of patch ({self.patch} pixels), got {self.size}."
            )
        if self.dim % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide dim ({self.dim}).")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}.")

    @property
    def stride(self) -> int:
        """Pixels of the input per feature, down and across."""
        return self.patch

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of the one map of `ViTEncoder.pyramid`."""
        return ((self.dim, self.patch),)

    def build(self) -> "ViTEncoder":
        """An encoder with fresh weights."""
        return ViTEncoder(self)


class SelfAttention(nn.Module):
    """Multi-head self-attention with one matrix for queries, keys and values."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attends with the fused kernel, which keeps no weights."""
        query, key, value = self._heads(tokens)
        mixed: Tensor = F.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return joined

    def _heads(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> tuple[Float[Tensor, "batch heads tokens width"], ...]:
        parts = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        return tuple(parts.permute(2, 0, 3, 1, 4).unbind(0))


class Perceptron(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Each token on its own."""
        changed: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return changed


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, eps=1e-6)
        self.attn = SelfAttention(config.dim, config.heads)
        self.norm2 = nn.LayerNorm(config.dim, eps=1e-6)
        self.mlp = Perceptron(config.dim, config.hidden)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attention, then the perceptron, each added to what came in."""
        tokens = tokens + self.dropout(self.attn(self.norm1(tokens)))
        changed: Tensor = tokens + self.dropout(self.mlp(self.norm2(tokens)))
        return changed


class PatchEmbedding(nn.Module):
    """Cuts the input into patches and projects each."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.channels, config.dim, config.patch, config.patch)

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch patches dim"]:
        """One embedding a patch, row after row."""
        patches: Tensor = self.proj(radiographs)
        return patches.flatten(2).transpose(1, 2)


class ViTEncoder(nn.Module):
    """Turns radiographs into a grid of patch features and a class token.

    Source: Dosovitskiy et al., ICLR 2021, ViT-B/16 (arXiv:2010.11929, Table 1), with timm's
    parameter names (patch_embed.proj, cls_token, pos_embed, blocks.0.attn.qkv ...).
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        side = config.size // config.patch
        self.patch_embed = PatchEmbedding(config)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side * side, config.dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim, eps=1e-6) if config.final_norm else nn.Identity()
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, radiographs: Float[Tensor, "batch channels size size"]) -> ImageFeatures:
        """Encodes standardised radiographs; `pooled` is the class token."""
        tokens = self._embed(radiographs)
        for block in self.blocks:
            tokens = block(tokens)
        return self._features(tokens)

    def features(self, radiographs: Float[Tensor, "batch channels size size"]) -> ImageFeatures:
        """What `forward` gives: every image encoder can be asked for it by this name."""
        features: ImageFeatures = self(radiographs)
        return features

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The grid as one map: a ViT has one resolution."""
        return [self(radiographs).grid.permute(0, 3, 1, 2)]

    @property
    def _stack(self) -> list[Block]:
        return [cast(Block, block) for block in self.blocks]

    def _embed(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> Float[Tensor, "batch tokens dim"]:
        patches = self.patch_embed(radiographs)
        start = self.cls_token.expand(len(patches), -1, -1)
        return torch.cat([start, patches], dim=1) + self.pos_embed

    def _features(self, tokens: Float[Tensor, "batch tokens dim"]) -> ImageFeatures:
        tokens = self.norm(tokens)
        side = self.config.size // self.config.patch
        return ImageFeatures(grid=tokens[:, 1:].unflatten(1, (side, side)), pooled=tokens[:, 0])
