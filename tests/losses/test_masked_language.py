"""Errors of masked words and of weighted pictures against values worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from carina.losses import masked_language
from carina.losses.masked_language import masked_word_loss
from carina.losses.reconstruction import patches_of, picture_of, weighted_squares


def as_they_are(tokens: Tensor) -> Tensor:
    return tokens


def test_words_count_by_their_weights() -> None:
    # Logits (0, 0): log 2 whatever the word. Logits (log 3, 0): the first word has 3 / 4.
    tokens = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    total, count = masked_word_loss(
        as_they_are, tokens, torch.tensor([1, 0]), torch.tensor([0.05, 2.0])
    )
    expected = 0.05 * math.log(2) + 2.0 * math.log(4 / 3)
    assert total.item() == pytest.approx(expected, abs=1e-6)
    assert count.item() == 2


def test_many_words_give_the_same_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    head = torch.nn.Linear(4, 7)
    originals, weights = torch.arange(5), torch.rand(5)
    found = []
    for most in (8192, 2):
        monkeypatch.setattr(masked_language, "WORDS_AT_A_TIME", most)
        tokens = torch.linspace(-1, 1, 20).view(5, 4).requires_grad_()
        head.zero_grad()
        total, count = masked_word_loss(head, tokens, originals, weights)
        total.backward()
        found.append((total.detach(), count, tokens.grad, head.weight.grad.clone()))
    torch.testing.assert_close(found[0], found[1])


def test_no_words_have_no_error() -> None:
    nothing = torch.zeros(0, 3, requires_grad=True)
    total, count = masked_word_loss(
        as_they_are, nothing, torch.zeros(0, dtype=torch.long), torch.zeros(0)
    )
    assert (total.item(), count.item()) == (0.0, 0.0)


def test_pictures_are_put_together_as_they_were_cut() -> None:
    pictures = torch.arange(2 * 3 * 8 * 8).float().view(2, 3, 8, 8)
    assert torch.equal(picture_of(patches_of(pictures, 4), 4), pictures)
    assert torch.equal(picture_of(patches_of(pictures[:, :1], 2), 2), pictures[:, :1])


def test_pixels_count_by_their_window() -> None:
    # One pixel of four counts, twice; two channels are off by 1 and 3: (1 + 9) / 2 = 5.
    # 5 * 2 / 4 = 2.5; the second picture is guessed.
    guessed, target = torch.zeros(2, 2, 2, 2), torch.zeros(2, 2, 2, 2)
    target[0, 0], target[0, 1] = 1.0, 3.0
    weights = torch.zeros(2, 1, 2, 2)
    weights[0, 0, 1, 0] = 2.0
    total, count = weighted_squares(guessed, target, weights)
    assert total.item() == pytest.approx(2.5)
    assert count.item() == 2
