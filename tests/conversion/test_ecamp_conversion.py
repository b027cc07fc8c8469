"""A checkpoint as ECAMP's authors would save one, at a size of a few numbers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from carina.conversion.ecamp import convert_ecamp
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.positions import OfficialPositions
from carina.encoders.super_resolution import Rectified, SuperResolutionConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel

TOKENIZER = train_wordpiece(["no nodule."], 40)
CONFIG = ECAMPConfig(
    image=MaskedViTConfig(
        vit=ViTConfig(
            size=32, patch=16, dim=64, layers=2, heads=1, hidden=8, channels=3, dropout=0.0
        ),
        positions=OfficialPositions(),
    ),
    decoder=MaskedDecoderConfig(dim=32, layers=1, heads=1, hidden=8, resolution=1),
    super_resolution=SuperResolutionConfig(output=Rectified()),
    language=MaskedLanguageConfig(
        vocabulary=40, width=128, layers=1, heads=1, hidden=8, positions=20, max_tokens=20
    ),
    preprocessing=Preprocessing(
        size=32, resize=CentreCrop(), mean=(0.4721,) * 3, std=(0.3037,) * 3
    ),
)
BERT = "bert_encoder.model.bert."
NAMES = (  # ours -> official, the first that fits; {} is the name of the fusion layer
    ("image_encoder.", ""),
    ("decoder.mask_token", "mask_token"),
    ("decoder.", "decoder_"),
    ("super_resolution.", "super_res."),
    ("project.", "bert_mlp."),
    ("language.fusion.context.local.", BERT + "{}.cross_self_attention."),
    ("language.fusion.context.whole.mean.", BERT + "{}.gap_mlp."),
    ("language.fusion.", BERT + "{}."),
    ("language.head.dense.", "bert_encoder.model.cls.predictions.transform.dense."),
    ("language.head.norm.", "bert_encoder.model.cls.predictions.transform.LayerNorm."),
    ("language.head.decoder.", "bert_encoder.model.cls.predictions.decoder."),
    ("language.", BERT),
)


def official(model: ECAMPModel, fusion: str) -> dict[str, Tensor]:
    state = {}
    for key, value in model.state_dict().items():
        ours, theirs = next(pair for pair in NAMES if key.startswith(pair[0]))
        state[theirs.format(fusion) + key[len(ours) :]] = value.clone()
    head = "bert_encoder.model.cls.predictions."
    state[f"{head}bias"] = state[f"{head}decoder.bias"]
    return state | {f"{BERT}pooler.dense.weight": torch.zeros(128, 128)}


@pytest.fixture
def model() -> ECAMPModel:
    torch.manual_seed(0)
    return ECAMPModel.from_config(CONFIG, TOKENIZER).eval()


@pytest.mark.parametrize("fusion", ["context_fusion_layer", "cross_attn_layer"])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_a_checkpoint_becomes_the_model(
    model: ECAMPModel, tmp_path: Path, fusion: str, wrapper: str
) -> None:
    state = {wrapper + key: value for key, value in official(model, fusion).items()}
    torch.save({"model": state, "epoch": 119}, tmp_path / "checkpoint.pth")
    converted = convert_ecamp(tmp_path / "checkpoint.pth", TOKENIZER)
    assert converted.config == CONFIG
    assert not converted.training
    found, expected = converted.state_dict(), model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_checkpoints_that_do_not_fit_are_refused(model: ECAMPModel, tmp_path: Path) -> None:
    state = official(model, "context_fusion_layer")

    def written(changed: dict[str, Tensor]) -> Path:
        torch.save({"model": changed}, tmp_path / "changed.pth")
        return tmp_path / "changed.pth"

    with pytest.raises(ConversionError, match="1 keys are in no table, such as pos_weight"):
        convert_ecamp(written(state | {"pos_weight": torch.zeros(1)}), TOKENIZER)
    with pytest.raises(ConversionError, match=r"the weight that becomes image_encoder\.pos_embed"):
        convert_ecamp(written({k: v for k, v in state.items() if k != "pos_embed"}), TOKENIZER)
    other = state | {"bert_encoder.model.cls.predictions.bias": torch.ones(40)}
    with pytest.raises(ConversionError, match="their values differ"):
        convert_ecamp(written(other), TOKENIZER)
