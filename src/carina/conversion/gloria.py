"""GLoRIA's published checkpoint (github.com/marshuang80/gloria) as our model."""

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.lightning import read_lightning
from carina.conversion.sizes import blocks, heads, need, resnet_config
from carina.conversion.table import Rule, load_exactly, only_part, translate
from carina.encoders.local_global import LocalGlobalResNetConfig
from carina.encoders.words import WordEncoderConfig
from carina.pretraining.local_alignment import GLoRIAConfig, GLoRIAModel

STAGES = 4
HEAD_WIDTH = 64  # of BERT; no tensor tells
PREFIX = r"(?:.*gloria\.)?"
TABLE = (
    Rule(PREFIX + r"img_encoder\.model\.(.+)", r"image_encoder.stages.\1"),
    Rule(PREFIX + r"img_encoder\.((?:local|global)_embedder\..+)", r"image_encoder.\1"),
    Rule(PREFIX + r"text_encoder\.model\.embeddings\.position_ids", None, "a constant"),
    Rule(PREFIX + r"text_encoder\.model\.pooler\..+", None, "computed by the code, never used"),
    Rule(PREFIX + r"text_encoder\.model\.((?:embeddings|encoder)\..+)", r"text_encoder.\1"),
)
"""The checkpoint's `state_dict`; what stands before the last "gloria." of a key is left away."""


def convert_gloria(path: Path, tokenizer: Tokenizer) -> GLoRIAModel:
    """A published checkpoint as a model in eval mode.

    Args:
        path: a file of Lightning; nothing in it is executed.
        tokenizer: of Bio_ClinicalBERT; the checkpoint has none.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    state = only_part(read_lightning(path), str(path))
    return gloria_from_state(state, tokenizer, where=str(path))


def gloria_from_state(
    state: Mapping[str, Tensor], tokenizer: Tokenizer, *, where: str = "checkpoint"
) -> GLoRIAModel:
    """The model of an official state dict; see `convert_gloria`."""
    ours = translate(state, TABLE, where)
    config = GLoRIAConfig(image=image_config(ours, where), text=text_config(ours, where))
    model = GLoRIAModel.from_config(config, tokenizer)
    load_exactly(model, ours, where)
    return model.eval()


def image_config(state: Mapping[str, Tensor], where: str) -> LocalGlobalResNetConfig:
    """The sizes of the residual network from its tensors."""
    prefix = "image_encoder.stages."
    stages = {key.removeprefix(prefix): value for key, value in state.items() if prefix in key}
    stages["project.weight"] = need(state, "image_encoder.global_embedder.weight", where)
    return LocalGlobalResNetConfig(resnet=resnet_config(stages, STAGES, where))


def text_config(state: Mapping[str, Tensor], where: str) -> WordEncoderConfig:
    """The sizes of the BERT from its tensors."""
    words = need(state, "text_encoder.embeddings.word_embeddings.weight", where, dimensions=2)
    positions = need(state, "text_encoder.embeddings.position_embeddings.weight", where)
    return WordEncoderConfig(
        vocabulary=len(words),
        width=words.shape[1],
        layers=blocks(state, "text_encoder.encoder.layer."),
        heads=heads(words.shape[1], HEAD_WIDTH, where),
        hidden=len(need(state, "text_encoder.encoder.layer.0.intermediate.dense.weight", where)),
        positions=len(positions),
    )
