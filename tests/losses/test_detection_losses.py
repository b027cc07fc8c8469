import math

import pytest
import torch

from carina.losses.detection import focal_loss, giou_loss


def test_giou_by_hand() -> None:
    # Side by side: no overlap, a hull of 3 x 1 with one empty cell: -1/3.
    predicted = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    truth = torch.tensor([[2.0, 0.0, 3.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    total, count = giou_loss(predicted, truth)
    assert float(total) == pytest.approx(4 / 3)
    assert float(count) == 2


def test_no_box_costs_nothing() -> None:
    total, count = giou_loss(torch.zeros(0, 4), torch.zeros(0, 4))
    assert (float(total), float(count)) == (0.0, 0.0)


def test_focal_loss_by_hand() -> None:
    logits = torch.zeros(1, 1, 2)
    targets = torch.tensor([[[1.0, 0.0]]])
    by_hand = 0.25 * 0.25 * math.log(2) + 0.75 * 0.25 * math.log(2)
    assert float(focal_loss(logits, targets)) == pytest.approx(by_hand)


def test_what_is_right_counts_little() -> None:
    right = focal_loss(torch.full((1, 1, 1), 4.0), torch.ones(1, 1, 1))
    wrong = focal_loss(torch.full((1, 1, 1), -4.0), torch.ones(1, 1, 1))
    assert float(right) < 1e-4 * float(wrong)
