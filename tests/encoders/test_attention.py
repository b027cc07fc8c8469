import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from carina.encoders.attention import Attention


@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.sampled_from([1, 3, 40]),
    tokens=st.sampled_from([1, 7, 60]),
)
def test_attention_equals_pytorchs_whatever_the_order_of_multiplication(
    seed: int, queries: int, tokens: int
) -> None:
    torch.manual_seed(seed)
    ours = Attention(16, heads=4, dropout=0.0)
    oracle = nn.MultiheadAttention(16, 4, batch_first=True)
    nn.init.normal_(oracle.in_proj_bias)
    ours.load_state_dict(oracle.state_dict())
    asked, memory = torch.randn(2, queries, 16), torch.randn(2, tokens, 16)
    features, weights = oracle(asked, memory, memory)
    for attended in (ours(asked, memory), ours.attend_folded(ours.fold(asked), memory)):
        torch.testing.assert_close(attended.features, features, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(attended.weights, weights, atol=1e-5, rtol=1e-4)


def test_dropped_weights_count_alike_in_both_orders() -> None:
    attention = Attention(8, heads=2, dropout=0.5)
    nn.init.normal_(attention.in_proj_bias)
    asked, memory = torch.randn(1, 3, 8), torch.randn(1, 4, 8)
    torch.manual_seed(5)
    folded = attention.attend_folded(attention.fold(asked), memory)
    torch.manual_seed(5)
    projected = attention._attend_projected(asked, memory)
    torch.testing.assert_close(folded.features, projected.features)


def test_the_shown_weights_are_those_before_dropout() -> None:
    attention = Attention(8, heads=2, dropout=0.5)
    weights = attention(torch.randn(1, 3, 8), torch.randn(1, 50, 8)).weights
    assert weights.sum(-1).tolist() == [pytest.approx([1.0] * 3, abs=1e-5)]
