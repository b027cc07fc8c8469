"""Predictions as tables: rows that are measured, by findings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import AGGREGATIONS

IMAGE = ["study", "image"]
"""What tells one row of images from another: a file may be listed in two studies."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a zero-shot evaluation measured, made again from its predictions.

    `scores` and `truth` are [rows, findings]; `images` and `patients` name the (first) image and
    the patient of each row.
    """

    scores: Float[np.ndarray, "rows findings"]
    truth: Float[np.ndarray, "rows findings"]
    images: tuple[str, ...]
    patients: tuple[str, ...]


def rows_of(
    predictions: pl.DataFrame, names: Sequence[str], aggregation: str, score: str = "score"
) -> Rows:
    """Predictions as rows.

    Args:
        predictions: one row an image and query, each pair once.
        names: the queries to take, in this order.
        aggregation: a name of `AGGREGATIONS`.
        score: the column of scores.
    """
    images = predictions.unique(IMAGE, keep="first", maintain_order=True)
    scores = table_of(predictions, images, names, score)
    truth = table_of(predictions, images, names, "truth")
    scores, firsts = AGGREGATIONS[aggregation](scores, images["study"].to_list())
    chosen = images[firsts]
    return Rows(
        scores=scores,
        truth=truth[firsts],
        images=tuple(chosen["image"]),
        patients=tuple(chosen["patient"]),
    )


def rows_of_evaluation(evaluation: Evaluation) -> Rows:
    """The rows of a zero-shot evaluation, its findings in their order."""
    names = list(evaluation.positives)
    return rows_of(evaluation.predictions, names, str(evaluation.settings["aggregation"]))


def table_of(
    predictions: pl.DataFrame, images: pl.DataFrame, names: Sequence[str], column: str
) -> Float[np.ndarray, "images findings"]:
    """A column as a table of images and queries; null is nan."""
    place = {key: row for row, key in enumerate(images.select(IMAGE).iter_rows())}
    table = np.full((len(place), len(names)), np.nan)
    for i, name in enumerate(names):
        of_finding = predictions.filter(pl.col("query") == name)
        rows = [place[key] for key in of_finding.select(IMAGE).iter_rows()]
        table[rows, i] = of_finding[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return table
