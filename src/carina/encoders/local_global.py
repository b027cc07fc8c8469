"""Image encoders whose places and whose summary are projected apart: GLoRIA's."""

from dataclasses import dataclass, field

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.resnet import ResNetConfig, ResNetStages
from carina.encoders.vit import ViTConfig, ViTEncoder
from carina.errors import ConfigError

RESNET_50 = ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512))


@dataclass(frozen=True, kw_only=True)
class LocalGlobalResNetConfig:
    """A residual network whose last stage but one gives places, and its last one the summary.

    Defaults are GLoRIA's: ResNet-50, every input first enlarged to 299 pixels (`enlarged` None
    leaves it as it is). With `resnet.output_norm` a batch norm follows each projection.
    """

    resnet: ResNetConfig = field(default_factory=lambda: RESNET_50)
    enlarged: int | None = 299

    def __post_init__(self) -> None:
        """Checks that there are two stages to take."""
        if len(self.resnet.depths) < 2:
            raise ConfigError(
                "A network with local and global features needs at least 2 stages, got depths "
                f"{self.resnet.depths}."
            )
        if self.enlarged is not None and self.enlarged < 32:
            raise ConfigError(f"enlarged must be at least 32 pixels or none, got {self.enlarged}.")

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return self.resnet.dim

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return self.resnet.channels

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of every map of `pyramid`."""
        return self.resnet.levels

    def build(self) -> "LocalGlobalResNet":
        """An encoder with fresh weights."""
        return LocalGlobalResNet(self)


class LocalGlobalResNet(nn.Module):
    """Turns radiographs into a grid of places and a summary, each with a projection of its own.

    Source: GLoRIA's published code (Huang et al., ICCV 2021).
    """

    def __init__(self, config: LocalGlobalResNetConfig) -> None:
        super().__init__()
        self.config = config
        resnet = config.resnet
        self.stages = ResNetStages(resnet)
        local, last = (resnet.block.outputs(width) for width in resnet.widths[-2:])
        self.local_embedder = nn.Conv2d(local, resnet.dim, 1, bias=False)
        self.global_embedder = nn.Linear(last, resnet.dim)
        norms = resnet.output_norm
        self.local_norm = nn.BatchNorm2d(resnet.dim) if norms else nn.Identity()
        self.global_norm = nn.BatchNorm1d(resnet.dim) if norms else nn.Identity()
        self.stages.draw_convolutions()

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The map of the stem and of every stage, the finest first; nothing is enlarged."""
        return self.stages.pyramid(radiographs)

    def features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """What `forward` gives: every image encoder can be asked for it by this name."""
        features: ImageFeatures = self(radiographs)
        return features

    def forward(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        """Encodes standardised radiographs."""
        maps = self.stages.pyramid(enlarged(radiographs, self.config.enlarged))
        places = self.local_norm(self.local_embedder(maps[-2]))
        summary = self.global_norm(self.global_embedder(maps[-1].mean((2, 3))))
        return ImageFeatures(grid=places.permute(0, 2, 3, 1), pooled=summary)


@dataclass(frozen=True, kw_only=True)
class LocalGlobalViTConfig:
    """A ViT whose patches give places, and its class token the summary.

    ECAMP's tables have a GLoRIA of this kind and say nothing of its projections; these are ours:
    a linear layer for each, of the ViT's own width.
    """

    vit: ViTConfig = field(default_factory=ViTConfig)

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
        """Channels and stride of the one map of `pyramid`."""
        return self.vit.levels

    def build(self) -> "LocalGlobalViT":
        """An encoder with fresh weights."""
        return LocalGlobalViT(self)


class LocalGlobalViT(nn.Module):
    """Turns radiographs into a grid of patches and a summary, each projected on its own."""

    def __init__(self, config: LocalGlobalViTConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = ViTEncoder(config.vit)
        self.local_embedder = nn.Linear(config.dim, config.dim, bias=False)
        self.global_embedder = nn.Linear(config.dim, config.dim)

    def pyramid(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The grid of the ViT as one map."""
        return self.vit.pyramid(radiographs)

    def features(self, radiographs: Float[Tensor, "batch channels size size"]) -> ImageFeatures:
        """What `forward` gives: every image encoder can be asked for it by this name."""
        features: ImageFeatures = self(radiographs)
        return features

    def forward(self, radiographs: Float[Tensor, "batch channels size size"]) -> ImageFeatures:
        """Encodes standardised radiographs."""
        found = self.vit(radiographs)
        return ImageFeatures(
            grid=self.local_embedder(found.grid), pooled=self.global_embedder(found.pooled)
        )


def enlarged(
    radiographs: Float[Tensor, "batch channels height width"], size: int | None
) -> Float[Tensor, "batch channels rows cols"]:
    """Bilinear, the corners' centres on the corners' centres, as GLoRIA's published code."""
    if size is None:
        return radiographs
    larger: Tensor = F.interpolate(radiographs, (size, size), mode="bilinear", align_corners=True)
    return larger
