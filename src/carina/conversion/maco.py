"""MaCo's published checkpoint (github.com/SZUHvern/MaCo) as our model."""

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.sizes import blocks, heads, masked_vit_config, need
from carina.conversion.table import Rule, load_exactly, only_part, read_parts, translate
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.report_encoder import ReportEncoderConfig
from carina.errors import ConversionError
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.maco import MaCoConfig, MaCoModel

HEAD_WIDTH = 64  # of BERT; no tensor tells
DECODER_HEADS = 6  # no tensor tells
MEAN, STD = 0.4978, 0.2449

TABLE = (
    Rule(r"(cls_token|pos_embed)", r"image_encoder.\1"),
    Rule(r"((?:patch_embed|blocks|norm)\..+)", r"image_encoder.\1"),
    Rule(r"mask_token", "decoder.mask_token"),
    Rule(r"decoder_(pos_embed)", r"decoder.\1"),
    Rule(r"decoder_((?:embed|blocks|norm|pred)\..+)", r"decoder.\1"),
    Rule(r"img_mlp\.(.+)", r"project.\1"),
    Rule(r"pos_weight_img\.(.+)", r"importance.\1"),
    Rule(r"Tpar", "scale"),
    Rule(r"bert_encoder\.model\.bert\.embeddings\.position_ids", None, "a constant"),
    Rule(r"bert_encoder\.model\.bert\.pooler\.dense\.(.+)", r"text_encoder.pooler.\1"),
    Rule(r"bert_encoder\.model\.bert\.((?:embeddings|encoder)\..+)", r"text_encoder.\1"),
    Rule(r"bert_encoder\.model\.cls\..+", None, "a head for masked words whose result is unused"),
    Rule(r"logit_scale", None, "never used; the scale is Tpar"),
    Rule(r"pos_weight_text\..+", None, "never used"),
    Rule(r"pos_cat\..+", None, "never used"),
    Rule(r"WCE\.weight", None, "the importance of the last training batch, kept by mistake"),
)
"""The checkpoint's `model`, or `state_dict` as the authors' evaluation takes it."""


def convert_maco(path: Path, tokenizer: Tokenizer) -> MaCoModel:
    """A published checkpoint as a model in eval mode.

    Args:
        path: holds the weights as "model" or "state_dict", or them alone.
        tokenizer: of `mimic_wordpiece.json`; the checkpoint has none.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    where = str(path)
    return maco_from_state(only_part(read_parts(path), where), tokenizer, where=where)


def maco_from_state(
    state: Mapping[str, Tensor], tokenizer: Tokenizer, *, where: str = "checkpoint"
) -> MaCoModel:
    """The model of an official state dict; see `convert_maco`."""
    ours = translate(state, TABLE, where)
    image = masked_vit_config(ours, where)
    config = MaCoConfig(
        image=image,
        decoder=decoder_config(ours, image, where),
        text=text_config(ours, where),
        preprocessing=Preprocessing(
            size=image.vit.size,
            resize=CentreCrop(),
            mean=(MEAN,) * image.vit.channels,
            std=(STD,) * image.vit.channels,
        ),
    )
    converted = MaCoModel.from_config(config, tokenizer)
    load_exactly(converted, ours, where)
    return converted.eval()


def decoder_config(
    state: Mapping[str, Tensor], image: MaskedViTConfig, where: str
) -> MaskedDecoderConfig:
    """The sizes of the decoder; its resolution follows from the pixels that it guesses."""
    pixels = len(need(state, "decoder.pred.weight", where))
    one_patch = image.vit.patch**2 * image.vit.channels
    resolution = round((pixels / one_patch) ** 0.5)
    if resolution**2 * one_patch != pixels:
        raise ConversionError(
            f"{where}: decoder_pred gives {pixels} values a patch, expected {one_patch} times a "
            "square number."
        )
    return MaskedDecoderConfig(
        dim=len(need(state, "decoder.embed.weight", where)),
        layers=blocks(state, "decoder.blocks."),
        heads=DECODER_HEADS,
        hidden=len(need(state, "decoder.blocks.0.mlp.fc1.weight", where)),
        resolution=resolution,
    )


def text_config(state: Mapping[str, Tensor], where: str) -> ReportEncoderConfig:
    """The sizes of the BERT and its pooler from their tensors."""
    words = need(state, "text_encoder.embeddings.word_embeddings.weight", where, dimensions=2)
    positions = len(need(state, "text_encoder.embeddings.position_embeddings.weight", where))
    return ReportEncoderConfig(
        vocabulary=len(words),
        width=words.shape[1],
        layers=blocks(state, "text_encoder.encoder.layer."),
        heads=heads(words.shape[1], HEAD_WIDTH, where),
        hidden=len(need(state, "text_encoder.encoder.layer.0.intermediate.dense.weight", where)),
        positions=positions,
        max_tokens=positions,
        dim=len(need(state, "text_encoder.pooler.weight", where)),
    )
