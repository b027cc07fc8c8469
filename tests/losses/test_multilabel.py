import math

import pytest
import torch

from carina.losses.multilabel import multilabel_loss

NAN = float("nan")


def test_the_loss_is_what_it_is_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, -1.0]])
    labels = torch.tensor([[1.0, 0.0], [NAN, 1.0]])
    total, count = multilabel_loss(logits, labels, torch.ones(2))
    by_hand = math.log(2) + math.log(1 + math.exp(2)) + math.log(1 + math.exp(1))
    assert float(total) == pytest.approx(by_hand, rel=1e-6)
    assert float(count) == 3


def test_weights_multiply_present_labels_alone() -> None:
    logits = torch.zeros(2, 1)
    labels = torch.tensor([[1.0], [0.0]])
    total, _ = multilabel_loss(logits, labels, torch.tensor([3.0]))
    assert float(total) == pytest.approx(4 * math.log(2), rel=1e-6)


def test_an_unknown_label_has_no_gradient() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    total, _ = multilabel_loss(logits, torch.tensor([[NAN, 1.0]]), torch.ones(2))
    total.backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0.0, -0.5]


def test_nothing_known_is_zero_over_zero_and_not_nan() -> None:
    total, count = multilabel_loss(torch.zeros(2, 1), torch.full((2, 1), NAN), torch.ones(1))
    assert (float(total), float(count)) == (0.0, 0.0)
