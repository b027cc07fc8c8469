"""KAD's published checkpoints (github.com/xiaoman-zhang/KAD) as our models."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.sizes import blocks, decoder_config, heads, need, resnet_config, vit_config
from carina.conversion.table import BARE, Rule, load_exactly, part, read_parts, translate
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError
from carina.imaging.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    Squash,
)
from carina.pretraining.kad import KADConfig, KADModel
from carina.pretraining.query_side import LastLayer

LOGGER = logging.getLogger(__name__)
HEAD_WIDTH = 64  # of BERT-base; no tensor tells
DROPOUT = 0.1  # of the ViT; no tensor tells
PUBLISHED_SIZES = {3: (224,), 4: (512, 1024)}  # pixels, by the layer that a ResNet is cut after

TEXT_TABLE = (
    Rule(r"bert_model\.embeddings\.position_ids", None, "a constant of older transformers"),
    Rule(r"bert_model\.(.+)", r"bert.\1"),
    Rule(r"mlp_embed\.([02]\..+)", r"project.\1"),
    Rule(r"logit_scale", None, "the temperature of stage 1, used in its loss only"),
)
"""The knowledge encoder: `checkpoint["text_encoder"]`, or stage 1's `state_dict`."""

DECODER_TABLE = (
    Rule(r"decoder\.(layers\..+)", r"decoder.\1"),
    Rule(r"decoder_norm\.(.+)", r"decoder.norm.\1"),
    Rule(r"decoder\.norm\.(.+)", r"decoder.norm.\1"),
    Rule(r"mlp_head\.0\.(.+)", r"head.\1"),
    Rule(r"logit_scale", None, "never used"),
)
"""The query network: `checkpoint["model"]`."""

VIT_TABLE = (
    Rule(r"vit\.(norm|fc)\..+", None, "the published code skips the last norm and the classifier"),
    Rule(r"(?:vit\.)?class_token", "cls_token"),
    Rule(r"(?:vit\.)?positional_embedding\.pos_embedding", "pos_embed"),
    Rule(r"(?:vit\.)?patch_embedding\.(.+)", r"patch_embed.proj.\1"),
    Rule(
        r"(?:vit\.)?transformer\.blocks\.(\d+)\.attn\.proj_([qkv])\.(.+)", r"blocks.\1.attn.\2.\3"
    ),
    Rule(r"(?:vit\.)?transformer\.blocks\.(\d+)\.proj\.(.+)", r"blocks.\1.attn.proj.\2"),
    Rule(r"(?:vit\.)?transformer\.blocks\.(\d+)\.pwff\.(.+)", r"blocks.\1.mlp.\2"),
    Rule(r"(?:vit\.)?transformer\.blocks\.(\d+)\.(norm[12]\..+)", r"blocks.\1.\2"),
)
"""The ViT of pytorch_pretrained_vit: `checkpoint["image_encoder"]`."""


def resnet_table(stages: int) -> tuple[Rule, ...]:
    """The ResNet-50, of which `stages` are used: `checkpoint["image_encoder"]`.

    The published modules register the backbone twice, as `resnet` and as `res_features`.
    """
    used = f"[1-{stages}]"
    layers = tuple(
        Rule(rf"res_features\.{stage + 3}\.(.+)", rf"layer{stage}.\1")
        for stage in range(1, stages + 1)
    )
    return (
        Rule(r"res_features\.0\.(.+)", r"conv1.\1"),
        Rule(r"res_features\.1\.(.+)", r"bn1.\1"),
        *layers,
        Rule(r"resnet\.((?:conv1|bn1)\..+)", r"\1"),
        Rule(rf"resnet\.(layer{used}\..+)", r"\1"),
        Rule(r"resnet\.layer4\..+", None, "cut off after layer 3"),
        Rule(r"resnet\.fc\..+", None, "the classifier of ImageNet"),
        Rule(r"res_l1\.(.+)", r"hidden.\1"),
        Rule(r"res_l2\.(.+)", r"project.\1"),
    )


def convert_kad(path: Path, tokenizer: Tokenizer, *, size: int | None = None) -> KADModel:
    """A published checkpoint of stage 2 as a model in eval mode.

    Args:
        path: holds "image_encoder", "text_encoder" and "model".
        tokenizer: PubMedBERT's; the checkpoint has none.
        size: side of the input in pixels; None is 224 for a network cut after layer 3, 512 for
            one cut after layer 4, and what the positions of a ViT were made for.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    checkpoint, where = read_parts(path), str(path)
    converted = kad_from_parts(
        part(checkpoint, "image_encoder", where),
        part(checkpoint, "text_encoder", where),
        part(checkpoint, "model", where),
        tokenizer,
        size=size,
        where=where,
    )
    warn_of_size(converted.config.image, size)
    return converted


def convert_kad_text(path: Path, tokenizer: Tokenizer) -> TextEncoder:
    """A published checkpoint of stage 1 as a text encoder in eval mode.

    Args:
        path: holds "state_dict", or a "text_encoder" of stage 2, or the weights alone.
        tokenizer: PubMedBERT's; the checkpoint has none.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    checkpoint = read_parts(path)
    names = (BARE, "state_dict", "text_encoder")
    name = next((name for name in names if name in checkpoint), names[-1])
    return text_from_part(part(checkpoint, name, str(path)), tokenizer, where=str(path))


def text_from_part(state: Mapping[str, Tensor], tokenizer: Tokenizer, *, where: str) -> TextEncoder:
    """The text encoder of an official state dict."""
    ours = translate(state, TEXT_TABLE, f"{where}: text encoder")
    encoder = TextEncoder(text_config(ours, where), tokenizer)
    load_exactly(encoder, ours, f"{where}: text encoder")
    return encoder.eval()


def kad_from_parts(
    image: Mapping[str, Tensor],
    text: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    *,
    size: int | None = None,
    where: str = "checkpoint",
) -> KADModel:
    """The model of the three official state dicts of a checkpoint; see `convert_kad`."""
    text_state = translate(text, TEXT_TABLE, f"{where}: text encoder")
    image_config, image_state = image_part(image, where)
    decoder_state = translate(model, DECODER_TABLE, f"{where}: query network")
    check_size(image_config, size, where)
    config = KADConfig(
        image=image_config,
        text=text_config(text_state, where),
        decoder=decoder_config(decoder_state, where),
        preprocessing=Preprocessing(
            size=default_size(image_config) if size is None else size,
            resize=Squash(),
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
        maps=LastLayer(),
    )
    converted = KADModel.from_config(config, tokenizer)
    state = {
        **{f"image_encoder.{key}": value for key, value in image_state.items()},
        **{f"text_encoder.{key}": value for key, value in text_state.items()},
        **decoder_state,
    }
    load_exactly(converted, state, where)
    return converted.eval()


def image_part(
    state: Mapping[str, Tensor], where: str
) -> tuple[ResNetConfig | ViTConfig, dict[str, Tensor]]:
    """Config and state dict of the image encoder, told by its keys and shapes."""
    if any("class_token" in key for key in state):
        ours = joined_attention(translate(state, VIT_TABLE, f"{where}: image encoder"), where)
        return vit_config(ours, where, prefix="", dropout=DROPOUT), ours
    stages = stages_of(state)
    ours = translate(state, resnet_table(stages), f"{where}: image encoder")
    return resnet_config(ours, stages, where), ours


def stages_of(state: Mapping[str, Tensor]) -> int:
    """How many stages of the ResNet an image encoder uses: 4 above 224 pixels, else 3."""
    return 4 if any(key.startswith("res_features.7.") for key in state) else 3


def joined_attention(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """One matrix for queries, keys and values, where the official ViT has three."""
    joined = {key: value for key, value in state.items() if ".attn.q." not in key}
    for key in [key for key in state if ".attn.q." in key]:
        names = [key.replace(".attn.q.", f".attn.{letter}.") for letter in "qkv"]
        thirds = [need(state, name, where) for name in names]
        if len({third.shape for third in thirds}) > 1:
            raise ConversionError(
                f"{where}: the weights that become {', '.join(names)} have different sizes, "
                "expected equal ones. The checkpoint is of another system."
            )
        joined[key.replace(".attn.q.", ".attn.qkv.")] = torch.cat(thirds)
        for name in names[1:]:
            joined.pop(name)
    return joined


def text_config(state: Mapping[str, Tensor], where: str) -> TextEncoderConfig:
    """The sizes of a BERT and its projection from its tensors."""
    words = need(state, "bert.embeddings.word_embeddings.weight", where, dimensions=2)
    return TextEncoderConfig(
        vocabulary=len(words),
        width=words.shape[1],
        layers=blocks(state, "bert.encoder.layer."),
        heads=heads(words.shape[1], HEAD_WIDTH, where),
        hidden=len(need(state, "bert.encoder.layer.0.intermediate.dense.weight", where)),
        positions=len(need(state, "bert.embeddings.position_embeddings.weight", where)),
        dim=len(need(state, "project.2.weight", where)),
    )


def check_size(config: ResNetConfig | ViTConfig, size: int | None, where: str) -> None:
    """Refuses another size than that of a ViT, whose positions are for one alone."""
    if isinstance(config, ViTConfig) and size not in (None, config.size):
        raise ConversionError(
            f"{where}: holds a ViT for {config.size} pixels, not {size}. Leave the size out."
        )


def warn_of_size(config: ResNetConfig | ViTConfig, size: int | None) -> None:
    """Warns of a size that a ResNet was not published for, and of one that is only assumed.

    It takes any size, but answers well at that which it was trained for.
    """
    if isinstance(config, ViTConfig):
        return
    published = PUBLISHED_SIZES[len(config.depths)]
    if size is None and len(published) > 1:
        LOGGER.warning(
            "No tensor tells a network for %s pixels: taken as for %d. Give --size for another.",
            " from one for ".join(str(one) for one in published),
            published[0],
        )
    if size is not None and size not in published:
        LOGGER.warning(
            "A network cut after layer %d was published for %s pixels, not %d: with another size "
            "it answers worse.",
            len(config.depths),
            " or ".join(str(one) for one in published),
            size,
        )


def default_size(config: ResNetConfig | ViTConfig) -> int:
    """The side of the input that an image encoder was published for, in pixels."""
    if isinstance(config, ViTConfig):
        return config.size
    return PUBLISHED_SIZES[len(config.depths)][0]
