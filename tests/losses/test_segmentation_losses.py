import math

import pytest
import torch

from carina.losses.segmentation import focal_entropy, log_dice, mask_entropy, soft_dice

BIG = 30.0


def test_dice_is_what_it_is_by_hand() -> None:
    # p = 1/2 on four pixels, two of them true: 1 - (2 * 1 + 1) / (2 + 2 + 1)
    masks = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    total, count = soft_dice(torch.zeros(1, 1, 2, 2), masks, torch.tensor([[True]]))
    assert float(total) == pytest.approx(1 - 3 / 5)
    assert float(count) == 1


def test_a_perfect_mask_and_an_empty_one_cost_nothing() -> None:
    masks = torch.zeros(1, 2, 2, 2)
    masks[0, 0, 0] = 1
    logits = torch.where(masks > 0, BIG, -BIG)
    total, _ = soft_dice(logits, masks, torch.tensor([[True, True]]))
    assert float(total) == pytest.approx(0.0, abs=1e-6)


def test_entropy_is_the_mean_over_pixels() -> None:
    logits = torch.zeros(2, 1, 3, 3)
    total, count = mask_entropy(logits, torch.zeros(2, 1, 3, 3), torch.ones(2, 1).bool())
    assert float(total) == pytest.approx(2 * math.log(2))
    assert float(count) == 2


@pytest.mark.parametrize("loss", [mask_entropy, soft_dice])
def test_an_unknown_mask_teaches_nothing(loss) -> None:
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    masks = (torch.rand(1, 2, 4, 4) > 0.5).float()
    total, count = loss(logits, masks, torch.tensor([[False, True]]))
    total.backward()
    assert logits.grad is not None
    assert not logits.grad[0, 0].any()
    assert logits.grad[0, 1].any()
    assert float(count) == 1


def test_focal_entropy_equals_values_worked_by_hand() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])
    masks = torch.tensor([[[[1.0, 1.0]]]])
    known = torch.ones(1, 1, dtype=torch.bool)
    # Probabilities 1/2 and 3/4: 0.25 * log 2 and 0.0625 * log(4/3), halved by the mean.
    total, count = focal_entropy(logits, masks, known)
    expected = (0.25 * math.log(2) + 0.0625 * math.log(4 / 3)) / 2
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert float(count) == 1


def test_log_dice_takes_all_known_masks_together() -> None:
    logits = torch.full((2, 2, 1, 2), 100.0)
    masks = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]], [[[1.0, 1.0]], [[0.0, 0.0]]]])
    known = torch.tensor([[True, False], [True, False]])
    # Both masks of the first structure: (2 * 3 + 1) / (4 + 3 + 1).
    loss, once = log_dice(logits, masks, known)
    assert float(loss) == pytest.approx(-math.log(7 / 8), rel=1e-5)
    assert float(once) == 1
