"""How much labelling a start saves: scores against the share of the labels, over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from carina.errors import EvaluationError
from carina.evaluation.detection import box_statistics
from carina.evaluation.grading import severity_statistics
from carina.evaluation.multiclass import choice_statistics
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE, rows_of_evaluation
from carina.evaluation.segmentation import mask_statistics
from carina.files import atomic_path
from carina.metrics.classification import Statistic, ranking_statistic
from carina.metrics.ranges import within_range
from carina.metrics.segmentation import METRICS as MASK_METRICS
from carina.metrics.statistics import Resampled, Resamples, bootstrap
from carina.metrics.trainings import over_trainings


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
class Measures:
    """How an evaluation of some task is measured again in resamples.

    `metrics` are shown, the first in the chart; `statistics` makes one of each finding.
    """

    metrics: tuple[str, ...]
    statistics: Callable[[Evaluation], list[Statistic]]


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
    measurements: Sequence[Measurement],
    measures: Measures,
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> tuple[EfficiencyRow, ...]:
    """One row for each start and fraction, in the order in which they come.

    Raises:
        EvaluationError: the models of a row were not measured on the same images.
    """
    groups: dict[tuple[str, float], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.start, one.fraction), []).append(one)
    return tuple(efficiency_row(group, measures, replicates, seed) for group in groups.values())


def efficiency_row(
    group: Sequence[Measurement], measures: Measures, replicates: int, seed: int
) -> EfficiencyRow:
    """The row of one start and one fraction."""
    tables = [
        one.evaluation.predictions.unique(IMAGE, keep="first", maintain_order=True) for one in group
    ]
    images = tables[0].select(IMAGE)
    if any(not table.select(IMAGE).equals(images) for table in tables):
        raise EvaluationError(
            f"{group[0].start}: its models were measured on different images, expected the same "
            "for every seed. Evaluate them again on one manifest."
        )
    names = list(group[0].evaluation.positives)
    resamples = Resamples(len(images), replicates, seed, tables[0]["patient"].to_list())
    made = [bootstrap(measures.statistics(one.evaluation), resamples) for one in group]
    mean: dict[str, Score] = {}
    findings: dict[str, dict[str, Score]] = {name: {} for name in names}
    for metric in measures.metrics:
        mean[metric] = over_seeds(metric, [one.mean_of(metric) for one in made])
        for place, name in enumerate(names):
            findings[name][metric] = over_seeds(metric, [one.of(metric, place) for one in made])
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


def ranking_statistics(evaluation: Evaluation) -> list[Statistic]:
    """Ranking metrics of every finding of a classification."""
    rows = rows_of_evaluation(evaluation)
    return [
        ranking_statistic(rows.scores[:, i], rows.truth[:, i]) for i in range(rows.truth.shape[1])
    ]


def segmentation_statistics(evaluation: Evaluation) -> list[Statistic]:
    """Mask metrics of every structure of a segmentation."""
    return mask_statistics(evaluation.predictions, list(evaluation.positives))


def graded_statistics(evaluation: Evaluation) -> list[Statistic]:
    """Metrics of every severity of a grading."""
    names = list(evaluation.positives)
    return severity_statistics(evaluation.predictions, names, evaluation.settings)


def detection_statistics(evaluation: Evaluation) -> list[Statistic]:
    """Average precision of every finding of a detection."""
    return box_statistics(evaluation.predictions, list(evaluation.positives))


def chosen_statistics(evaluation: Evaluation) -> list[Statistic]:
    """Metrics of every class of those that exclude one another."""
    return choice_statistics(evaluation.predictions, list(evaluation.positives))


RANKING = Measures(metrics=("auc", "average_precision"), statistics=ranking_statistics)
MASKS = Measures(metrics=MASK_METRICS, statistics=segmentation_statistics)
BOXES = Measures(metrics=("map", "map_coco", "ap50"), statistics=detection_statistics)
GRADING = Measures(
    metrics=("kappa", "accuracy", "f1", "auc_one_rest", "auc"), statistics=graded_statistics
)
SEVERITY = Measures(metrics=("correlation", "mae"), statistics=graded_statistics)
CHOICE = Measures(metrics=("accuracy", "auc", "f1", "recall"), statistics=chosen_statistics)
MEASURES = {
    "zero-shot": RANKING,
    "segmentation": MASKS,
    "grading": GRADING,
    "severity": SEVERITY,
    "detection": BOXES,
    "multiclass": CHOICE,
}
"""The measures of an evaluation, by its task."""


def over_seeds(metric: str, made: Sequence[Resampled]) -> Score:
    """The mean over seeds, with the interval over patients and trainings.

    Args:
        metric: its name, which tells what it can be.
        made: one a seed, on the same resamples of patients.
    """
    found = over_trainings(made)
    if np.isfinite(found.low):
        low, high = within_range(metric, found.low, found.high)
        found = replace(found, low=low, high=high)
    return Score.of(found, "undefined on the test part")


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
