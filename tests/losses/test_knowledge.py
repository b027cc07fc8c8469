import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carina.losses.knowledge import (
    official_knowledge_loss,
    official_targets,
    paper_knowledge_loss,
)


def test_official_targets_weigh_a_concept_by_the_root_of_its_number() -> None:
    same = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])
    half = math.sqrt(0.5)
    expected = torch.tensor([[half, half, 0.0], [half, half, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(official_targets(same), expected)


def test_official_loss_equals_value_worked_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    second = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    # Cosines [[1, 1], [0, 0]], targets the identity: the sum of both directions, halved.
    rows = 2 * math.log(2)
    columns = math.log1p(math.exp(-1)) + math.log1p(math.e)
    total, count = official_knowledge_loss(first, second, torch.eye(2), torch.tensor(1.0))
    assert total.item() == pytest.approx((rows + columns) / 2, abs=1e-5)
    assert count.item() == 2


def test_paper_loss_equals_value_worked_by_hand() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    same = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    # Texts 0 and 1 (cosine 1) against text 2 (cosine 0): -log(e / (e + 1)) each; text 2 has
    # no positive and is left out.
    total, count = paper_knowledge_loss(embeddings, same, temperature=1.0)
    assert total.item() == pytest.approx(2 * math.log1p(math.exp(-1)), abs=1e-5)
    assert count.item() == 2


def test_paper_loss_averages_the_positives_of_a_text() -> None:
    embeddings = torch.eye(4)
    same = torch.zeros(4, 4, dtype=torch.bool)
    same[:3, :3] = True
    # All cosines are 0: each of the three texts gives log 3, however many positives it has.
    total, count = paper_knowledge_loss(embeddings, same, temperature=0.1)
    assert total.item() == pytest.approx(3 * math.log(3), abs=1e-5)
    assert count.item() == 3


@given(seed=st.integers(0, 2**32 - 1))
def test_paper_loss_has_finite_gradients(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(6, 3, generator=generator, requires_grad=True)
    names = torch.randint(0, 3, (6,), generator=generator)
    total, _ = paper_knowledge_loss(embeddings, names[:, None] == names, temperature=0.1)
    total.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
