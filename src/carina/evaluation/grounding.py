"""Grounding: do heat-maps point at what readers outlined, better than without the image?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from carina.errors import ConfigError, EvaluationError
from carina.evaluation.outlines import outline_of, outlined
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE
from carina.evaluation.scoring import (
    Frontal,
    answers_of,
    check_any,
    frontals_of,
    has_split,
    part_of,
)
from carina.evaluation.truth import canonical, outlined_findings
from carina.evaluation.zero_shot import queries_for
from carina.metrics.grounding import (
    area_share,
    choose_map_threshold,
    contrast_to_noise,
    dice,
    dice_at_thresholds,
    dilated,
    framed,
    intersection_over_union,
    pointing_hit,
    position_baseline,
    predicted_mask,
)
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    mean_statistic,
    percentile_interval,
    together,
)
from carina.studies.manifest import Manifest
from carina.zeroshot.ask import Answered, encode
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.reading import Unreadable

METRICS = (
    "pointing_game",
    "chance",
    "position_baseline",
    "pointing_over_chance",
    "pointing_over_position",
    "iou",
    "dice",
    "cnr",
    "cnr_absolute",
)
"""Every metric of a case, by its name in tables."""

FOCAL_AREA = 0.12
"""A finding is focal if its outline covers less than this share of the image, on average."""


@dataclass(frozen=True, kw_only=True)
class GroundingSettings:
    """How a grounding evaluation is made.

    Attributes:
        split: the part that is scored; None for every study.
        threshold_split: the part on which the threshold of IoU and Dice is chosen; None for no
            IoU and Dice.
        margin: in the pointing game, how far outside the outline still counts, as a share of the
            radiograph's shorter side. Both baselines get the same margin.
        replicates: bootstrap resamples.
        whole_patients: resample patients with all their cases, not single radiographs.
        seed: of the bootstrap.
        batch_size: radiographs that go through the network at once.

    Raises:
        ConfigError: the parts are the same, or a number is out of range.
    """

    split: str | None = "test"
    threshold_split: str | None = "validate"
    margin: float = 0.0
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.threshold_split is not None and self.threshold_split == self.split:
            raise ConfigError(
                f"The threshold of the maps would be chosen on the scored part, {self.split!r}, "
                "which flatters IoU and Dice. Name another part, or none."
            )
        if not 0 <= self.margin < 0.5:
            raise ConfigError(f"margin must be in [0, 0.5), got {self.margin}: it is a share.")
        if self.replicates < 1 or self.batch_size < 1:
            raise ConfigError(
                f"replicates and batch_size must be at least 1, got {self.replicates} and "
                f"{self.batch_size}."
            )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One finding on one radiograph: the score, and what the map is worth.

    `metrics` lacks the position baseline, which needs the other cases; `frame` is the outline on
    the common frame that it uses.
    """

    frontal: Frontal
    finding: int
    score: float
    metrics: Mapping[str, float]
    frame: Bool[np.ndarray, "frame frame"]


@dataclass(kw_only=True)
class Skipped:
    """What could not be scored, each with its message: radiographs, and outlines."""

    unreadable: list[tuple[str, str]] = field(default_factory=list)
    outlines: list[tuple[str, str]] = field(default_factory=list)


def evaluate_grounding(
    model: ZeroShotModel,
    manifest: Manifest,
    queries: Sequence[str | Query] | None = None,
    settings: GroundingSettings | None = None,
    *,
    model_name: str = "",
) -> Evaluation:
    """Asks about every outlined finding and measures where the heat-maps point.

    Files are read, not a store: outlines lie on the pixels of the files.

    Args:
        model: one that makes heat-maps.
        manifest: with boxes or masks; all its studies, the split is taken here.
        queries: by default every finding with an outline, parts of the body left out.
        settings: by default `GroundingSettings()`.
        model_name: what the evaluation calls the model.

    Raises:
        EvaluationError: the model makes no maps, or there is nothing to score.
        ManifestError: no study is in `settings.split`.
        QueryError: a query is blank, or two mean the same finding.
    """
    settings = settings or GroundingSettings()
    listed = outlined_findings(manifest.studies)
    asked = queries_for(manifest, queries, listed, "boxes or masks of findings")
    skipped = Skipped()
    thresholds = map_thresholds(model, manifest, asked, settings, skipped)
    limits = [thresholds[query.name].value for query in asked]
    cases = [
        case_of(frontal, finding, answer, outline, limits[finding], settings)
        for frontal, finding, answer, outline in outlined_answers(
            model, manifest, settings.split, asked, settings, skipped
        )
    ]
    if not cases:
        check_any(cases, skipped.unreadable)
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {settings.split or 'all'} has a box or "
            f"mask of {', '.join(query.name for query in asked)}. Name findings with outlines."
        )
    return assembled(cases, asked, thresholds, settings, skipped, manifest, model_name)


def outlined_answers(
    model: ZeroShotModel,
    manifest: Manifest,
    split: str | None,
    queries: Sequence[Query],
    settings: GroundingSettings,
    skipped: Skipped,
) -> Iterator[tuple[Frontal, int, Answered, Bool[np.ndarray, "height width"]]]:
    """Yields radiograph, finding, answer and true outline of every outlined finding."""
    part = part_of(manifest, split)
    wanted = [canonical(query.name) for query in queries]
    frontals = [one for one in frontals_of(part) if outlined(one) & set(wanted)]
    answers = answers_of(
        model,
        part,
        frontals,
        encode(model, queries),
        batch_size=settings.batch_size,
        store=None,
        title=f"Grounding {split or 'all'}",
    )
    for frontal, answer in answers:
        if isinstance(answer, Unreadable):
            skipped.unreadable.append((frontal.path, answer.message))
            continue
        here = outlined(frontal)
        for finding in (i for i, name in enumerate(wanted) if name in here):
            outline = outline_or_none(part, frontal, wanted[finding], answer, skipped)
            if outline is not None:
                yield frontal, finding, answer, outline


def outline_or_none(
    manifest: Manifest, frontal: Frontal, finding: str, answer: Answered, skipped: Skipped
) -> Bool[np.ndarray, "height width"] | None:
    """The true outline; None, with a note in `skipped`, where it is unreadable or empty."""
    height, width = answer.placement.height, answer.placement.width
    try:
        outline = outline_of(manifest, frontal, finding, height, width)
    except EvaluationError as error:
        skipped.outlines.append((frontal.path, str(error)))
        return None
    if not outline.any():
        skipped.outlines.append((frontal.path, f"the outline of {finding} is empty"))
        return None
    return outline


def heatmap_of(answer: Answered, finding: int) -> Float[np.ndarray, "height width"]:
    """The map of one finding on the radiograph's own pixels.

    Raises:
        EvaluationError: the model makes no maps.
    """
    if answer.grids is None:
        raise EvaluationError(
            "This model makes no heat-maps, so grounding cannot be measured. "
            "Use --task zero-shot, or a model with attention maps."
        )
    return answer.placement.to_original(np.asarray(answer.grids[finding], dtype=np.float32))


def map_thresholds(
    model: ZeroShotModel,
    manifest: Manifest,
    queries: Sequence[Query],
    settings: GroundingSettings,
    skipped: Skipped,
) -> dict[str, Score]:
    """The share of a map's greatest value from which it counts as inside, per finding."""
    split = settings.threshold_split
    if not has_split(manifest, split):
        reason = f"no study in the split {split!r} to choose it on" if split else "not asked for"
        return {query.name: Score(value=None, reason=reason) for query in queries}
    curves: list[list[Float[np.ndarray, " thresholds"]]] = [[] for _ in queries]
    for _, finding, answer, outline in outlined_answers(
        model, manifest, split, queries, settings, skipped
    ):
        curves[finding].append(dice_at_thresholds(heatmap_of(answer, finding), outline))
    thresholds = {}
    for query, of_finding in zip(queries, curves, strict=True):
        value, _ = choose_map_threshold(of_finding)
        if np.isfinite(value):
            thresholds[query.name] = Score(value=value)
        else:
            thresholds[query.name] = Score(value=None, reason="no outline in the validation part")
    return thresholds


def case_of(
    frontal: Frontal,
    finding: int,
    answer: Answered,
    outline: Bool[np.ndarray, "height width"],
    threshold: float | None,
    settings: GroundingSettings,
) -> Case:
    """Measures one map."""
    heatmap = heatmap_of(answer, finding)
    target = dilated(outline, round(settings.margin * min(outline.shape)))
    metrics = {"pointing_game": pointing_hit(heatmap, target), "chance": area_share(target)}
    if threshold is not None:
        inside = predicted_mask(heatmap, threshold)
        metrics["iou"] = intersection_over_union(inside, outline)
        metrics["dice"] = dice(inside, outline)
    contrast = contrast_to_noise(heatmap, outline)
    metrics["cnr"], metrics["cnr_absolute"] = contrast.signed, contrast.absolute
    return Case(
        frontal=frontal,
        finding=finding,
        score=float(answer.scores[finding]),
        metrics=metrics,
        frame=framed(target),
    )


def assembled(
    cases: Sequence[Case],
    queries: Sequence[Query],
    thresholds: dict[str, Score],
    settings: GroundingSettings,
    skipped: Skipped,
    manifest: Manifest,
    model_name: str,
) -> Evaluation:
    """Cases as an evaluation."""
    frame = case_frame(cases, queries)
    names = [query.name for query in queries]
    findings, mean, focal = grounding_scores(frame, names, thresholds, settings)
    return Evaluation(
        task="grounding",
        model=model_name,
        data=f"{manifest.path.name} sha256:{manifest.digest}",
        split=settings.split or "all",
        studies=frame["study"].n_unique(),
        images=frame["image"].n_unique(),
        positives={name: int((frame["query"] == name).sum()) for name in names},
        findings=findings,
        mean=mean,
        thresholds=thresholds,
        settings=settings_as_json(settings, queries, focal, skipped, cases),
        predictions=frame,
    )


def case_frame(cases: Sequence[Case], queries: Sequence[Query]) -> pl.DataFrame:
    """One row a case: study, image, query, score, truth (always 1), patient and the metrics."""
    positions = np.full(len(cases), np.nan)
    for finding in range(len(queries)):
        places = [place for place, case in enumerate(cases) if case.finding == finding]
        positions[places] = position_baseline([cases[place].frame for place in places])
    values = {
        name: np.array([case.metrics.get(name, np.nan) for case in cases], dtype=np.float64)
        for name in METRICS
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
        value, replicates = subset(result, focal).mean_values(metric)
        interval = percentile_interval(value, replicates)
        mean[f"{metric}_focal"] = Score.of(interval, "undefined in every focal finding")
    return findings, mean, [name for name, is_focal in zip(names, focal, strict=True) if is_focal]


def why_undefined(metric: str, threshold: Score) -> str:
    """Why a metric has no value; used only where it has none."""
    if metric in ("iou", "dice") and threshold.value is None:
        return f"no threshold: {threshold.reason}"
    if metric in ("position_baseline", "pointing_over_position"):
        return "fewer than two cases"
    return "no case with an outline"


def subset(result: Bootstrap, chosen: Bool[np.ndarray, " findings"]) -> Bootstrap:
    """The same resamples of some of the findings."""
    return Bootstrap(
        values={name: values[chosen] for name, values in result.values.items()},
        replicates={name: rows[chosen] for name, rows in result.replicates.items()},
    )


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
        statistics.append(
            together(
                *(
                    mean_statistic(metric, spread(cases[metric], places, len(images)))
                    for metric in METRICS
                )
            )
        )
    patients = images["patient"].to_list() if settings.whole_patients else None
    return bootstrap(
        statistics, Resamples(len(images), settings.replicates, settings.seed, patients)
    )


def spread(values: pl.Series, places: Sequence[int], images: int) -> Float[np.ndarray, " images"]:
    """Values of cases at the places of their images; nan elsewhere."""
    whole = np.full(images, np.nan)
    whole[list(places)] = values.fill_null(float("nan")).to_numpy()
    return whole


def settings_as_json(
    settings: GroundingSettings,
    queries: Sequence[Query],
    focal: Sequence[str],
    skipped: Skipped,
    cases: Sequence[Case],
) -> dict[str, Any]:
    """How the evaluation was made, in words and numbers."""
    return {
        "queries": {query.name: query.text for query in queries},
        "outline": "union of a finding's masks on a radiograph, or of its boxes if it has no mask",
        "margin": settings.margin,
        "ties": "share of the greatest pixels inside",
        "position_baseline": "peak of the other cases' outlines, from the scored part",
        "focal": list(focal),
        "focal_area_below": FOCAL_AREA,
        "threshold_split": settings.threshold_split,
        "threshold_of": "share of a map's greatest value; best mean Dice on validation cases",
        "interval": "percentile bootstrap, 2.5% to 97.5%",
        "replicates": settings.replicates,
        "resampled": "whole patients" if settings.whole_patients else "single radiographs",
        "seed": settings.seed,
        "unreadable": [{"image": path, "message": text} for path, text in skipped.unreadable],
        "unusable_outlines": [{"image": path, "message": text} for path, text in skipped.outlines],
        "sources": sorted({case.frontal.study.source for case in cases}),
    }
