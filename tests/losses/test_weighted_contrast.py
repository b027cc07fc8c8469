import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from carina.losses.weighted_contrast import scaled_cosine_contrast, weighted_contrast

ONE = torch.tensor(1.0)
IMAGES = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
REPORTS = torch.tensor([[1.0, 0.0], [3.0, 0.0]])


def pairs(seed: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images, reports = torch.randn(2, count, 5, dtype=torch.float64, generator=generator)
    importance = torch.rand(count, dtype=torch.float64, generator=generator) + 0.1
    return images, reports, importance


def test_contrast_equals_value_worked_by_hand() -> None:
    # Cosines [[1, 1], [0, 0]]: each image gives log 2, the reports log(1 + 1/e) and log(1 + e).
    total, count = scaled_cosine_contrast(IMAGES, REPORTS, IMAGES, REPORTS, first=0, scale=ONE)
    by_hand = (2 * math.log(2) + math.log(1 + 1 / math.e) + math.log(1 + math.e)) / 2
    assert (total.item(), count.item()) == pytest.approx((by_hand, 2.0))


def test_importance_sharpens_a_pair_and_weighs_its_loss() -> None:
    importance = torch.tensor([2.0, 1.0])
    (sharp, n), (weighted, m) = weighted_contrast(
        *(IMAGES, REPORTS, importance), *(IMAGES, REPORTS, importance), first=0, scale=ONE
    )
    # The first report's logits [1, 0] become [2, 0]; the other rows stay.
    by_hand = 2 * math.log(2) + math.log(1 + math.exp(-2)) + math.log(1 + math.e)
    assert (sharp / n).item() == pytest.approx(by_hand / 4)
    # Weights 2/3 and 1/3 of the plain losses, rows of images and rows of reports.
    images = math.log(2)
    reports = (2 * math.log(1 + 1 / math.e) + math.log(1 + math.e)) / 3
    assert (weighted / m).item() == pytest.approx((images + reports) / 2)


def test_the_weight_of_a_loss_carries_no_gradient() -> None:
    images, reports, importance = pairs(0, 4)
    importance.requires_grad_()
    _, (weighted, _) = weighted_contrast(
        *(images, reports, importance), *(images, reports, importance), first=0, scale=ONE.double()
    )
    assert not weighted.requires_grad
    (sharp, _), _ = weighted_contrast(
        *(images, reports, importance), *(images, reports, importance), first=0, scale=ONE.double()
    )
    sharp.backward()
    assert importance.grad is not None
    assert importance.grad.abs().sum() > 0


@given(seed=st.integers(0, 2**31), share=st.sampled_from([1, 2, 3, 6]))
def test_shares_of_a_batch_add_up_to_the_whole(seed: int, share: int) -> None:
    whole = pairs(seed, 6)
    scale = torch.tensor(7.0, dtype=torch.float64)
    expected = weighted_contrast(*whole, *whole, first=0, scale=scale)
    for place in range(2):
        parts = [
            weighted_contrast(*(w[i : i + share] for w in whole), *whole, first=i, scale=scale)
            for i in range(0, 6, share)
        ]
        total = sum(part[place][0] for part in parts)
        count = sum(part[place][1] for part in parts)
        torch.testing.assert_close(total / count, expected[place][0] / expected[place][1])


def test_equal_importance_of_one_is_plain_contrast() -> None:
    images, reports, _ = pairs(1, 5)
    ones = torch.ones(5, dtype=torch.float64)
    scale = torch.tensor(3.0, dtype=torch.float64)
    plain, count = scaled_cosine_contrast(images, reports, images, reports, first=0, scale=scale)
    for total, n in weighted_contrast(
        *(images, reports, ones), *(images, reports, ones), first=0, scale=scale
    ):
        torch.testing.assert_close(total / n, plain / count)


def test_no_importance_at_all_gives_numbers() -> None:
    images, reports, _ = pairs(2, 3)
    nothing = torch.zeros(3, dtype=torch.float64)
    terms = weighted_contrast(
        *(images, reports, nothing), *(images, reports, nothing), first=0, scale=ONE.double()
    )
    assert all(torch.isfinite(total) for total, _ in terms)
