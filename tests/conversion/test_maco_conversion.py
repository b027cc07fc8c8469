"""A checkpoint as MaCo's authors would save one, at a size of a few numbers."""

import argparse
from pathlib import Path

import pytest
import torch
from torch import Tensor

from carina.conversion.maco import convert_maco
from carina.conversion.starts import convert_start
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViT, MaskedViTConfig
from carina.encoders.positions import MAEPositions
from carina.encoders.report_encoder import ReportEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.maco import MaCoConfig, MaCoModel
from carina.pretraining.published_mae import load_mae

TOKENIZER = train_wordpiece(["no nodule."], 40)
CONFIG = MaCoConfig(
    image=MaskedViTConfig(
        vit=ViTConfig(
            size=32, patch=16, dim=64, layers=1, heads=1, hidden=8, channels=3, dropout=0.0
        ),
        positions=MAEPositions(),
    ),
    decoder=MaskedDecoderConfig(dim=12, layers=1, heads=6, hidden=8),
    text=ReportEncoderConfig(
        vocabulary=40, width=64, layers=1, heads=1, hidden=8, positions=20, max_tokens=20, dim=64
    ),
    preprocessing=Preprocessing(size=32, resize=CentreCrop(), mean=(0.5,) * 3, std=(0.25,) * 3),
)
NAMES = (  # ours -> official, the first that fits
    ("image_encoder.", ""),
    ("decoder.mask_token", "mask_token"),
    ("decoder.", "decoder_"),
    ("project.", "img_mlp."),
    ("importance.", "pos_weight_img."),
    ("text_encoder.pooler.", "bert_encoder.model.bert.pooler.dense."),
    ("text_encoder.", "bert_encoder.model.bert."),
    ("scale", "Tpar"),
)


def official(model: MaCoModel) -> dict[str, Tensor]:
    state = {}
    for key, value in model.state_dict().items():
        ours, theirs = next(pair for pair in NAMES if key.startswith(pair[0]))
        state[theirs + key[len(ours) :]] = value.clone()
    return state | {"logit_scale": torch.zeros(()), "WCE.weight": torch.ones(4)}


@pytest.fixture
def model() -> MaCoModel:
    torch.manual_seed(0)
    made = MaCoModel.from_config(CONFIG, TOKENIZER).eval()
    with torch.no_grad():
        made.importance.weight.normal_()
    return made


@torch.no_grad()
def test_a_checkpoint_becomes_the_model_it_was(model: MaCoModel, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    args = argparse.Namespace(lr=2.5e-4, mask_ratio=0.5)  # kept beside the weights by the authors
    torch.save({"model": official(model), "epoch": 50, "args": args}, path)
    converted = convert_maco(path, TOKENIZER)
    picture = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    phrases = model.encode_phrases(["no nodule."])
    torch.testing.assert_close(converted.encode_phrases(["no nodule."]).vectors, phrases.vectors)
    torch.testing.assert_close(converted.ground(picture, phrases), model.ground(picture, phrases))
    # The stored table is kept, though it is not the one that the code would make.
    table = converted.image_encoder.get_buffer("pos_embed")
    assert torch.equal(table, model.image_encoder.get_buffer("pos_embed"))


def test_a_checkpoint_that_does_not_fit_is_refused(model: MaCoModel, tmp_path: Path) -> None:
    state = official(model)
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": {**state, "decoder_pred.weight": torch.zeros(5, 12)}}, path)
    with pytest.raises(ConversionError, match=r"decoder_pred gives 5 values a patch, expected 768"):
        convert_maco(path, TOKENIZER)
    del state["img_mlp.bias"]
    torch.save({"model": state}, path)
    with pytest.raises(ConversionError, match=r"1 weights are missing, .*project\.bias"):
        convert_maco(path, TOKENIZER)
    torch.save({"weights": state}, path)
    with pytest.raises(ConversionError, match=r"has no weights 'model'; found weights"):
        convert_maco(path, TOKENIZER)


def test_weights_of_mae_are_written_and_start_an_encoder(model: MaCoModel, tmp_path: Path) -> None:
    weights = {f"{key}": value for key, value in model.image_encoder.state_dict().items()}
    torch.save({"model": {**weights, "mask_token": torch.zeros(1, 1, 2)}}, tmp_path / "mae.pth")
    path = tmp_path / "mae.safetensors"
    accounted = convert_start("mae", tmp_path / "mae.pth", path)
    assert accounted.taken == len(weights)
    assert [*accounted.unused.values()] == [("mask_token",)]
    encoder = MaskedViT(CONFIG.image)
    load_mae(encoder, path)
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, weights[key]), key


def test_what_is_no_mae_is_refused(model: MaCoModel, tmp_path: Path) -> None:
    torch.save({"model": official(model)}, tmp_path / "maco.pth")
    with pytest.raises(ConversionError, match=r"the key \S+ is in no table"):
        convert_start("mae", tmp_path / "maco.pth", tmp_path / "mae.safetensors")
    assert not (tmp_path / "mae.safetensors").exists()
