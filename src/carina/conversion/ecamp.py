"""ECAMP's published checkpoint (github.com/ToniChopp/ECAMP) as our model."""

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.sizes import blocks, heads, masked_vit_config, need
from carina.conversion.table import Rule, load_exactly, only_part, read_parts, translate
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig
from carina.encoders.super_resolution import Rectified, SuperResolutionConfig
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel

DECODER_HEAD_WIDTH, TEXT_HEAD_WIDTH = 32, 128  # no tensor tells
MEAN, STD = 0.4721, 0.3037
BERT = r"bert_encoder\.model\.bert\."
FUSION = BERT + r"(?:context_fusion_layer|cross_attn_layer)\."
HEAD = r"bert_encoder\.model\.cls\.predictions\."

TABLE = (
    Rule(r"(cls_token|pos_embed)", r"image_encoder.\1"),
    Rule(r"((?:patch_embed|blocks|norm)\..+)", r"image_encoder.\1"),
    Rule(r"mask_token", "decoder.mask_token"),
    Rule(r"decoder_(pos_embed)", r"decoder.\1"),
    Rule(r"decoder_((?:embed|blocks|norm|pred)\..+)", r"decoder.\1"),
    Rule(r"super_res\.(.+)", r"super_resolution.\1"),
    Rule(r"bert_mlp\.(.+)", r"project.\1"),
    Rule(BERT + r"embeddings\.position_ids", None, "a constant"),
    Rule(BERT + r"embeddings\.(.+)", r"language.embeddings.\1"),
    Rule(BERT + r"(encoder\..+)", r"language.\1"),
    Rule(BERT + r"pooler\..+", None, "computed and never used"),
    Rule(FUSION + r"cross_self_attention\.(.+)", r"language.fusion.context.local.\1"),
    Rule(FUSION + r"gap_mlp\.(.+)", r"language.fusion.context.whole.mean.\1"),
    Rule(FUSION + r"((?:attention|out_layer|intermediate|output)\..+)", r"language.fusion.\1"),
    Rule(HEAD + r"transform\.dense\.(.+)", r"language.head.dense.\1"),
    Rule(HEAD + r"transform\.LayerNorm\.(.+)", r"language.head.norm.\1"),
    Rule(HEAD + r"decoder\.(.+)", r"language.head.decoder.\1"),
    Rule(HEAD + r"bias", "language.head.decoder.bias"),
)
"""The checkpoint's `model`. The repository's code and the released weights name the fusion layer
differently; the bias of the word head has two names."""


def convert_ecamp(path: Path, tokenizer: Tokenizer) -> ECAMPModel:
    """A published checkpoint as a model in eval mode.

    Args:
        path: holds the weights as "model", or them alone.
        tokenizer: of the published `mimic_wordpiece.json`; the checkpoint has none.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    where = str(path)
    return ecamp_from_state(only_part(read_parts(path), where), tokenizer, where=where)


def ecamp_from_state(
    state: Mapping[str, Tensor], tokenizer: Tokenizer, *, where: str = "checkpoint"
) -> ECAMPModel:
    """The model of an official state dict; see `convert_ecamp`."""
    ours = translate(state, TABLE, where)
    image = masked_vit_config(ours, where)
    config = ECAMPConfig(
        image=image,
        decoder=decoder_config(ours, where),
        super_resolution=SuperResolutionConfig(output=Rectified()),
        language=language_config(ours, where),
        preprocessing=Preprocessing(
            size=image.vit.size,
            resize=CentreCrop(),
            mean=(MEAN,) * image.vit.channels,
            std=(STD,) * image.vit.channels,
        ),
    )
    converted = ECAMPModel.from_config(config, tokenizer)
    load_exactly(converted, ours, where)
    return converted.eval()


def decoder_config(state: Mapping[str, Tensor], where: str) -> MaskedDecoderConfig:
    """The sizes of the decoder from its tensors; it guesses at the input's resolution."""
    dim = len(need(state, "decoder.embed.weight", where))
    return MaskedDecoderConfig(
        dim=dim,
        layers=blocks(state, "decoder.blocks."),
        heads=heads(dim, DECODER_HEAD_WIDTH, where),
        hidden=len(need(state, "decoder.blocks.0.mlp.fc1.weight", where)),
        resolution=1,
    )


def language_config(state: Mapping[str, Tensor], where: str) -> MaskedLanguageConfig:
    """The sizes of the BERT from its tensors."""
    words = need(state, "language.embeddings.word_embeddings.weight", where, dimensions=2)
    positions = len(need(state, "language.embeddings.position_embeddings.weight", where))
    return MaskedLanguageConfig(
        vocabulary=len(words),
        width=words.shape[1],
        layers=blocks(state, "language.encoder.layer."),
        heads=heads(words.shape[1], TEXT_HEAD_WIDTH, where),
        hidden=len(need(state, "language.encoder.layer.0.intermediate.dense.weight", where)),
        positions=positions,
        max_tokens=positions,
    )
