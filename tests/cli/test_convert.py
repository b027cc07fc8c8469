import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from carina.cli.main import main
from carina.conversion.table import read_checkpoint
from carina.encoders.tokenizer import train_wordpiece

sys.path.insert(0, str(Path(__file__).parents[1] / "conversion"))
from test_finetuned_conversion import classifier
from test_kad_conversion import RESNET, model_of, official
from test_starts import resnet


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


def test_weights_to_start_from_become_safetensors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = resnet()
    torch.save(weights, tmp_path / "resnet50.pth")
    out = tmp_path / "resnet50.safetensors"
    assert run("convert", "imagenet", tmp_path / "resnet50.pth", "--out", out) == 0
    assert out.exists()
    printed = capsys.readouterr().out
    assert f"{len(weights) - 2} keys taken over" in printed
    assert "2 left out, such as fc.weight: the classifier of ImageNet" in printed


def test_options_that_do_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.pth", ("--out", tmp_path / "b")
    assert run("convert", "mae", file, *out, "--check") == 2
    assert "--check and --back-like are of no use to mae" in capsys.readouterr().err
    assert run("convert", "imagenet", file, *out, "--tokenizer", "t.json") == 2
    assert "--tokenizer is of no use to imagenet" in capsys.readouterr().err
    assert run("convert", "kad", file, *out, "--back-like", file, "--size", 224) == 2
    assert "--size is of no use to --back-like" in capsys.readouterr().err


def test_a_fine_tuned_classifier_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(classifier(), tmp_path / "best.bin")
    (tmp_path / "names.json").write_text('["Mass", "Nodule", "Edema"]')
    told = ("--findings", tmp_path / "names.json", "--out", tmp_path / "model")
    assert run("convert", "ecamp-classification", tmp_path / "best.bin", *told) == 0
    Image.new("L", (40, 50), 90).save(tmp_path / "film.png")
    asked = ("--query", "nodule", "--query", "mass")
    assert run("ask", tmp_path / "model", tmp_path / "film.png", *asked) == 0
    assert "nodule" in capsys.readouterr().out
    assert run("ask", tmp_path / "model", tmp_path / "film.png", "--query", "fracture") != 0
    assert "trained on mass, nodule, edema" in " ".join(capsys.readouterr().err.split())
