import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import SPECIAL, load_tokenizer, train_wordpiece
from carina.errors import ConfigError, ModelError

TEXTS = ("pleural effusion on the left", "no pneumothorax", "heart size is normal")
TINY = TextEncoderConfig(
    vocabulary=90, width=16, layers=2, heads=2, hidden=24, positions=20, max_tokens=12, dim=10
)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(TINY, train_wordpiece(TEXTS, 90)).eval()


def test_padding_does_not_change_an_embedding(encoder: TextEncoder) -> None:
    with torch.no_grad():
        alone = encoder(encoder.tokenize(["no pneumothorax"]))
        together = encoder(encoder.tokenize(["no pneumothorax", TEXTS[0]]))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


@given(st.lists(st.sampled_from([*TEXTS, "effusion", "heart"]), max_size=8))
def test_encode_keeps_the_order_of_the_texts(encoder: TextEncoder, texts: list[str]) -> None:
    embedded = encoder.encode(texts, batch_size=2)
    assert embedded.shape == (len(texts), 10)
    for text, row in zip(texts, embedded, strict=True):
        torch.testing.assert_close(row, encoder.encode([text])[0], atol=1e-5, rtol=1e-4)


def test_encode_leaves_the_mode_and_the_gradients_alone(encoder: TextEncoder) -> None:
    encoder.train()
    first, second = encoder.encode(TEXTS), encoder.encode(TEXTS)
    assert encoder.training
    assert not first.requires_grad
    torch.testing.assert_close(first, second)  # no dropout
    encoder.eval()


def test_a_text_too_long_is_cut_and_counted(
    encoder: TextEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    long = " ".join(["heart"] * 40)
    tokens = encoder.tokenize([long, "heart"])
    last = encoder.tokenizer.token_to_id("[SEP]")
    assert (tokens.ids.shape, tokens.cut) == ((2, 12), 1)
    assert tokens.ids[0, -1] == last
    with caplog.at_level(logging.WARNING):
        encoder.encode([long, long, "heart"])
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 texts are longer than 12 tokens; their ends were cut."
    ]
    assert "heart" not in caplog.text


def test_a_separator_written_in_a_text_is_one_token(encoder: TextEncoder) -> None:
    ids = encoder.tokenize(["heart [SEP] normal"]).ids[0].tolist()
    assert ids.count(encoder.tokenizer.token_to_id("[SEP]")) == 2


def test_special_tokens_have_the_numbers_of_bert() -> None:
    tokenizer = train_wordpiece(TEXTS, 60)
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert tokenizer.encode("Heart SIZE").tokens == tokenizer.encode("heart size").tokens


def test_a_tokenizer_comes_back_from_a_file_and_a_folder(tmp_path: Path) -> None:
    tokenizer = train_wordpiece(TEXTS, 90)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for source in (tmp_path, tmp_path / "tokenizer.json"):
        assert load_tokenizer(source).encode(TEXTS[0]).ids == tokenizer.encode(TEXTS[0]).ids


def test_a_vocabulary_file_of_bert_is_read(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "effusion", "pleural", "##s"]))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("Pleural effusions").ids == [2, 6, 5, 7, 3]


def test_word_pieces_of_reports_are_read(vocab_dir: Path) -> None:
    tokenizer = load_tokenizer(vocab_dir / "ecamp_mimic_wordpiece.json")
    tokens = tokenizer.encode("Small left pleural effusion.").tokens
    assert tokens == ["[CLS]", "small", "left", "pleural", "effusion", ".", "[SEP]"]


def test_word_pieces_without_a_separator_end_with_the_text(vocab_dir: Path) -> None:
    tokenizer = load_tokenizer(vocab_dir / "maco_mimic_wordpiece.json")
    tokens = tokenizer.encode("Small left pleural effusion.").tokens
    assert tokens == ["[CLS]", "small", "left", "pleural", "effusion", "."]


def test_a_text_encoder_wants_a_separator(vocab_dir: Path) -> None:
    tokenizer = load_tokenizer(vocab_dir / "maco_mimic_wordpiece.json")
    with pytest.raises(ModelError, match=r"lacks \[SEP\]"):
        TextEncoder(replace(TINY, vocabulary=30_000), tokenizer)


def test_files_that_are_no_tokenizer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither tokenizer\.json nor vocab\.txt"):
        load_tokenizer(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ModelError, match="is no tokenizer"):
        load_tokenizer(tmp_path / "broken.json")
    (tmp_path / "vocab.txt").write_text("effusion\n")
    with pytest.raises(ModelError, match=r"lacks \[PAD\], \[UNK\]"):
        load_tokenizer(tmp_path)
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "words.json"))
    with pytest.raises(ModelError, match=r"words\.json: lacks \[PAD\]"):
        load_tokenizer(tmp_path / "words.json")


def test_a_name_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str) -> Tokenizer:
        raise OSError("no network")

    monkeypatch.setattr("carina.encoders.tokenizer.Tokenizer", type("T", (), {}), raising=True)
    monkeypatch.setattr(
        "carina.encoders.tokenizer.Tokenizer.from_pretrained", offline, raising=False
    )
    with pytest.raises(ModelError, match="someone/some-bert: is no file or folder here"):
        load_tokenizer("someone/some-bert")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 5}, "divide width"),
        ({"layers": 0}, "at least 1"),
        ({"max_tokens": 600}, "max_tokens"),
        ({"dropout": 1.5}, "dropout"),
    ],
)
def test_text_encoders_that_cannot_be_built_are_refused(
    wrong: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        TextEncoderConfig(**wrong)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than the text encoder's vocabulary of 10"):
        TextEncoder(
            TextEncoderConfig(vocabulary=10, width=4, layers=1, heads=1, hidden=4),
            train_wordpiece(TEXTS, 60),
        )


def test_a_tokenizer_without_padding_is_refused() -> None:
    words = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(ModelError, match=r"lacks \[PAD\]"):
        TextEncoder(TINY, words)


def test_a_vocabulary_too_small_for_the_special_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="above 5"):
        train_wordpiece(TEXTS, 5)
