"""What turns the patches of a picture into the first tokens of a ViT; each way is a class."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.resnet import ResNetConfig, ResNetEncoder
from carina.encoders.vit import PatchEmbedding, ViTConfig
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class LinearPatches:
    """Each patch through one linear layer: ViT's own."""

    def check(self, vit: ViTConfig) -> None:
        """Any ViT will do."""

    def build(self, vit: ViTConfig) -> PatchEmbedding:
        """The embedding with weights of its own."""
        return PatchEmbedding(vit)


@dataclass(frozen=True, kw_only=True)
class ConvolvedPatches:
    """The features of a small residual network, one a patch: the hybrid of ViT.

    Source: Dosovitskiy et al., ICLR 2021, section 3.1, "Hybrid architecture". Convolutions see
    some way beyond a patch, so that a removed patch leaves traces in its neighbours; what a few
    thousand radiographs teach in minutes, a linear embedding needs hours for.
    """

    network: ResNetConfig = field(default_factory=ResNetConfig)

    def check(self, vit: ViTConfig) -> None:
        """Refuses a network whose features are not those of the ViT's patches.

        Raises:
            ConfigError: stride, channels or dim differ.
        """
        found = (self.network.stride, self.network.channels, self.network.dim)
        expected = (vit.patch, vit.channels, vit.dim)
        if found != expected:
            raise ConfigError(
                f"The network of the patches has stride, channels and dim {found}; expected the "
                f"ViT's patch, channels and dim {expected}."
            )

    def build(self, vit: ViTConfig) -> "ConvolvedEmbedding":
        """The embedding with weights of its own."""
        return ConvolvedEmbedding(self.network.build())


class ConvolvedEmbedding(nn.Module):
    """A residual network whose grid of features is a list of tokens."""

    def __init__(self, network: ResNetEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch patches dim"]:
        """One embedding a patch, row after row."""
        tokens: Tensor = self.network(radiographs).tokens
        return tokens
