import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carina.losses.position import NO_CHOICE, position_contrast

POSITIONS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])


def test_position_contrast_equals_value_worked_by_hand() -> None:
    predicted = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    # Inner products: 1, 1, 4.5 and 0, 2, 3. The first is at position 1, against 0 and 2:
    # log(e^1 + e^1 + e^4.5) - 1 = 3.558641; the second at 2, against 0 alone:
    # log(e^3 + e^0) - 3 = 0.048587. Unit vectors or a temperature would give other values.
    total, count = position_contrast(
        predicted, POSITIONS, torch.tensor([[1, 0, 2], [2, 0, NO_CHOICE]])
    )
    expected = math.log(2 * math.e + math.exp(4.5)) - 1 + math.log(math.exp(3) + 1) - 3
    assert total.item() == pytest.approx(expected, abs=1e-6)
    assert count.item() == 2


def test_a_batch_without_a_finding_gives_nothing_and_a_gradient_of_zero() -> None:
    head = torch.nn.Linear(4, 2)
    predicted = head(torch.zeros(0, 4))
    total, count = position_contrast(predicted, POSITIONS, torch.zeros(0, 3, dtype=torch.long))
    assert (total.item(), count.item()) == (0, 0)
    total.backward()
    assert head.weight.grad is not None
    assert head.weight.grad.abs().sum() == 0


def test_no_wrong_position_costs_nothing() -> None:
    total, _ = position_contrast(torch.randn(1, 2), POSITIONS, torch.tensor([[2, NO_CHOICE]]))
    assert total.item() == 0


@given(seed=st.integers(0, 2**32 - 1), split=st.integers(0, 6))
def test_parts_of_a_batch_add_up_to_the_whole(seed: int, split: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    choices = torch.stack([torch.randperm(3, generator=generator) for _ in range(6)])
    positions = POSITIONS.double()
    whole, count = position_contrast(predicted, positions, choices)
    first, one = position_contrast(predicted[:split], positions, choices[:split])
    second, other = position_contrast(predicted[split:], positions, choices[split:])
    torch.testing.assert_close(first + second, whole)
    assert one + other == count == 6
