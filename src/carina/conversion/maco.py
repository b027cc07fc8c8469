"""MaCo's published checkpoint (github.com/SZUHvern/MaCo) as our model."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.sizes import blocks, heads, masked_vit_config, need
from carina.conversion.table import Rule, load_exactly, part, read_checkpoint, translate
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.report_encoder import ReportEncoderConfig
from carina.errors import ConversionError
from carina.files import atomic_path
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


MAE_TABLE = (
    Rule(r"((?:cls_token|pos_embed|patch_embed\.|blocks\.|norm\.).*)", r"\1"),
    Rule(r"(?:mask_token|decoder_.+)", None, "MAE's own decoder, which training leaves out"),
    Rule(r"(?:head|fc_norm)\..+", None, "the classifier of ImageNet, which training leaves out"),
)
"""MAE's `model`: every name stays as it is."""


def convert_maco(path: Path, tokenizer: Tokenizer) -> MaCoModel:
    """A published checkpoint as a model in eval mode.

    Args:
        path: holds the weights as "model" or "state_dict".
        tokenizer: of `mimic_wordpiece.json`; the checkpoint has none.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    checkpoint, where = read_checkpoint(path), str(path)
    name = "state_dict" if "state_dict" in checkpoint else "model"
    return maco_from_state(part(checkpoint, name, where), tokenizer, where=where)


def write_mae(source: Path, target: Path) -> Path:
    """Writes MAE's published weights as safetensors, which `image_start.weights` takes.

    Args:
        source: a `.pth` that holds the weights as "model"; nothing in it is executed.
        target: the file to write.

    Returns:
        `target`.

    Raises:
        ConversionError: `source` cannot be read, or holds no weights.
        OutputError: `target` cannot be written.
    """
    weights = part(read_checkpoint(source), "model", str(source))
    translate(weights, MAE_TABLE, str(source))
    with atomic_path(target) as temporary:
        temporary.write_bytes(save({key: value.contiguous() for key, value in weights.items()}))
    return target


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
    words = need(state, "text_encoder.embeddings.word_embeddings.weight", where)
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
