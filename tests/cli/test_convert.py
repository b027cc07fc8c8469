import sys
from pathlib import Path

import pytest
import torch

from carina.cli.main import main
from carina.conversion.table import read_checkpoint
from carina.encoders.tokenizer import train_wordpiece

sys.path.insert(0, str(Path(__file__).parents[1] / "conversion"))
from test_kad_conversion import RESNET, model_of, official


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_convert_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = train_wordpiece(["pleural effusion"], 60)
    words.save(str(tmp_path / "tokenizer.json"))
    parts = official(model_of(RESNET, words, 224))
    torch.save(parts, tmp_path / "best.pt")
    folder, back = tmp_path / "model", tmp_path / "mine.pt"
    told = ("--tokenizer", tmp_path / "tokenizer.json", "--out", folder)
    assert run("convert", "kad", tmp_path / "best.pt", *told) == 0
    printed = capsys.readouterr().out
    assert "1 left out, such as resnet.fc.weight: the classifier of ImageNet" in printed
    like = ("--back-like", tmp_path / "best.pt", "--out", back)
    assert run("convert", "kad", folder, *like) == 0
    assert "image_encoder: " in capsys.readouterr().out
    again = read_checkpoint(back)
    for name, state in parts.items():
        assert all(torch.equal(again[name][key], value) for key, value in state.items())


def test_a_wrong_system_or_file_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", "clip", tmp_path / "a.pt", "--out", tmp_path / "b") == 2
    assert "no system 'clip'" in capsys.readouterr().err
    told = ("--tokenizer", tmp_path / "t.json", "--out", tmp_path / "b")
    assert run("convert", "maco", tmp_path / "a.pt", *told) == 1
    assert "a.pt: no such file; expected a checkpoint" in capsys.readouterr().err


def test_weights_to_start_from_become_safetensors(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.ones(2)}, tmp_path / "resnet50.pth")
    out = tmp_path / "resnet50.safetensors"
    assert run("convert", "imagenet", tmp_path / "resnet50.pth", "--out", out) == 0
    assert out.exists()
