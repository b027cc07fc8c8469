"""Pieces that become words, on a vocabulary of a few."""

import logging

import pytest
import torch
from tokenizers import Tokenizer

from carina.encoders.tokenizer import load_tokenizer, train_wordpiece
from carina.encoders.tokens import Tokens
from carina.encoders.words import WordEncoder, WordEncoderConfig, gathered
from carina.errors import ConfigError, ModelError

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "pneumo", "##thorax", "no", "mass", "##es")
CONFIG = WordEncoderConfig(
    vocabulary=12,
    width=8,
    layers=3,
    heads=2,
    hidden=12,
    positions=8,
    max_tokens=8,
    dropout=0.0,
    last_layers=2,
)


@pytest.fixture
def tokenizer(tmp_path) -> Tokenizer:
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES))
    return load_tokenizer(tmp_path)


@pytest.fixture
def encoder(tokenizer: Tokenizer) -> WordEncoder:
    torch.manual_seed(0)
    return WordEncoder(CONFIG, tokenizer)


def test_pieces_that_go_on_belong_to_the_word_before(encoder: WordEncoder) -> None:
    tokens = encoder.tokenize(["no pneumothorax", "masses"])
    # [CLS] no pneumo ##thorax [SEP], and [CLS] mass ##es [SEP] with one piece of padding.
    assert encoder.entries(tokens).tolist() == [[0, 1, 2, 2, 3], [0, 1, 1, 2, -1]]
    assert encoder.word_numbers(tokens.ids[0].tolist()) == [0, 1, 2, 2, 3]


def test_a_word_is_the_sum_of_its_pieces_and_a_report_the_mean_of_all() -> None:
    pieces = torch.tensor([[[1.0], [2.0], [3.0], [5.0], [99.0]]])
    entries = torch.tensor([[0, 1, 1, 2, -1]])
    words = gathered(pieces, entries, torch.tensor([[1, 1, 1, 1, 0]]))
    assert words.vectors.tolist() == [[[1.0], [5.0], [5.0]]]
    assert words.lengths.tolist() == [3]
    assert words.reports.tolist() == [[11 / 4]]
    assert words.counted.tolist() == [[True, True, False]]
    assert words.named.tolist() == [[False, True, False]]


@torch.no_grad()
def test_the_last_layers_are_added_up(encoder: WordEncoder) -> None:
    tokens = encoder.tokenize(["no mass"])
    seen = tokens.mask.bool()[:, None, None]
    hidden = encoder.embeddings(tokens.ids)
    layers = []
    for layer in encoder.encoder.layer:
        hidden = layer(hidden, seen)
        layers.append(hidden)
    torch.testing.assert_close(encoder.pieces(tokens), layers[1] + layers[2])


@torch.no_grad()
def test_padding_and_batches_change_nothing(encoder: WordEncoder) -> None:
    texts = ["no pneumothorax", "mass", "no masses", "no"]
    together, apart = encoder.encode(texts), encoder.encode(texts, batch_size=1)
    assert together.lengths.equal(apart.lengths)
    torch.testing.assert_close(together.vectors, apart.vectors)
    torch.testing.assert_close(together.reports, apart.reports)
    assert together.vectors[1, 3:].abs().sum() == 0


def test_a_text_too_long_keeps_its_end_token_and_is_counted(encoder: WordEncoder) -> None:
    tokens = encoder.tokenize(["no " * 20, "no"])
    assert tokens.cut == 1
    assert tokens.ids[0].tolist() == [2, *[7] * 6, 3]


def test_a_word_that_is_not_known_counts_as_one(encoder: WordEncoder) -> None:
    # The published code drops the last word of such a caption: [UNK] begins as [CLS] does.
    words = encoder.encode(["no edema"])
    assert words.lengths.tolist() == [4]
    assert words.named.sum().item() == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, r"at least 1"),
        ({"heads": 3}, r"heads \(3\) must divide width \(8\)"),
        ({"max_tokens": 9}, r"max_tokens must be between 3 and positions \(8\), got 9"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"last_layers": 4}, r"last_layers must be between 1 and layers \(3\), got 4"),
        ({"last_layers": 0}, r"last_layers must be between 1 and layers"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, float], message: str) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)


def test_a_tokenizer_that_does_not_fit_is_refused(vocabulary_without_end: Tokenizer) -> None:
    with pytest.raises(ConfigError, match=r"entries, more than the word encoder's vocabulary"):
        WordEncoder(CONFIG, train_wordpiece(["no pneumothorax, no mass"], 80))
    with pytest.raises(ModelError, match=r"The tokenizer lacks \[SEP\]"):
        WordEncoder(CONFIG, vocabulary_without_end)


@pytest.fixture
def vocabulary_without_end() -> Tokenizer:
    from tokenizers import models

    pieces = {piece: number for number, piece in enumerate(PIECES) if piece != "[SEP]"}
    return Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))


def test_tokens_of_another_device_are_not_needed(encoder: WordEncoder) -> None:
    tokens = Tokens(ids=torch.tensor([[2, 7, 3]]), mask=torch.ones(1, 3, dtype=torch.long))
    assert encoder(tokens).lengths.tolist() == [3]


def test_texts_that_were_cut_are_told_and_others_are_not(
    encoder: WordEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        encoder.encode(["no mass"])
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        encoder.encode(["no " * 20, "no", "mass " * 9], batch_size=1)
    (told,) = caplog.records
    assert told.getMessage().startswith("2 of 3 texts are longer than 8 tokens")
