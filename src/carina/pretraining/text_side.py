"""Texts as objectives of image-report pairs see them: embedded once, or anew at every step."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.encoders.text import TextEncoder


class FrozenText(nn.Module):
    """Embeddings of queries and reports that were computed once."""

    def __init__(
        self,
        queries: Float[Tensor, "queries dim"],
        reports: Float[Tensor, "reports dim"],
        report_of: Int[Tensor, "images"],
    ) -> None:
        super().__init__()
        self.register_buffer("_queries", queries, persistent=False)
        self.register_buffer("_reports", reports, persistent=False)
        self.register_buffer("_report_of", report_of, persistent=False)

    @classmethod
    def of(
        cls, encoder: TextEncoder, queries: Sequence[str], reports: Sequence[str]
    ) -> "FrozenText":
        """Embeds queries, and the report of each image; equal reports share one row.

        It is done where the encoder is: hours on a CPU are minutes on a GPU.
        """
        different = list(dict.fromkeys(reports))
        places = {text: number for number, text in enumerate(different)}
        report_of = torch.tensor([places[text] for text in reports], dtype=torch.long)
        embedded = encoder.encode(different, bar="Embedding reports")
        return cls(encoder.encode(queries), embedded, report_of.to(embedded.device))

    def queries(self, encoder: TextEncoder) -> Float[Tensor, "queries dim"]:
        """The queries' embeddings."""
        kept: Tensor = self.get_buffer("_queries")
        return kept

    def reports(
        self, encoder: TextEncoder, rows: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """The embeddings of the reports of these images."""
        return self.get_buffer("_reports")[self.get_buffer("_report_of")[rows]]


class TrainedText(nn.Module):
    """Queries and reports that are embedded anew at every step, with gradient."""

    def __init__(self, queries: Sequence[str], reports: Sequence[str]) -> None:
        super().__init__()
        self._queries = tuple(queries)
        self._reports = tuple(reports)

    def queries(self, encoder: TextEncoder) -> Float[Tensor, "queries dim"]:
        """The queries' embeddings."""
        return self._embed(encoder, self._queries)

    def reports(
        self, encoder: TextEncoder, rows: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """The embeddings of the reports of these images."""
        return self._embed(encoder, [self._reports[row] for row in rows.tolist()])

    def _embed(self, encoder: TextEncoder, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        device = next(encoder.parameters()).device
        embedded: Tensor = encoder(encoder.tokenize(texts).to(device))
        return embedded


def text_side(
    encoder: TextEncoder, queries: Sequence[str], reports: Sequence[str], *, trained: bool
) -> FrozenText | TrainedText:
    """Embeds all texts now, once, or leaves them to be embedded at every step."""
    if trained:
        return TrainedText(queries, reports)
    return FrozenText.of(encoder, queries, reports)
