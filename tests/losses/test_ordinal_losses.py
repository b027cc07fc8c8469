import math

import pytest
import torch

from carina.losses.ordinal import absolute_loss, cumulative_loss

NAN = float("nan")


def test_a_grade_answers_as_many_questions_as_there_are_steps() -> None:
    # Grade 2 of 0..3: "at least 1" yes, "at least 2" yes, "at least 3" no.
    logits = torch.tensor([[[3.0, 1.0, -2.0]]])
    total, count = cumulative_loss(logits, torch.tensor([[2.0]]))
    by_hand = sum(math.log(1 + math.exp(-x)) for x in (3.0, 1.0, 2.0)) / 3
    assert float(total) == pytest.approx(by_hand, rel=1e-6)
    assert float(count) == 1


@pytest.mark.parametrize("loss", [cumulative_loss, absolute_loss])
def test_what_is_not_known_teaches_nothing(loss) -> None:
    shape = (2, 1, 3) if loss is cumulative_loss else (2, 1)
    values = torch.randn(shape, requires_grad=True)
    total, count = loss(values, torch.tensor([[NAN], [1.0]]))
    total.backward()
    assert values.grad is not None
    assert not values.grad[0].any()
    assert values.grad[1].any()
    assert float(count) == 1


def test_large_errors_count_by_their_size_and_small_ones_by_its_square() -> None:
    predicted = torch.tensor([[3.0], [0.4]])
    total, _ = absolute_loss(predicted, torch.zeros(2, 1))
    assert float(total) == pytest.approx(2.5 + 0.08)
