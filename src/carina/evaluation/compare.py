"""Two evaluations of the same images: is one model better, or is it chance?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.errors import EvaluationError
from carina.evaluation.grounding_scores import CASE_COLUMNS, bootstrap_cases
from carina.evaluation.grounding_scores import METRICS as GROUNDING_METRICS
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE, Rows, rows_of
from carina.evaluation.zero_shot import mean_scores
from carina.files import write_text
from carina.metrics.classification import RATES, ranking_statistic, threshold_statistic
from carina.metrics.delong import delong_test
from carina.metrics.paired import Difference, holm, paired_difference
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    together,
)

COMPARED = ("zero-shot", "grounding")
"""The tasks that have a paired test."""

TEST = (
    "paired bootstrap (BCa, Student's t), two-sided; AUC of one finding: the variance among units "
    "pooled with a formula's"
)
"""What the interval and the p value of a difference come from."""

DELONG = "auc_delong"
"""The row of DeLong's test in the table of a finding."""

PAIR = [*IMAGE, "query"]
"""What tells one row of predictions from another."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of two models: first, second, and first minus second with its interval.

    Undefined numbers are None. `p_value_holm` is adjusted for the number of findings; the mean
    over findings is one test and needs none.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_value_holm: float | None = None


@dataclass(frozen=True, kw_only=True)
class ComparedEvaluations:
    """Everything that `compare` found.

    `findings` is finding -> metric -> comparison, `mean` metric -> comparison. `only_in_one` are
    queries that one evaluation has and the other has not: they are not compared.
    """

    task: str
    first: str
    second: str
    data: str
    images: int
    findings: Mapping[str, Mapping[str, Comparison]]
    mean: Mapping[str, Comparison]
    only_in_one: tuple[str, ...]
    settings: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Writes the comparison as JSON, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The predictions of two evaluations, matched row by row.

    `frame` has study, image, patient, query, truth, and each model's columns, the second's with
    the ending `_second`.
    """

    first: Evaluation
    second: Evaluation
    frame: pl.DataFrame
    names: tuple[str, ...]
    only_in_one: tuple[str, ...]


def compare(
    first: Evaluation, second: Evaluation, *, replicates: int = 1000, seed: int = 0
) -> ComparedEvaluations:
    """Compares two evaluations of the same images by a paired bootstrap.

    Both are resampled together, by whole patients if the first evaluation was; the AUC of one
    finding needs no resamples (`metrics.auc_interval`). AUC is also tested with DeLong's method,
    which takes images as independent. At thresholds each model is
    measured with its own, from its own validation data.

    Args:
        first: of one model.
        second: of another, on the same images with the same truth.
        replicates: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        EvaluationError: the tasks, images, truth or kinds of rows differ, or no query is shared.
    """
    pair = matched(first, second)
    if first.task == "grounding":
        one, two = grounding_bootstraps(pair, replicates, seed)
        extra: dict[str, dict[str, Comparison]] = {}
    else:
        one, two, extra = zero_shot_bootstraps(pair, replicates, seed)
    findings = compared_findings(pair.names, one, two)
    return ComparedEvaluations(
        task=first.task,
        first=first.model,
        second=second.model,
        data=first.data,
        images=pair.frame["image"].n_unique(),
        findings={name: {**rows, **extra.get(name, {})} for name, rows in findings.items()},
        mean={
            metric: comparison(
                one.mean_of(metric).value,
                two.mean_of(metric).value,
                paired_difference(one.mean_of(metric), two.mean_of(metric)),
            )
            for metric in one.values
        },
        only_in_one=pair.only_in_one,
        settings={
            "test": TEST,
            "replicates": replicates,
            "seed": seed,
            "resampled": first.settings.get("resampled"),
            "adjusted": "Holm, over the findings, for each metric",
        },
    )


def matched(first: Evaluation, second: Evaluation) -> Pair:
    """Lays two evaluations side by side.

    Raises:
        EvaluationError: they cannot be compared.
    """
    for what in ("task", "aggregation"):
        a, b = _told(first, what), _told(second, what)
        if a != b:
            raise EvaluationError(
                f"The evaluations differ in {what}: {a!r} and {b!r}; expected the same. "
                "Evaluate both models with the same settings."
            )
    if first.task not in COMPARED:
        raise EvaluationError(
            f"Evaluations of the task {first.task} cannot be compared yet; expected one of "
            f"{', '.join(COMPARED)}. Their intervals stand in both evaluation.json."
        )
    shared = [name for name in first.positives if name in second.positives]
    if not shared:
        raise EvaluationError(
            f"The evaluations share no query: {', '.join(first.positives)} and "
            f"{', '.join(second.positives)}. Ask both models the same findings."
        )
    one = first.predictions.filter(pl.col("query").is_in(shared))
    two = second.predictions.filter(pl.col("query").is_in(shared))
    _check_same_images(one, two)
    _check_scores(first.model or "first", one)
    _check_scores(second.model or "second", two)
    frame = one.join(two, on=PAIR, how="left", suffix="_second", maintain_order="left")
    differing = int((~frame["truth"].eq_missing(frame["truth_second"])).sum())
    if differing:
        raise EvaluationError(
            f"The truth differs in {differing} of {len(frame)} pairs of image and query; expected "
            "the same labels. Evaluate both models on the same manifest with the same settings."
        )
    others = set(first.positives) ^ set(second.positives)
    return Pair(
        first=first,
        second=second,
        frame=frame,
        names=tuple(shared),
        only_in_one=tuple(sorted(others)),
    )


def grounding_bootstraps(pair: Pair, replicates: int, seed: int) -> tuple[Bootstrap, Bootstrap]:
    """Both models' grounding metrics on the same resamples."""
    settings = GroundingSettings(
        replicates=replicates, seed=seed, whole_patients=_by_patient(pair.first)
    )
    other = pair.frame.select(
        *PAIR,
        "patient",
        *(pl.col(f"{name}_second").alias(name) for name in CASE_COLUMNS),
    )
    return (
        bootstrap_cases(pair.frame, pair.names, settings),
        bootstrap_cases(other, pair.names, settings),
    )


def zero_shot_bootstraps(
    pair: Pair, replicates: int, seed: int
) -> tuple[Bootstrap, Bootstrap, dict[str, dict[str, Comparison]]]:
    """Both models' metrics on the same resamples, and DeLong's test of every finding."""
    aggregation = str(pair.first.settings["aggregation"])
    first = rows_of(pair.frame, pair.names, aggregation)
    second = rows_of(pair.frame, pair.names, aggregation, "score_second")
    patients = first.patients if _by_patient(pair.first) else None
    resamples = Resamples(len(first.scores), replicates, seed, patients)
    return (
        _bootstrap(first, pair.first, pair.names, resamples),
        _bootstrap(second, pair.second, pair.names, resamples),
        delong_rows(first.scores, second.scores, first.truth, pair.names),
    )


def mean_over(evaluation: Evaluation, names: Sequence[str]) -> dict[str, Score]:
    """The mean of some of an evaluation's findings, such as those that training saw.

    Made again from the predictions, with the evaluation's own seed and resamples; calibration,
    which is not a comparison of models, is left out.
    """
    settings = evaluation.settings
    replicates, seed = int(settings["replicates"]), int(settings["seed"])
    if evaluation.task == "grounding":
        how = GroundingSettings(
            replicates=replicates, seed=seed, whole_patients=_by_patient(evaluation)
        )
        return mean_scores(bootstrap_cases(evaluation.predictions, names, how))
    rows = rows_of(evaluation.predictions, names, str(settings["aggregation"]))
    patients = rows.patients if _by_patient(evaluation) else None
    resamples = Resamples(len(rows.scores), replicates, seed, patients)
    return mean_scores(_bootstrap(rows, evaluation, names, resamples))


def delong_rows(
    first: Float[np.ndarray, "rows findings"],
    second: Float[np.ndarray, "rows findings"],
    truth: Float[np.ndarray, "rows findings"],
    names: Sequence[str],
) -> dict[str, dict[str, Comparison]]:
    """DeLong's paired test of every finding's AUC."""
    tests = [delong_test(first[:, i], second[:, i], truth[:, i]) for i in range(len(names))]
    adjusted = holm(np.array([test.p_value for test in tests]))
    return {
        name: {DELONG: comparison(None, None, test, float(adjusted[i]))}
        for i, (name, test) in enumerate(zip(names, tests, strict=True))
    }


def compared_findings(
    names: Sequence[str], first: Bootstrap, second: Bootstrap
) -> dict[str, dict[str, Comparison]]:
    """Every metric of every finding."""
    findings: dict[str, dict[str, Comparison]] = {name: {} for name in names}
    for metric in first.values:
        tests = [
            paired_difference(first.of(metric, i), second.of(metric, i)) for i in range(len(names))
        ]
        adjusted = holm(np.array([test.p_value for test in tests]))
        for i, name in enumerate(names):
            findings[name][metric] = comparison(
                float(first.values[metric][i]),
                float(second.values[metric][i]),
                tests[i],
                float(adjusted[i]),
            )
    return findings


def comparison(
    first: float | None,
    second: float | None,
    difference: Difference,
    holm_p: float | None = None,
) -> Comparison:
    """Numbers as a row; what is not finite becomes None."""
    return Comparison(
        first=_finite(first),
        second=_finite(second),
        difference=_finite(difference.value),
        low=_finite(difference.low),
        high=_finite(difference.high),
        p_value=_finite(difference.p_value),
        p_value_holm=_finite(holm_p),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _told(evaluation: Evaluation, what: str) -> object:
    return evaluation.task if what == "task" else evaluation.settings.get(what)


def _by_patient(evaluation: Evaluation) -> bool:
    return evaluation.settings.get("resampled") == "whole patients"


def _check_same_images(first: pl.DataFrame, second: pl.DataFrame) -> None:
    missing = first.join(second, on=PAIR, how="anti")["image"].unique()
    extra = second.join(first, on=PAIR, how="anti")["image"].unique()
    if len(missing) or len(extra):
        example = [*missing, *extra][0]
        raise EvaluationError(
            f"The evaluations are not of the same images: {len(missing)} are only in the first, "
            f"{len(extra)} only in the second, such as {example}. Only the same images can be "
            "compared; evaluate both models on the same part of the same manifest."
        )


def _check_scores(model: str, predictions: pl.DataFrame) -> None:
    if "score" not in predictions.columns:
        return  # of grounding, whose cases may lack a number
    scores = predictions["score"].cast(pl.Float64)
    missing = predictions.filter(scores.is_null() | scores.is_nan())
    if len(missing):
        raise EvaluationError(
            f"{model}: {len(missing)} of {len(predictions)} scores are missing, such as that of "
            f"{missing['query'][0]} on {missing['image'][0]}; expected one for every image and "
            "query. Evaluate the model again."
        )


def _bootstrap(
    rows: Rows,
    evaluation: Evaluation,
    names: Sequence[str],
    resamples: Resamples,
) -> Bootstrap:
    statistics = []
    for i, name in enumerate(names):
        chosen = evaluation.thresholds[name].value
        threshold = float("nan") if chosen is None else chosen
        statistics.append(
            together(
                ranking_statistic(rows.scores[:, i], rows.truth[:, i]),
                threshold_statistic(rows.scores[:, i], rows.truth[:, i], threshold),
            )
        )
    return bootstrap(statistics, resamples)


SHOWN = ("auc", DELONG, "average_precision", *RATES, *GROUNDING_METRICS)
"""The order of metrics in tables."""
