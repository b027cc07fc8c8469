"""Model folders that are whole, and what is said of those that are not."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import carina
from carina.errors import ConfigError, ModelError, OutputError
from carina.models.folder import load_model, save_model


@pytest.fixture
def folder(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))


def header(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def halved(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: header(f, format=2, carina="9.9"), "format 2, written by carina 9.9"),
        (lambda f: header(f, model="MaCo"), "model 'MaCo' is not known"),
        (lambda f: header(f, config={"class": "KADConfig"}), "other fields than this version"),
        (lambda f: (f / "config.json").write_text("[]"), "format 'list'"),
        (lambda f: halved(f, "config.json"), "cannot be read as JSON"),
        (lambda f: (f / "config.json").unlink(), r"holds no config\.json"),
        (lambda f: halved(f, "model.safetensors"), "does not hold the weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "does not hold the weights"),
        (lambda f: (f / "model.safetensors").unlink(), "does not hold the weights"),
        (lambda f: (f / "tokenizer.json").unlink(), "missing"),
        (lambda f: halved(f, "tokenizer.json"), "is no tokenizer"),
        (shutil.rmtree, "is no folder"),
    ],
)
def test_a_damaged_folder_is_named_with_what_is_wrong(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=message) as told:
        carina.load(folder)
    assert str(folder) in str(told.value)


def test_an_answer_tells_which_weights_gave_it(folder: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:16]
    told = f"KADModel of {folder}, weights sha256 {digest}"
    film = np.full((40, 50), 0.5, np.float32)
    carina.load(folder).ask([film], ["pneumothorax"]).save(tmp_path / "answer")
    assert json.loads((tmp_path / "answer" / "scores.json").read_text())["model"] == told
    assert f"Model: {told}" in (tmp_path / "answer" / "index.html").read_text()


def test_a_model_that_asks_by_names_takes_no_prompts(folder: Path) -> None:
    with pytest.raises(ConfigError, match="A KADModel is asked by the name of a finding"):
        carina.load(folder, prompts="maco")
    with pytest.raises(ConfigError, match="There is no prompt set 'clip'"):
        carina.load(folder, prompts="clip")


def test_a_text_encoder_answers_no_queries(tiny_run: Path) -> None:
    with pytest.raises(ModelError, match="its model, TextEncoder, answers no queries"):
        carina.load(tiny_run / "knowledge")


def test_weights_of_another_model_are_refused(folder: Path, tiny_run: Path) -> None:
    other = tiny_run / "knowledge" / "model" / "model.safetensors"
    shutil.copy(other, folder / "model.safetensors")
    with pytest.raises(ModelError, match="does not hold the weights"):
        load_model(folder)


def test_a_module_of_no_known_class_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Identity is no model that can be saved"):
        save_model(nn.Identity(), tmp_path / "model", "")
    assert not list(tmp_path.iterdir())


def test_a_model_takes_the_place_of_an_earlier_model_and_of_nothing_else(
    folder: Path, tmp_path: Path
) -> None:
    model, thesis = load_model(folder), tmp_path / "mine" / "thesis.txt"
    save_model(model, tmp_path / "model", card="first")
    save_model(model, tmp_path / "model", card="second")
    assert (tmp_path / "model" / "card.md").read_text() == "second"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(OutputError, match=r"holds 'thesis\.txt', which is no part of a model"):
        save_model(model, thesis.parent, card="")
    with pytest.raises(OutputError, match="is a file, expected a folder to write to"):
        save_model(model, thesis, card="")
    assert thesis.read_text() == "years of work"
    assert [path.name for path in thesis.parent.iterdir()] == ["thesis.txt"]


def test_of_the_folder_of_a_fine_tuning_one_of_its_models_is_named(tmp_path: Path) -> None:
    (tmp_path / "finetune.json").write_text("{}")
    for seed in ("seed1", "seed0"):
        (tmp_path / "kad" / "0.1" / seed / "model").mkdir(parents=True)
        (tmp_path / "kad" / "0.1" / seed / "model" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"such as .*kad/0\.1/seed0\."):
        load_model(tmp_path)
