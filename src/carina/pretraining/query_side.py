"""What systems that ask a picture by a query network have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.query_decoder import PreparedQueries
from carina.zeroshot.protocol import EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class AllLayers:
    """Heat-maps are the mean of all layers' cross attention: KAD's paper."""

    def of(
        self, attention: Float[Tensor, "layers batch queries tokens"]
    ) -> Float[Tensor, "batch queries tokens"]:
        """The attention that is shown."""
        return attention.mean(0)


@dataclass(frozen=True, kw_only=True)
class LastLayer:
    """Heat-maps are the last layer's cross attention: KAD's published code."""

    def of(
        self, attention: Float[Tensor, "layers batch queries tokens"]
    ) -> Float[Tensor, "batch queries tokens"]:
        """The attention that is shown."""
        return attention[-1]


class AsEmbedded(nn.Module):
    """Queries reach the query network as the text encoder gives them."""

    def fit(self, queries: Float[Tensor, "queries dim"]) -> None:
        """Learns nothing."""

    def forward(self, queries: Float[Tensor, "queries dim"]) -> Float[Tensor, "queries dim"]:
        """The same."""
        return queries


class Standardised(nn.Module):
    """Queries are seen from the middle of those that were trained.

    Embeddings of findings share most of their length with one another; what tells them apart
    is what is left.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, queries: Float[Tensor, "queries dim"]) -> None:
        """Takes mean and deviation of the trained queries, once, before training.

        One query alone has no middle to be seen from: it is left as it is.
        """
        if len(queries) > 1:
            mean = queries.detach().mean(0)
            self.get_buffer("mean").copy_(mean)
            self.get_buffer("deviation").copy_((queries.detach() - mean).square().mean().sqrt())

    def forward(self, queries: Float[Tensor, "queries dim"]) -> Float[Tensor, "queries dim"]:
        """Centred and scaled."""
        return (queries - self.get_buffer("mean")) / self.get_buffer("deviation")


def encoded_queries(
    queries: Sequence[Query], text: Float[Tensor, "queries length"], prepared: PreparedQueries
) -> EncodedQueries:
    """Embedded texts, and all of a query decoder's work that no picture is needed for."""
    return EncodedQueries(
        queries=tuple(queries),
        features={
            "text": text,
            "states": prepared.states,
            "folded": prepared.folded,
            "self_attention": prepared.self_attention,
        },
    )


def prepared_queries(queries: EncodedQueries, device: torch.device) -> PreparedQueries:
    """What `encode_queries` kept of a query decoder's work, on the device of the pictures."""
    made = {name: value.to(device) for name, value in queries.features.items()}
    return PreparedQueries(
        states=made["states"], folded=made["folded"], self_attention=made["self_attention"]
    )
