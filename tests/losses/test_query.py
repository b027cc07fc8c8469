import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from carina.losses.query import existence_loss


def test_existence_loss_equals_value_worked_by_hand() -> None:
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [9.0, -9.0]]])
    labels = torch.tensor([[1, 1, -1]])
    # Present with margin 1: log(1 + e^-1); present with margin -2: log(1 + e^2); ignored: nothing.
    total, count = existence_loss(logits, labels)
    expected = math.log1p(math.exp(-1)) + math.log1p(math.exp(2))
    assert total.item() == pytest.approx(expected, abs=1e-5)
    assert count.item() == 2


def test_positive_weight_multiplies_present_findings_only() -> None:
    logits = torch.zeros(1, 2, 2)
    total, count = existence_loss(logits, torch.tensor([[1, 0]]), torch.tensor([3.0, 5.0]))
    assert total.item() == pytest.approx((3 + 1) * math.log(2), abs=1e-5)
    assert count.item() == 2


@given(seed=st.integers(0, 2**32 - 1))
def test_existence_loss_is_binary_cross_entropy_of_the_difference(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(3, 5, 2, generator=generator)
    labels = torch.randint(0, 2, (3, 5), generator=generator)
    weight = torch.rand(5, generator=generator) + 0.5
    expected = F.binary_cross_entropy_with_logits(
        logits[..., 1] - logits[..., 0], labels.float(), reduction="sum", pos_weight=weight
    )
    torch.testing.assert_close(
        existence_loss(logits, labels, weight)[0], expected, rtol=1e-4, atol=1e-4
    )


def test_in_half_precision_sum_and_count_are_those_of_the_rounded_logits() -> None:
    logits = torch.randn(33, 41, 2, generator=torch.Generator().manual_seed(0)).bfloat16()
    labels = torch.ones(33, 41, dtype=torch.long)
    total, count = existence_loss(logits, labels)
    margins = (logits[..., 0].double() - logits[..., 1].double()).numpy()
    assert total.item() == pytest.approx(float(np.logaddexp(0, margins).sum()), rel=1e-6)
    assert count.item() == 33 * 41  # 1353, which bfloat16 would make 1352


def test_nothing_labelled_gives_zero_of_zero() -> None:
    total, count = existence_loss(torch.randn(2, 3, 2), torch.full((2, 3), -1))
    assert (total.item(), count.item()) == (0.0, 0.0)
