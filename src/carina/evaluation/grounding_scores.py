"""Cases of grounding as numbers: per finding and on average, with bootstrap intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.evaluation.grounding_cases import BEST_ON_TEST, Case
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.result import Score
from carina.evaluation.rows import IMAGE
from carina.metrics.grounding import position_baseline
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    mean_statistic,
    ratio_statistic,
    share_statistic,
    together,
)
from carina.zeroshot.protocol import Query

POINTING = (
    *("pointing_game", "chance", "position_baseline"),
    *("pointing_over_chance", "pointing_over_position"),
)
"""Metrics of a map's greatest value, which need no threshold."""

OVERLAP = ("iou", "dice")
FLATTERED = tuple(f"{name}{BEST_ON_TEST}" for name in OVERLAP)
CONTRAST = ("cnr", "cnr_absolute")
MEANS = (*POINTING, *OVERLAP, *CONTRAST, *FLATTERED)
"""Metrics of a finding that are means over its cases."""
SHARES = frozenset({"pointing_game", *OVERLAP, *FLATTERED})
"""Those that lie in [0, 1], and are measured rather than known beforehand."""

RATIOS: Mapping[str, tuple[str, str]] = {
    f"detection_{name}{ending}": (f"found{ending}", f"{below}{ending}")
    for ending in ("", BEST_ON_TEST)
    for name, below in (("precision", "regions"), ("recall", "parts"))
}
"""Metrics of a finding that are a sum over its cases by another sum."""

METRICS = (
    *(*POINTING, "detection_precision", "detection_recall", *OVERLAP, *CONTRAST),
    *(f"detection_precision{BEST_ON_TEST}", f"detection_recall{BEST_ON_TEST}", *FLATTERED),
)
"""Every metric of a finding, by its name in tables."""

CASE_COLUMNS = (
    *MEANS,
    *dict.fromkeys(column for pair in RATIOS.values() for column in pair),
    "peak_distance",
)
"""The columns that a case adds to the predictions."""

FOCAL_AREA = 0.12
"""A finding is focal if its outline covers less than this share of the image, on average."""


def case_frame(cases: Sequence[Case], queries: Sequence[Query]) -> pl.DataFrame:
    """One row a case: study, image, query, score, truth (always 1), patient and the metrics."""
    positions = np.full(len(cases), np.nan)
    for finding in range(len(queries)):
        places = [place for place, case in enumerate(cases) if case.finding == finding]
        positions[places] = position_baseline([cases[place].frame for place in places])
    values = {
        name: np.array([case.values.get(name, np.nan) for case in cases], dtype=np.float64)
        for name in CASE_COLUMNS
    }
    values["position_baseline"] = positions
    values["pointing_over_chance"] = values["pointing_game"] - values["chance"]
    values["pointing_over_position"] = values["pointing_game"] - positions
    frame = pl.DataFrame(
        {
            "study": [case.frontal.study.study_id for case in cases],
            "image": [case.frontal.path for case in cases],
            "query": [queries[case.finding].name for case in cases],
            "score": [case.score for case in cases],
            "truth": pl.Series([1] * len(cases), dtype=pl.Int8),
            "patient": [case.frontal.study.patient_id for case in cases],
        }
    )
    return frame.with_columns(
        pl.Series(name, value, nan_to_null=True) for name, value in values.items()
    )


def grounding_scores(
    frame: pl.DataFrame,
    names: Sequence[str],
    thresholds: Mapping[str, Score],
    settings: GroundingSettings,
) -> tuple[dict[str, dict[str, Score]], dict[str, Score], list[str]]:
    """Scores by finding, their means over all and over focal findings, and which are focal."""
    result = bootstrap_cases(frame, names, settings)
    findings = {
        name: {
            metric: Score.of(result.interval(metric, i), why_undefined(metric, thresholds[name]))
            for metric in METRICS
        }
        for i, name in enumerate(names)
    }
    focal = result.values["chance"] < FOCAL_AREA
    mean = {}
    for metric in METRICS:
        mean[metric] = Score.of(result.mean_interval(metric), "undefined in every finding")
        interval = result.only(focal).mean_interval(metric)
        mean[f"{metric}_focal"] = Score.of(interval, "undefined in every focal finding")
    return findings, mean, [name for name, is_focal in zip(names, focal, strict=True) if is_focal]


def why_undefined(metric: str, threshold: Score) -> str:
    """Why a metric has no value; used only where it has none."""
    flattered = metric.endswith(BEST_ON_TEST)
    if (metric in OVERLAP or metric in RATIOS) and not flattered and threshold.value is None:
        return f"no threshold: {threshold.reason}"
    if metric in ("position_baseline", "pointing_over_position"):
        return "fewer than two cases"
    if metric.startswith("detection_precision"):
        return "no case with an outline, or no map with a region"
    return "no case with an outline"


def bootstrap_cases(
    frame: pl.DataFrame, names: Sequence[str], settings: GroundingSettings
) -> Bootstrap:
    """Resamples radiographs, or whole patients, with all their cases."""
    images = frame.unique(IMAGE, keep="first", maintain_order=True)
    row = {key: place for place, key in enumerate(images.select(IMAGE).iter_rows())}
    statistics = []
    for name in names:
        cases = frame.filter(pl.col("query") == name)
        places = [row[key] for key in cases.select(IMAGE).iter_rows()]
        values = {column: spread(cases[column], places, len(images)) for column in CASE_COLUMNS}
        means = [
            (share_statistic if metric in SHARES else mean_statistic)(metric, values[metric])
            for metric in MEANS
        ]
        ratios = [ratio_statistic(r, values[a], values[b]) for r, (a, b) in RATIOS.items()]
        statistics.append(together(*means, *ratios))
    patients = images["patient"].to_list() if settings.whole_patients else None
    return bootstrap(
        statistics, Resamples(len(images), settings.replicates, settings.seed, patients)
    )


def spread(values: pl.Series, places: Sequence[int], images: int) -> Float[np.ndarray, " images"]:
    """Values of cases at the places of their images; nan elsewhere."""
    whole = np.full(images, np.nan)
    whole[list(places)] = values.fill_null(float("nan")).to_numpy()
    return whole


def undefined_cases(frame: pl.DataFrame) -> dict[str, int]:
    """How many cases have no value of a metric that other cases of their finding have.

    Such as the contrast of a map without any spread: they are not part of the mean.
    """
    counts = {}
    for metric in (*OVERLAP, *CONTRAST, "position_baseline"):
        known = pl.col(metric).is_not_null()
        lost = frame.filter(~known & known.any().over("query"))
        if len(lost):
            counts[metric] = len(lost)
    return counts
