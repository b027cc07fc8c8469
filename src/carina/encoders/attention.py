"""Attention with PyTorch's parameter names, cheap where few queries look at many tokens."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Attended(NamedTuple):
    """What attention gives: the features, and the weights averaged over the heads."""

    features: Float[Tensor, "batch queries dim"]
    weights: Float[Tensor, "batch queries tokens"]


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017, section 3.2.2).

    Parameter names are those of `torch.nn.MultiheadAttention`. Two orders of multiplication
    give the same numbers: the keys and values can be projected, or the queries can be carried
    back through the key projection, so that they meet the tokens as they are. The second is
    cheaper when a handful of queries looks at hundreds of tokens. The bias of the keys
    adds the same to all logits of a query, so that the softmax does not see it.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(
        self,
        queries: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch tokens dim"],
    ) -> Attended:
        """Attends to `memory`, which gives both keys and values."""
        count, dim = queries.shape[1:]
        tokens = memory.shape[1]
        # Multiplications per picture that the two orders do not share.
        folded = count * (dim + self.heads * tokens)
        projected = tokens * (dim + count)
        if folded < projected:
            return self.attend_folded(self.fold(queries), memory)
        return self._attend_projected(queries, memory)

    def attend_itself(self, queries: Float[Tensor, "batch queries dim"]) -> Attended:
        """Each query attends to itself alone: what `forward` gives for every query by itself."""
        dim = queries.shape[-1]
        values = F.linear(queries, self.in_proj_weight[2 * dim :], self.in_proj_bias[2 * dim :])
        one = torch.eye(queries.shape[1], dtype=queries.dtype, device=queries.device)
        features: Tensor = self.out_proj(values)
        return Attended(features, one.expand(len(queries), -1, -1))

    def fold(
        self, queries: Float[Tensor, "batch queries dim"]
    ) -> Float[Tensor, "batch heads queries dim"]:
        """Carries queries through their own projection and back through that of the keys.

        The result times a token is that token's logit. It depends on no picture: for queries
        that are the same for all pictures it can be kept.
        """
        query_weight, key_weight, _ = self.in_proj_weight.chunk(3)
        query_bias = self.in_proj_bias.chunk(3)[0]
        heads = self._split(F.linear(queries, query_weight, query_bias))
        width = heads.shape[-1]
        folded: Tensor = heads @ key_weight.view(self.heads, width, -1) * width**-0.5
        return folded

    def attend_folded(
        self,
        folded: Float[Tensor, "#batch heads queries dim"],
        memory: Float[Tensor, "batch tokens dim"],
    ) -> Attended:
        """Attention with queries from `fold`; the values are projected after the sum."""
        batch, tokens, dim = memory.shape
        count = folded.shape[2]
        stacked = folded.flatten(1, 2).expand(batch, -1, -1)
        logits = torch.bmm(stacked, memory.transpose(1, 2))
        weights = logits.view(batch, self.heads, count, tokens).softmax(-1)
        kept = F.dropout(weights, self.dropout, self.training)
        summed = torch.bmm(kept.flatten(1, 2), memory).view(batch, self.heads, count, dim)
        value_weight = self.in_proj_weight.chunk(3)[2].view(self.heads, -1, dim)
        value_bias = self.in_proj_bias.chunk(3)[2].view(self.heads, 1, -1)
        # Dropped weights no longer add up to one, so the bias counts by what is left.
        values = summed @ value_weight.transpose(1, 2) + kept.sum(-1, keepdim=True) * value_bias
        return Attended(self._join(values), weights.mean(1))

    def _attend_projected(
        self,
        queries: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch tokens dim"],
    ) -> Attended:
        dim = queries.shape[-1]
        query_weight, memory_weight = self.in_proj_weight.split([dim, 2 * dim])
        query_bias, memory_bias = self.in_proj_bias.split([dim, 2 * dim])
        heads = self._split(F.linear(queries, query_weight, query_bias))
        keys, values = F.linear(memory, memory_weight, memory_bias).chunk(2, -1)
        logits = heads @ self._split(keys).transpose(2, 3) * heads.shape[-1] ** -0.5
        weights = logits.softmax(-1)
        kept = F.dropout(weights, self.dropout, self.training)
        return Attended(self._join(kept @ self._split(values)), weights.mean(1))

    def _split(
        self, features: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch heads tokens width"]:
        heads: Tensor = features.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads

    def _join(
        self, heads: Float[Tensor, "batch heads tokens width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        joined: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return joined
