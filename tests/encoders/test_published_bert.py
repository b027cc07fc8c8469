"""BERTs that others published, read from folders and from the hub."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from carina.encoders.published_bert import read_bert
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ModelError

TEXTS = ("pleural effusion on the left", "no pneumothorax", "heart size is normal")
TINY = TextEncoderConfig(
    vocabulary=90, width=16, layers=2, heads=2, hidden=24, positions=20, max_tokens=12, dim=10
)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(TINY, train_wordpiece(TEXTS, 90)).eval()


@pytest.fixture
def folder(encoder: TextEncoder, publish: Callable[..., Path], tmp_path: Path) -> Path:
    return publish(encoder, tmp_path / "bert")


def pooled(encoder: TextEncoder, texts: tuple[str, ...] = TEXTS) -> torch.Tensor:
    tokens = encoder.tokenize(texts)
    with torch.no_grad():
        return encoder.bert(tokens.ids, tokens.mask).pooled


def test_what_transformers_saved_gives_their_numbers(encoder: TextEncoder, tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=90,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=20,
        max_position_embeddings=30,
    )
    theirs = BertModel(config).eval()
    theirs.save_pretrained(tmp_path)
    encoder.tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = TextEncoder.from_bert(tmp_path, dim=6, max_tokens=12).eval()
    tokens = ours.tokenize(TEXTS)
    expected = theirs(input_ids=tokens.ids, attention_mask=tokens.mask).pooler_output
    torch.testing.assert_close(pooled(ours), expected.detach(), atol=1e-5, rtol=1e-5)
    assert (ours.config.positions, ours.config.dim, ours.config.max_tokens) == (30, 6, 12)
    assert ours.encode(TEXTS).shape == (3, 6)


def test_a_bert_is_read_from_a_folder(encoder: TextEncoder, folder: Path) -> None:
    again = TextEncoder.from_bert(folder, dim=10, max_tokens=12).eval()
    assert again.config == encoder.config
    assert torch.equal(pooled(again), pooled(encoder))


def test_heads_prefixes_and_old_norm_names_are_understood(
    encoder: TextEncoder, folder: Path
) -> None:
    weights = {
        "bert." + key.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): value
        for key, value in load_file(folder / "model.safetensors").items()
    }
    weights |= {"cls.predictions.bias": torch.zeros(90), "cls.seq_relationship.bias": torch.ones(2)}
    weights["bert.embeddings.position_ids"] = torch.arange(20)[None]
    save_file(weights, folder / "model.safetensors")
    again = TextEncoder.from_bert(folder, max_tokens=12).eval()
    assert torch.equal(pooled(again), pooled(encoder))


def test_a_missing_pooler_is_drawn_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("pooler")}
    save_file(kept, folder / "model.safetensors")
    with caplog.at_level(logging.WARNING):
        TextEncoder.from_bert(folder, max_tokens=12)
    assert [record.getMessage() for record in caplog.records] == [
        "The BERT was published without a pooler; a fresh one was drawn."
    ]


def test_a_pickle_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="Pickles are not read, because they can run code"):
        read_bert(folder)


def test_incomplete_and_damaged_folders_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_bert(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="is no folder with a BERT"):
        read_bert(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds a list, expected a JSON object"):
        read_bert(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="is no folder with a BERT"):
        read_bert(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "roberta"}, "of the kind 'roberta', expected 'bert'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu', expected 'gelu'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": "wide"}, r"its config\.json gives no usable"),
        ({"num_hidden_layers": 3}, "the weights do not fit its config.json: Missing key"),
    ],
)
def test_what_is_no_plain_bert_is_refused(
    encoder: TextEncoder,
    publish: Callable[..., Path],
    tmp_path: Path,
    changed: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(ModelError, match=message):
        read_bert(publish(encoder, tmp_path, **changed))


def test_a_config_that_lacks_a_size_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no usable 'vocab_size'"):
        read_bert(folder)


def test_a_bert_of_the_hub_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = BertModel.from_pretrained(folder)
    asked = []

    def fetched(name: str, *, use_safetensors: bool) -> BertModel:
        asked.append((name, use_safetensors))
        return theirs

    monkeypatch.setattr(BertModel, "from_pretrained", fetched)
    published = read_bert("someone/some-bert")
    assert asked == [("someone/some-bert", True)]
    assert torch.equal(published.bert.pooler.dense.weight, theirs.pooler.dense.weight)


def test_a_bert_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, *, use_safetensors: bool) -> BertModel:
        raise OSError("no network")

    monkeypatch.setattr(BertModel, "from_pretrained", offline)
    with pytest.raises(ModelError, match=r"someone/some-bert: is no folder here.*OSError"):
        read_bert("someone/some-bert")
