"""A masked ViT that starts from published weights, such as MAE's of ImageNet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from carina.encoders.masked_vit import MaskedViT
from carina.encoders.published_resnet import check_keys, read_safetensors

LOGGER = logging.getLogger(__name__)
LEFT_OUT = ("decoder_", "mask_token", "head.", "fc_norm.", "pre_logits.")


@dataclass(frozen=True, kw_only=True)
class PublishedMAE:
    """A ViT from outside the run, with timm's names.

    `weights` is a local file in safetensors; its decoder and classifier are left out, its table
    of positions is kept. With None weights are fresh, and a warning says that the paper's are
    not: `paper_weights` names them.
    """

    weights: str | None = None
    paper_weights: str = "MAE's ViT-B/16 of ImageNet (mae_pretrain_vit_base.pth)"

    def start(self, encoder: MaskedViT) -> None:
        """Puts the weights in.

        Raises:
            ModelError: the file cannot be read, or its network is another one.
        """
        if self.weights is None:
            LOGGER.warning(
                "The image encoder starts from fresh weights; the paper's starts from %s. "
                "Download that, and name the file with --set image_start.weights=...",
                self.paper_weights,
            )
            return
        load_mae(encoder, Path(self.weights))


def load_mae(encoder: MaskedViT, path: Path) -> None:
    """Puts the encoder of a file into ours, its table of positions included.

    Args:
        encoder: is changed.
        path: safetensors with timm's names (cls_token, pos_embed, blocks.0.attn.qkv ...).

    Raises:
        ModelError: the file cannot be read, or its network is another one.
    """
    given = encoder_part(read_safetensors(path))
    check_keys(given, encoder.state_dict(), path)
    encoder.load_state_dict(given)


def encoder_part(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without decoder and classifier."""
    return {key: value for key, value in weights.items() if not key.startswith(LEFT_OUT)}
