"""GLoRIA's published checkpoint: every key accounted for, nothing in the file executed."""

import pickle
import sys
import types
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.gloria import convert_gloria, gloria_from_state
from carina.conversion.lightning import read_lightning
from carina.encoders.local_global import LocalGlobalResNetConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.words import WordEncoderConfig
from carina.errors import ConversionError
from carina.pretraining.local_alignment import GLoRIAConfig, GLoRIAModel

CONFIG = GLoRIAConfig(
    image=LocalGlobalResNetConfig(
        resnet=ResNetConfig(depths=(1, 1, 1, 1), widths=(2, 2, 2, 2), stem_width=2, dim=64)
    ),
    text=WordEncoderConfig(
        vocabulary=40, width=64, layers=4, heads=1, hidden=16, positions=100, dropout=0.1
    ),
)


def tokenizer() -> Tokenizer:
    return train_wordpiece(["no pleural effusion"], 40)


def official() -> tuple[GLoRIAModel, dict[str, Tensor]]:
    """A model, and its weights as the published code names them."""
    torch.manual_seed(0)
    model = GLoRIAModel.from_config(CONFIG, tokenizer()).eval()
    named = {}
    for key, value in model.state_dict().items():
        other = key.replace("image_encoder.stages.", "img_encoder.model.")
        other = other.replace("image_encoder.", "img_encoder.")
        other = other.replace("text_encoder.", "text_encoder.model.")
        named[f"gloria.{other}"] = value
    named["gloria.text_encoder.model.pooler.dense.weight"] = torch.ones(64, 64)
    named["gloria.text_encoder.model.pooler.dense.bias"] = torch.ones(64)
    named["gloria.text_encoder.model.embeddings.position_ids"] = torch.arange(100)[None]
    return model, named


class Settings:
    """Stands for the settings of a library that is not here."""

    def __init__(self) -> None:
        self.content = {"lr": 5e-5}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as Lightning writes one: settings in a class of another library."""
    library = types.ModuleType("somebodys_settings")
    monkeypatch.setitem(sys.modules, "somebodys_settings", library)
    monkeypatch.setattr(Settings, "__module__", "somebodys_settings")
    monkeypatch.setattr(library, "Settings", Settings, raising=False)
    path = tmp_path / "chexpert_resnet50.ckpt"
    content = {"epoch": 3, "state_dict": official()[1], "hyper_parameters": Settings()}
    torch.save(content, path)
    monkeypatch.delitem(sys.modules, "somebodys_settings")
    return path


@torch.no_grad()
def test_a_checkpoint_of_lightning_becomes_the_model(checkpoint: Path) -> None:
    model, _ = official()
    converted = convert_gloria(checkpoint, tokenizer())
    assert converted.config == CONFIG
    for key, value in model.state_dict().items():
        assert torch.equal(converted.state_dict()[key], value), key


def test_settings_of_other_libraries_come_back_empty(checkpoint: Path) -> None:
    found = read_lightning(checkpoint)
    assert found["epoch"] == 3
    assert vars(found["hyper_parameters"]) == {}


class Runs:
    """What an attacker would put in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()", "")


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.ckpt", tmp_path / "trace"
    torch.save({"state_dict": official()[1], "hyper_parameters": Runs(trace)}, path)
    assert isinstance(read_lightning(path)["state_dict"], dict)
    assert not trace.exists()


def test_a_key_that_no_table_knows_is_refused() -> None:
    _, state = official()
    state["gloria.img_encoder.pooler.weight"] = torch.ones(1)
    with pytest.raises(ConversionError, match=r"1 keys are in no table, such as gloria\.img_enc"):
        gloria_from_state(state, tokenizer())


def test_a_weight_that_is_missing_is_named() -> None:
    _, state = official()
    del state["gloria.img_encoder.global_embedder.weight"]
    with pytest.raises(ConversionError, match=r"image_encoder\.global_embedder\.weight is missing"):
        gloria_from_state(state, tokenizer())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"no such file"):
        read_lightning(tmp_path / "missing.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes(b"\x00no checkpoint")
    with pytest.raises(ConversionError, match=r"cannot be read as a checkpoint"):
        read_lightning(tmp_path / "damaged.ckpt")
    with (tmp_path / "old.ckpt").open("wb") as handle:
        pickle.dump({"state_dict": {}}, handle)
    with pytest.raises(ConversionError, match=r"cannot be read"):
        read_lightning(tmp_path / "old.ckpt")
