"""How much labelling a start saves: scores against the share of the labels, over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.errors import EvaluationError
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import Rows, rows_of_evaluation
from carina.files import atomic_path
from carina.metrics.classification import Statistic, ranking_statistic
from carina.metrics.statistics import Resamples, bootstrap, percentile_interval

METRICS = ("auc", "average_precision")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One fine-tuned model and what it scored on the test part."""

    start: str
    fraction: float
    seed: int
    patients: int
    images: int
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True)
class EfficiencyRow:
    """A start with a fraction of the labels: means over seeds, with intervals.

    `patients` and `images` are those trained on. `mean` is over findings and seeds; its interval
    is of both: patients of the test part and seeds are drawn anew in every resample.
    """

    start: str
    fraction: float
    seeds: int
    patients: int
    images: int
    mean: dict[str, Score]
    findings: dict[str, dict[str, Score]]


def efficiency_rows(
    measurements: Sequence[Measurement], *, replicates: int = 1000, seed: int = 0
) -> tuple[EfficiencyRow, ...]:
    """One row for each start and fraction, in the order in which they come.

    Raises:
        EvaluationError: the models of a row were not measured on the same images.
    """
    groups: dict[tuple[str, float], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.start, one.fraction), []).append(one)
    return tuple(efficiency_row(group, replicates, seed) for group in groups.values())


def efficiency_row(group: Sequence[Measurement], replicates: int, seed: int) -> EfficiencyRow:
    """The row of one start and one fraction."""
    rows = [rows_of_evaluation(one.evaluation) for one in group]
    if any(one.images != rows[0].images for one in rows):
        raise EvaluationError(
            f"{group[0].start}: its models were measured on different images, expected the same "
            "for every seed. Evaluate them again on one manifest."
        )
    names = list(group[0].evaluation.positives)
    resamples = Resamples(len(rows[0].images), replicates, seed, rows[0].patients)
    made = [bootstrap(statistics_of(one), resamples) for one in rows]
    drawn = np.random.default_rng(seed).integers(0, len(made), (len(made), replicates))
    mean: dict[str, Score] = {}
    findings: dict[str, dict[str, Score]] = {name: {} for name in names}
    for metric in METRICS:
        pairs = [one.mean_values(metric) for one in made]
        mean[metric] = over_seeds([p[0] for p in pairs], np.stack([p[1] for p in pairs]), drawn)
        for place, name in enumerate(names):
            findings[name][metric] = over_seeds(
                [float(one.values[metric][place]) for one in made],
                np.stack([one.replicates[metric][place] for one in made]),
                drawn,
            )
    first = group[0]
    return EfficiencyRow(
        start=first.start,
        fraction=first.fraction,
        seeds=len(group),
        patients=first.patients,
        images=first.images,
        mean=mean,
        findings=findings,
    )


def statistics_of(rows: Rows) -> list[Statistic]:
    """Ranking metrics of every finding."""
    return [
        ranking_statistic(rows.scores[:, i], rows.truth[:, i]) for i in range(rows.truth.shape[1])
    ]


def over_seeds(
    values: Sequence[float],
    replicates: Float[np.ndarray, "seeds replicates"],
    drawn: np.ndarray,
) -> Score:
    """The mean over seeds, with the interval of resampled patients and resampled seeds.

    Args:
        values: one a seed, on the data.
        replicates: one a seed and resample of patients, the same patients in a column.
        drawn: [seeds, replicates], which seeds each resample takes.
    """
    resampled = np.take_along_axis(replicates, drawn, axis=0).mean(axis=0)
    return Score.of(
        percentile_interval(float(np.mean(values)), resampled), "undefined on the test part"
    )


def write_efficiency(rows: Sequence[EfficiencyRow], path: Path) -> None:
    """Writes a CSV: a row for each start, fraction, finding (or `mean`) and metric."""
    records = [
        {
            "start": row.start,
            "fraction": row.fraction,
            "seeds": row.seeds,
            "patients": row.patients,
            "images": row.images,
            "finding": finding,
            "metric": metric,
            "value": score.value,
            "low": score.low,
            "high": score.high,
        }
        for row in rows
        for finding, scores in (("mean", row.mean), *row.findings.items())
        for metric, score in scores.items()
    ]
    with atomic_path(path) as temporary:
        pl.DataFrame(records).write_csv(temporary)
