"""MedKLIP's published checkpoints (github.com/MediaBrain-SJTU/MedKLIP) as our models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from carina.conversion.sizes import decoder_config, resnet_config
from carina.conversion.table import Rule, load_exactly, only_part, read_parts, translate
from carina.encoders.text import FirstToken, TextEncoder
from carina.pretraining.medklip import MedKLIPConfig, MedKLIPModel, TrainedFinding

STAGES = 3
TABLE = (
    Rule(r"res_features\.0\.(.+)", r"image_encoder.conv1.\1"),
    Rule(r"res_features\.1\.(.+)", r"image_encoder.bn1.\1"),
    Rule(r"res_features\.4\.(.+)", r"image_encoder.layer1.\1"),
    Rule(r"res_features\.5\.(.+)", r"image_encoder.layer2.\1"),
    Rule(r"res_features\.6\.(.+)", r"image_encoder.layer3.\1"),
    Rule(r"res_l1\.(.+)", r"image_encoder.hidden.\1"),
    Rule(r"res_l2\.(.+)", r"image_encoder.project.\1"),
    Rule(r"disease_embedding_layer\.(.+)", r"embed_query.\1"),
    Rule(r"decoder\.(.+)", r"decoder.\1"),
    Rule(r"classifier\.(.+)", r"existence.\1"),
    Rule(r"cl_fc\.(.+)", r"position.\1"),
)
"""The whole model: `checkpoint["model"]`, its prefix "module." left away. No text encoder."""


def convert_medklip(
    path: Path, text_encoder: TextEncoder, findings: Sequence[TrainedFinding]
) -> MedKLIPModel:
    """A published checkpoint as a model in eval mode.

    Args:
        path: holds the weights as "model", or them alone.
        text_encoder: Bio_ClinicalBERT, which the checkpoint does not hold
            (`TextEncoder.from_bert`, `max_tokens` 128 as in training).
        findings: what the checkpoint was trained on, and the descriptions it was trained with.

    Raises:
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    state = only_part(read_parts(path), str(path))
    return medklip_from_part(state, text_encoder, findings, where=str(path))


def medklip_from_part(
    state: Mapping[str, Tensor],
    text_encoder: TextEncoder,
    findings: Sequence[TrainedFinding],
    *,
    where: str = "checkpoint",
) -> MedKLIPModel:
    """The model of an official state dict; see `convert_medklip`."""
    ours = translate(state, TABLE, where)
    config = MedKLIPConfig(
        image=resnet_config(within(ours, "image_encoder."), STAGES, where),
        text=text_encoder.config,
        decoder=decoder_config(ours, where),
        findings=tuple(findings),
    )
    model = MedKLIPModel(config, text_encoder)
    texts = [finding.text for finding in findings]
    own = {f"text_encoder.{key}": value for key, value in text_encoder.state_dict().items()}
    features = text_encoder.encode(texts, reading=FirstToken())
    load_exactly(model, {**ours, **own, "finding_features": features}, where)
    return model.eval()


def within(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }
