"""The sizes of networks, told by the shapes of their tensors under our names."""

from collections.abc import Mapping

from torch import Tensor

from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.positions import OfficialPositions
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Bottleneck, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError

DECODER_HEADS = 4  # no tensor tells
VIT_HEAD_WIDTH = 64  # no tensor tells


def resnet_config(state: Mapping[str, Tensor], stages: int, where: str) -> ResNetConfig:
    """The sizes of a bottleneck ResNet from its tensors."""
    need(state, "layer1.0.conv1.weight", where)
    numbers = range(1, stages + 1)
    return ResNetConfig(
        block=Bottleneck(),
        depths=tuple(blocks(state, f"layer{number}.") for number in numbers),
        widths=tuple(len(state[f"layer{number}.0.conv1.weight"]) for number in numbers),
        stem_width=len(state["conv1.weight"]),
        channels=state["conv1.weight"].shape[1],
        dim=len(need(state, "project.weight", where)),
    )


def decoder_config(state: Mapping[str, Tensor], where: str) -> QueryDecoderConfig:
    """The sizes of the query network from its tensors."""
    return QueryDecoderConfig(
        dim=len(need(state, "decoder.norm.weight", where)),
        layers=blocks(state, "decoder.layers."),
        heads=DECODER_HEADS,
        hidden=len(need(state, "decoder.layers.0.linear1.weight", where)),
    )


def masked_vit_config(state: Mapping[str, Tensor], where: str) -> MaskedViTConfig:
    """The sizes of the published ViT of a masked autoencoder from its tensors."""
    dim, channels, patch, _ = need(state, "image_encoder.patch_embed.proj.weight", where).shape
    patches = need(state, "image_encoder.pos_embed", where).shape[1] - 1
    return MaskedViTConfig(
        vit=ViTConfig(
            size=round(patches**0.5) * patch,
            patch=patch,
            dim=dim,
            layers=blocks(state, "image_encoder.blocks."),
            heads=max(1, dim // VIT_HEAD_WIDTH),
            hidden=len(need(state, "image_encoder.blocks.0.mlp.fc1.weight", where)),
            channels=channels,
            dropout=0.0,
        ),
        positions=OfficialPositions(),
    )


def blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts begin with `prefix`."""
    numbers = {key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)}
    return len(numbers)


def need(state: Mapping[str, Tensor], key: str, where: str) -> Tensor:
    """A tensor that has to be there.

    Raises:
        ConversionError: it is not.
    """
    if key not in state:
        raise ConversionError(f"{where}: the weight that becomes {key} is missing.")
    return state[key]
