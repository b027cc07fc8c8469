"""The sizes of networks, told by the shapes of their tensors under our names."""

from collections.abc import Mapping

from torch import Tensor

from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.positions import OfficialPositions
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, Bottleneck, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError

DECODER_HEADS = 4  # no tensor tells
VIT_HEAD_WIDTH = 64  # no tensor tells


def resnet_config(state: Mapping[str, Tensor], stages: int, where: str) -> ResNetConfig:
    """The sizes of a ResNet with a projection from its tensors."""
    return stages_config(state, stages, where, dim=len(need(state, "project.weight", where)))


def stages_config(
    state: Mapping[str, Tensor], stages: int, where: str, *, dim: int
) -> ResNetConfig:
    """The sizes of a ResNet without what is behind its stages from its tensors."""
    stem_width, channels, _ = convolution(state, "conv1.weight", where)
    numbers = range(1, stages + 1)
    return ResNetConfig(
        block=Bottleneck() if "layer1.0.conv3.weight" in state else Basic(),
        depths=tuple(blocks(state, f"layer{number}.") for number in numbers),
        widths=tuple(
            len(need(state, f"layer{number}.0.conv1.weight", where)) for number in numbers
        ),
        stem_width=stem_width,
        channels=channels,
        dim=dim,
    )


def decoder_config(state: Mapping[str, Tensor], where: str) -> QueryDecoderConfig:
    """The sizes of the query network from its tensors."""
    return QueryDecoderConfig(
        dim=len(need(state, "decoder.norm.weight", where)),
        layers=blocks(state, "decoder.layers."),
        heads=DECODER_HEADS,
        hidden=len(need(state, "decoder.layers.0.linear1.weight", where)),
    )


def vit_config(
    state: Mapping[str, Tensor], where: str, *, prefix: str, dropout: float
) -> ViTConfig:
    """The sizes of a ViT without a last norm from its tensors."""
    dim, channels, patch = convolution(state, f"{prefix}patch_embed.proj.weight", where)
    side = round((need(state, f"{prefix}pos_embed", where, dimensions=3).shape[1] - 1) ** 0.5)
    return ViTConfig(
        size=side * patch,
        patch=patch,
        dim=dim,
        layers=blocks(state, f"{prefix}blocks."),
        heads=heads(dim, VIT_HEAD_WIDTH, where),
        hidden=len(need(state, f"{prefix}blocks.0.mlp.fc1.weight", where)),
        channels=channels,
        dropout=dropout,
        final_norm=False,
    )


def masked_vit_config(state: Mapping[str, Tensor], where: str) -> MaskedViTConfig:
    """The sizes of the published ViT of a masked autoencoder from its tensors."""
    dim, channels, patch = convolution(state, "image_encoder.patch_embed.proj.weight", where)
    patches = need(state, "image_encoder.pos_embed", where, dimensions=3).shape[1] - 1
    return MaskedViTConfig(
        vit=ViTConfig(
            size=round(patches**0.5) * patch,
            patch=patch,
            dim=dim,
            layers=blocks(state, "image_encoder.blocks."),
            heads=heads(dim, VIT_HEAD_WIDTH, where),
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


def need(state: Mapping[str, Tensor], key: str, where: str, *, dimensions: int = 1) -> Tensor:
    """A tensor that has to be there, with at least so many dimensions and some numbers.

    Raises:
        ConversionError: it is not, or is of another shape.
    """
    if key not in state:
        raise ConversionError(
            f"{where}: the weight that becomes {key} is missing. The file is of another system or "
            "version, or only a part of a checkpoint."
        )
    found = state[key]
    if found.ndim < dimensions or not found.numel():
        raise ConversionError(
            f"{where}: the weight that becomes {key} is {tuple(found.shape)}, expected "
            f"{dimensions} dimensions or more, none of them 0. The checkpoint is of another system."
        )
    return found


def convolution(state: Mapping[str, Tensor], key: str, where: str) -> tuple[int, int, int]:
    """Features, channels and side in pixels of a convolution.

    Raises:
        ConversionError: the weight is missing or of another shape.
    """
    shape = tuple(need(state, key, where).shape)
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ConversionError(
            f"{where}: the weight that becomes {key} is {shape}, expected features, channels and "
            "two equal sides. The checkpoint is of another system."
        )
    return shape[0], shape[1], shape[2]


def heads(width: int, of_one: int, where: str) -> int:
    """How many heads an attention has, told by the width of one; a narrow one has a single head.

    Raises:
        ConversionError: the heads do not fill the width.
    """
    count = max(1, width // of_one)
    if width % count:
        raise ConversionError(
            f"{where}: is {width} wide, expected a multiple of {of_one}, the width of a head as "
            "published. The checkpoint is of another network."
        )
    return count
