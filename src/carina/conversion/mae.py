"""A ViT of a masked autoencoder, published for training to start from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from carina.conversion.sizes import masked_vit_config
from carina.conversion.table import Rule, check_fits
from carina.encoders.masked_vit import MaskedViT

TABLE = (
    Rule(r"((?:cls_token|pos_embed|patch_embed\.|blocks\.|norm\.).*)", r"\1"),
    Rule(r"(?:mask_token|decoder_.+)", None, "MAE's own decoder, which training leaves out"),
    Rule(
        r"(?:head|fc_norm|pre_logits)\..+",
        None,
        "the classifier of ImageNet, which training leaves out",
    ),
)
"""The names are timm's, and every one stays as it is."""


def check_whole(state: Mapping[str, Tensor], where: str) -> None:
    """Makes sure that the encoder is all there, as training needs it.

    Raises:
        ConversionError: weights are missing, or of sizes that do not fit one another.
    """
    config = masked_vit_config({f"image_encoder.{key}": v for key, v in state.items()}, where)
    with torch.device("meta"):  # names and sizes alone
        encoder = MaskedViT(config)
    check_fits(encoder, state, where)
