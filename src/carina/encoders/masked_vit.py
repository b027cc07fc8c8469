"""A vision transformer that sees some of the patches: the encoder of a masked autoencoder."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.patch_embedding import ConvolvedPatches, LinearPatches
from carina.encoders.positions import MAEPositions, OfficialPositions, position_table
from carina.encoders.vit import Block, PatchEmbedding, ViTConfig
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MaskedViTConfig:
    """Settings of a masked vision transformer. Defaults are ViT-B/16 at 224 px.

    `positions` is the kind of the fixed table; a checkpoint's own table is kept as it is.
    `embedding` is how patches become tokens.
    """

    vit: ViTConfig = field(default_factory=lambda: ViTConfig(dropout=0.0))
    positions: MAEPositions | OfficialPositions = MAEPositions()
    embedding: LinearPatches | ConvolvedPatches = LinearPatches()

    def __post_init__(self) -> None:
        """Checks that the table can be made and that the output is normalised."""
        check_table_width(self.vit.dim)
        self.embedding.check(self.vit)
        if not self.vit.final_norm:
            raise ConfigError("A masked ViT ends with its norm; leave final_norm true.")

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self.vit.dim

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return self.vit.channels

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of the one map of `MaskedViT.pyramid`."""
        return self.vit.levels

    def build(self) -> "MaskedViT":
        """An encoder with fresh weights."""
        return MaskedViT(self)

    @property
    def side(self) -> int:
        """Patches down and across."""
        return self.vit.size // self.vit.patch

    @property
    def patches(self) -> int:
        """Patches of a picture."""
        return self.side**2


def check_table_width(dim: int) -> None:
    """Refuses a width that no sine-cosine table has.

    Raises:
        ConfigError: it is no multiple of 4.
    """
    if dim % 4:
        raise ConfigError(
            f"dim must be a multiple of 4, got {dim}: sines and cosines of rows and columns "
            "share it."
        )


class MaskedViT(nn.Module):
    """Turns the patches of a radiograph that were not removed into tokens.

    Removed patches are dropped before the first block, so that masking half of them halves the
    work. Source: He et al., CVPR 2022 (arXiv:2111.06377), with timm's parameter names; the
    positions are a fixed table, kept with the weights.
    """

    def __init__(self, config: MaskedViTConfig) -> None:
        super().__init__()
        self.config = config
        vit = config.vit
        self.patch_embed = config.embedding.build(vit)
        self.cls_token = nn.Parameter(torch.empty(1, 1, vit.dim))
        self.register_buffer("pos_embed", position_table(config.positions, vit.dim, config.side))
        self.blocks = nn.ModuleList(Block(vit) for _ in range(vit.layers))
        self.norm = nn.LayerNorm(vit.dim, eps=1e-6)
        nn.init.normal_(self.cls_token, std=0.02)
        draw_xavier([*self.blocks.modules()])
        if isinstance(self.patch_embed, PatchEmbedding):
            weight = self.patch_embed.proj.weight
            nn.init.xavier_uniform_(weight.view(len(weight), -1))

    def forward(
        self,
        radiographs: Float[Tensor, "batch channels height width"],
        kept: Int[Tensor, "batch kept"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Encodes standardised radiographs.

        Args:
            radiographs: of the side that the config names.
            kept: the patches of each that are seen, counted row after row; None is all.

        Returns:
            The class token, then one token a patch that was seen, in the order of `kept`.

        Raises:
            ConfigError: the pictures have another size.
        """
        tokens = self._embed(radiographs, kept)
        for block in self.blocks:
            tokens = block(tokens)
        encoded: Tensor = self.norm(tokens)
        return encoded

    def features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """The grid of all patches, and the class token."""
        return self._features(self(radiographs))

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The grid as one map: a ViT has one resolution."""
        return [self.features(radiographs).grid.permute(0, 3, 1, 2)]

    def _embed(
        self,
        radiographs: Float[Tensor, "batch channels height width"],
        kept: Int[Tensor, "batch kept"] | None,
    ) -> Float[Tensor, "batch tokens dim"]:
        size = self.config.vit.size
        if radiographs.shape[2:] != (size, size):
            height, width = radiographs.shape[2:]
            raise ConfigError(
                f"The ViT takes pictures of {size} x {size} pixels, got {height} x {width}. "
                "Prepare them with the model's preprocessing, which resizes."
            )
        positions = self.get_buffer("pos_embed")
        tokens: Tensor = self.patch_embed(radiographs) + positions[:, 1:]
        if kept is not None:
            tokens = tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))
        start = (self.cls_token + positions[:, :1]).expand(len(tokens), -1, -1)
        return torch.cat([start, tokens], dim=1)

    def _features(self, tokens: Float[Tensor, "batch tokens dim"]) -> ImageFeatures:
        side = self.config.side
        return ImageFeatures(grid=tokens[:, 1:].unflatten(1, (side, side)), pooled=tokens[:, 0])


def draw_xavier(modules: Iterable[nn.Module]) -> None:
    """Draws linear weights as MAE does: uniform after Glorot and Bengio, biases 0."""
    for module in modules:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
