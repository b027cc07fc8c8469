import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carina.losses.contrast import cosine_contrast, directed_contrast, scaled_dot_contrast

seeds = st.integers(0, 2**32 - 1)


def test_cosine_contrast_equals_value_worked_by_hand() -> None:
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    report = torch.tensor([[5.0, 0.0], [1.0, 0.0]])
    # Cosines [[1, 1], [0, 0]]; each row gives log 2. Columns: log(1 + 1/e) and log(1 + e).
    expected = 2 * math.log(2) + math.log1p(math.exp(-1)) + math.log1p(math.e)
    total, count = cosine_contrast(image, report, image, report, first=0, temperature=1.0)
    assert total.item() == pytest.approx(expected, abs=1e-5)
    assert count.item() == 2


def test_scaled_dot_contrast_equals_value_worked_by_hand() -> None:
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    report = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    # Products [[2, 2], [0, 0]] times 0.5: rows give log 2; columns log(1 + 1/e), log(1 + e).
    expected = (2 * math.log(2) + math.log1p(math.exp(-1)) + math.log1p(math.e)) / 2
    total, _ = scaled_dot_contrast(image, report, image, report, first=0, scale=0.5)
    assert total.item() == pytest.approx(expected, abs=1e-5)


@given(seed=seeds, processes=st.sampled_from([1, 2, 3]), share=st.integers(1, 4))
def test_shares_of_a_batch_add_up_to_the_loss_and_gradient_of_the_whole(
    seed: int, processes: int, share: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, report = torch.randn(2, processes * share, 5, generator=generator, dtype=torch.double)
    image.requires_grad_()
    whole, count = cosine_contrast(image, report, image, report, first=0, temperature=0.5)
    (gradient,) = torch.autograd.grad(whole, image)
    parts = []
    for start in range(0, len(image), share):
        rows = slice(start, start + share)
        parts.append(
            cosine_contrast(image[rows], report[rows], image, report, first=start, temperature=0.5)
        )
    total = torch.stack([part for part, _ in parts]).sum()
    torch.testing.assert_close(total, whole)
    assert sum(number.item() for _, number in parts) == count.item()
    torch.testing.assert_close(torch.autograd.grad(total, image)[0], gradient)


@given(seed=seeds, factor=st.floats(0.1, 10))
def test_cosine_contrast_ignores_lengths_and_the_order_of_pairs(seed: int, factor: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, report = torch.randn(2, 6, 4, generator=generator, dtype=torch.double)
    order = torch.randperm(6, generator=generator)

    def loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return cosine_contrast(first, second, first, second, first=0, temperature=0.1)[0]

    torch.testing.assert_close(loss(factor * image[order], report[order]), loss(image, report))


def test_cosine_contrast_of_one_pair_is_zero() -> None:
    row = torch.ones(1, 3)
    total, _ = cosine_contrast(row, row, row, row, first=0, temperature=0.07)
    assert total.item() == 0


def test_directed_contrast_weighs_its_directions() -> None:
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    report = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    # Cosines [[1, 1], [0, 0]]: each row gives log 2, the columns log(1 + 1/e) and log(1 + e).
    # 0.75 * 0.693147 + 0.25 * (0.313262 + 1.313262) / 2 = 0.723176
    total, count = directed_contrast(
        *(image, report, image, report), first=0, temperature=1.0, image_weight=0.75
    )
    assert (total / count).item() == pytest.approx(0.723176, abs=1e-6)
