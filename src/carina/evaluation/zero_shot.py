"""Zero-shot classification: asked by name, measured against the findings of a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.errors import ConfigError, EvaluationError
from carina.evaluation.bounds import check_at_least_one
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.scoring import (
    AGGREGATIONS,
    Aggregation,
    Frontal,
    Scored,
    Views,
    answers_of,
    each_radiograph,
    every_view_of,
    frontals_of,
    has_split,
    part_of,
    scored,
)
from carina.evaluation.sources import SOURCES, sources_of
from carina.imaging.store import ImageStore
from carina.metrics.calibration import Bins, EqualMassBins, calibration_statistic
from carina.metrics.classification import (
    RATES,
    Rate,
    Statistic,
    mcc,
    ranking_statistic,
    threshold_statistic,
    undefined_reason,
)
from carina.metrics.statistics import Bootstrap, Resamples, bootstrap, together
from carina.metrics.thresholds import choose_thresholds
from carina.studies.manifest import Manifest
from carina.studies.truth import (
    Truth,
    Unmentioned,
    absent_where_only_presence_is_listed,
    canonical,
    listed_findings,
    truth_of,
)
from carina.study import Study
from carina.zeroshot.ask import encode
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.queries import check_queries

VIEWS: Mapping[Views, str] = {
    frontals_of: "frontal radiographs; a view that is not known counts as frontal",
    every_view_of: "all radiographs, lateral ones too",
}
"""Which radiographs are scored, in words."""


@dataclass(frozen=True, kw_only=True)
class ZeroShotSettings:
    """How a zero-shot evaluation is made.

    Attributes:
        split: the part that is scored; None for every study.
        threshold_split: the part that thresholds are chosen on, never the scored one; None for
            no thresholds.
        aggregation: what counts as one row, each radiograph or each study.
        views: which radiographs are scored, by default the frontal ones.
        unmentioned: the truth of a finding that a study does not list.
        threshold_rate: what a threshold makes greatest, `mcc` or `f1`.
        bins: of the calibration error.
        replicates: bootstrap resamples; the intervals are their 2.5% and 97.5% points.
        whole_patients: resample patients with all their images, not single images.
        seed: of the bootstrap.
        batch_size: radiographs that go through the network at once.

    Raises:
        ConfigError: the parts are the same, or a number is below 1.
    """

    split: str | None = "test"
    threshold_split: str | None = "validate"
    aggregation: Aggregation = each_radiograph
    views: Views = frontals_of
    unmentioned: Unmentioned = absent_where_only_presence_is_listed
    threshold_rate: Rate = mcc
    bins: Bins = EqualMassBins()
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.threshold_split is not None and self.threshold_split == self.split:
            raise ConfigError(
                f"Thresholds would be chosen on the scored part, {self.split!r}, which flatters "
                "every metric at a threshold. Name another part, or none."
            )
        check_at_least_one("replicates", self.replicates)
        check_at_least_one("batch_size", self.batch_size)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Scores and truth of one part of a manifest, row by row of what is measured."""

    scored: Scored
    truth: Truth
    scores: Float[np.ndarray, "rows findings"]
    labels: Float[np.ndarray, "rows findings"]
    rows: tuple[Frontal, ...]


def evaluate_zero_shot(
    model: ZeroShotModel,
    manifest: Manifest,
    queries: Sequence[str | Query] | None = None,
    settings: ZeroShotSettings | None = None,
    *,
    model_name: str = "",
    store: ImageStore | None = None,
) -> Evaluation:
    """Asks a model about every frontal radiograph and measures the answers.

    A radiograph that cannot be read is named in `settings["unreadable"]` and left out.

    Args:
        model: anything that fulfils `ZeroShotModel`.
        manifest: with findings; all its studies, the split is taken here.
        queries: by default every finding that the manifest lists.
        settings: by default `ZeroShotSettings()`.
        model_name: what the evaluation calls the model.
        store: packed images to read instead of the files, where it has them.

    Raises:
        EvaluationError: there is nothing to ask or to score.
        ManifestError: no study is in `settings.split`.
        QueryError: a query is blank, or two mean the same finding.
    """
    settings = settings or ZeroShotSettings()
    asked = queries_for(manifest, queries, listed_findings(manifest.studies), "findings")
    tested = score_part(model, manifest, settings.split, asked, settings, store)
    chosen_on = None
    if has_split(manifest, settings.threshold_split):
        chosen_on = score_part(model, manifest, settings.threshold_split, asked, settings, store)
    thresholds = thresholds_from(chosen_on, asked, settings)
    names = [query.name for query in asked]
    findings, mean = measured(tested, names, thresholds, settings)
    return Evaluation(
        task="zero-shot",
        model=model_name,
        data=f"{manifest.path.name} sha256:{manifest.digest}",
        split=settings.split or "all",
        studies=len({image.study.study_id for image in tested.scored.images}),
        images=len(tested.scored.images),
        positives={name: int((tested.labels[:, i] == 1).sum()) for i, name in enumerate(names)},
        findings=findings,
        mean=mean,
        thresholds=thresholds,
        settings=settings_as_json(settings, asked, tested, chosen_on, manifest, store),
        predictions=prediction_frame(tested, names),
        validation_predictions=None if chosen_on is None else prediction_frame(chosen_on, names),
    )


def queries_for(
    manifest: Manifest, queries: Sequence[str | Query] | None, listed: Sequence[str], what: str
) -> tuple[Query, ...]:
    """The caller's queries, or what the manifest lists; no two of one finding.

    Raises:
        EvaluationError: no query was given and the manifest lists nothing.
        QueryError: a query is blank, or two mean the same finding.
    """
    if queries is None and not listed:
        raise EvaluationError(
            f"{manifest.path}: lists no {what}, so there is no truth to measure against. "
            "Index data that have labels (`carina index csv`: the columns findings and absent), "
            "or name a manifest that has."
        )
    asked = check_queries(list(listed) if queries is None else queries)
    check_queries([canonical(query.name) for query in asked])
    return asked


def score_part(
    model: ZeroShotModel,
    manifest: Manifest,
    split: str | None,
    queries: Sequence[Query],
    settings: ZeroShotSettings,
    store: ImageStore | None,
) -> Part:
    """Scores one part and lays the truth beside it."""
    part = part_of(manifest, split)
    answers = answers_of(
        model,
        part,
        settings.views(part),
        encode(model, queries),
        batch_size=settings.batch_size,
        store=store,
        title=f"Scoring {split or 'all'}",
    )
    result = scored(answers, len(queries))
    studies = [image.study for image in result.images]
    scores, firsts = settings.aggregation(result.scores, [study.study_id for study in studies])
    truth = truth_of(
        studies, [query.name for query in queries], manifest.studies, settings.unmentioned
    )
    return Part(
        scored=result,
        truth=truth,
        scores=scores,
        labels=truth.values[firsts],
        rows=tuple(result.images[first] for first in firsts),
    )


def thresholds_from(
    part: Part | None, queries: Sequence[Query], settings: ZeroShotSettings
) -> dict[str, Score]:
    """The threshold of every finding, or why there is none."""
    if part is None:
        where = settings.threshold_split
        reason = f"no study in the split {where!r} to choose it on" if where else "not asked for"
        return {query.name: Score(value=None, reason=reason) for query in queries}
    chosen = choose_thresholds(part.scores, part.labels, settings.threshold_rate)
    thresholds = {}
    for i, query in enumerate(queries):
        why = undefined_reason(part.labels[:, i])
        if why is None:
            thresholds[query.name] = Score(value=float(chosen.values[i]))
        else:
            thresholds[query.name] = Score(value=None, reason=f"{why} in the validation part")
    return thresholds


def measured(
    part: Part, names: Sequence[str], thresholds: dict[str, Score], settings: ZeroShotSettings
) -> tuple[dict[str, dict[str, Score]], dict[str, Score]]:
    """Every metric of every finding, and of the mean over findings, with intervals."""
    statistics = [
        statistic_of(part.scores[:, i], part.labels[:, i], thresholds[name].value, settings.bins)
        for i, name in enumerate(names)
    ]
    patients = [image.study.patient_id for image in part.rows]
    resamples = Resamples(
        len(part.rows),
        settings.replicates,
        settings.seed,
        patients if settings.whole_patients else None,
    )
    result = bootstrap(statistics, resamples)
    findings = {}
    for i, name in enumerate(names):
        reason = undefined_reason(part.labels[:, i])
        without = thresholds[name].value is None
        rate_reason = f"no threshold: {thresholds[name].reason}" if without else reason
        findings[name] = {
            metric: Score.of(
                result.interval(metric, i),
                rate_reason if metric in RATES else reason,
            )
            for metric in result.values
        }
    return findings, mean_scores(result)


def mean_scores(result: Bootstrap) -> dict[str, Score]:
    """The mean of every metric over the findings in which it is defined."""
    return {
        metric: Score.of(result.mean_interval(metric), "undefined in every finding")
        for metric in result.values
    }


def statistic_of(
    scores: Float[np.ndarray, " rows"],
    labels: Float[np.ndarray, " rows"],
    threshold: float | None,
    bins: Bins,
) -> Statistic:
    """All metrics of one finding."""
    return together(
        ranking_statistic(scores, labels),
        threshold_statistic(scores, labels, float("nan") if threshold is None else threshold),
        calibration_statistic(scores, labels, bins),
    )


def prediction_frame(part: Part, names: Sequence[str]) -> pl.DataFrame:
    """One row an image and query; truth is null where unknown."""
    images, queries = part.scored.scores.shape
    studies = [image.study for image in part.scored.images]
    return pl.DataFrame(
        {
            "study": np.repeat([study.study_id for study in studies], queries),
            "image": np.repeat([image.path for image in part.scored.images], queries),
            "query": list(names) * images,
            "score": part.scored.scores.ravel(),
            "truth": pl.Series(part.truth.values.ravel()).fill_nan(None).cast(pl.Int8),
            "patient": np.repeat([study.patient_id for study in studies], queries),
        }
    )


def settings_as_json(
    settings: ZeroShotSettings,
    queries: Sequence[Query],
    tested: Part,
    chosen_on: Part | None,
    manifest: Manifest,
    store: ImageStore | None,
) -> dict[str, Any]:
    """How the evaluation was made, in words and numbers."""
    aggregations = {function: name for name, function in AGGREGATIONS.items()}
    unreadable = [*tested.scored.unreadable, *(chosen_on.scored.unreadable if chosen_on else ())]
    return {
        "queries": {query.name: query.text for query in queries},
        "names_in_the_data": {
            query.name: list(tested.truth.sources[i]) for i, query in enumerate(queries)
        },
        "known_truth": {
            query.name: int(np.isfinite(tested.labels[:, i]).sum())
            for i, query in enumerate(queries)
        },
        "views": VIEWS[settings.views],
        "aggregation": aggregations.get(settings.aggregation, settings.aggregation.__name__),
        "uncertain": "left out",
        "unmentioned": settings.unmentioned.__name__,
        "threshold_split": settings.threshold_split if chosen_on else None,
        "threshold_rate": settings.threshold_rate.__name__,
        "validation_images": len(chosen_on.scored.images) if chosen_on else 0,
        "patients_in_both_parts": shared_patients(tested, chosen_on),
        "calibration_bins": repr(settings.bins),
        "interval": "bootstrap, 95% (BCa with quantiles of Student's t)",
        "replicates": settings.replicates,
        "resampled": "whole patients" if settings.whole_patients else "single rows",
        "seed": settings.seed,
        "pixels": "image store" if store is not None else "files",
        "unreadable": [{"image": path, "message": message} for path, message in unreadable],
        SOURCES: sources_of(_studies(tested)),
    }


def shared_patients(tested: Part, chosen_on: Part | None) -> int:
    """Patients both scored and used to choose thresholds; should be 0."""
    if chosen_on is None:
        return 0
    return len(
        {study.patient_id for study in _studies(tested)}
        & {study.patient_id for study in _studies(chosen_on)}
    )


def _studies(part: Part) -> list[Study]:
    return [image.study for image in part.scored.images]
