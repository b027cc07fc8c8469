"""Phrase grounding: do maps of phrases fit the boxes that readers drew for them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from carina.errors import ConfigError, EvaluationError
from carina.evaluation.bounds import check_at_least_one
from carina.evaluation.phrase_cases import (
    IOU_METRICS,
    MEASURED_SIDE,
    LeftOut,
    MeasuredCase,
    PhraseCase,
    label_cases,
    mapped_cases,
    measured_case,
    phrase_cases,
)
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.scoring import check_any, part_of
from carina.evaluation.sources import SOURCES, sources_of
from carina.evaluation.weight_temperature import check_sweep, sweep_of
from carina.metrics.grounding import position_baseline
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    mean_statistic,
    share_statistic,
    together,
)
from carina.studies.manifest import Manifest
from carina.zeroshot.prompts import check_template

METRICS = (
    *("cnr", "cnr_absolute", "miou"),
    *("pointing_game", "chance", "position_baseline", "pointing_over_position"),
    *IOU_METRICS,
)
"""Every metric of a case, by its name in tables."""
SHARES = frozenset({"miou", "pointing_game", *IOU_METRICS})
"""Those that lie in [0, 1], and are measured rather than known beforehand."""

SAMPLES = "_samples"
"""Ends the name of a mean over phrases; without it, the mean is over categories."""


@dataclass(frozen=True, kw_only=True)
class PhraseGroundingSettings:
    """How phrase grounding is measured.

    Attributes:
        split: the part that is scored; None for every study.
        template: asks outlines by their label, such as "Findings suggesting {name}", instead of
            boxes by their phrase.
        smoothing: deviation of a Gaussian blur of the maps, in patches; MaCo's published code
            has 1.5, its paper none.
        weight_temperatures: repeats the measurement with the weights of the patches softened by
            each, for a model that has such weights.
        replicates: bootstrap resamples.
        whole_patients: resample patients with all their phrases, not single radiographs.
        seed: of the bootstrap.
        batch_size: radiographs that go through the network at once.

    Raises:
        ConfigError: a number is out of range, or the template cannot be filled.
    """

    split: str | None = "test"
    template: str | None = None
    smoothing: float = 0.0
    weight_temperatures: tuple[float, ...] = ()
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if not 0 <= self.smoothing < float("inf"):
            raise ConfigError(f"smoothing must be 0 or more patches, got {self.smoothing}.")
        if not all(0 < one < float("inf") for one in self.weight_temperatures):
            raise ConfigError(
                f"Every weight temperature must be > 0, got {self.weight_temperatures}."
            )
        check_at_least_one("replicates", self.replicates)
        check_at_least_one("batch_size", self.batch_size)
        if self.template is not None:
            check_template(self.template)


def evaluate_phrase_grounding(
    model: object,
    manifest: Manifest,
    settings: PhraseGroundingSettings | None = None,
    *,
    model_name: str = "",
) -> Evaluation:
    """Asks a model for the map of every phrase that has boxes, and measures it.

    A map without differences, which points nowhere, overlaps nothing: it scores 0 and stays in
    every mean. What is left out, such as files that cannot be read, is named.

    Args:
        model: a `PhraseGrounder`, or a `ZeroShotModel` that makes maps.
        manifest: with boxes that have phrases; all its studies, the split is taken here.
        settings: by default `PhraseGroundingSettings()`.
        model_name: what the evaluation calls the model.

    Raises:
        EvaluationError: no box has a phrase, or nothing could be scored.
        ManifestError: no study is in `settings.split`.
        ModelError: the model cannot ground phrases.
        ConfigError: temperatures are given for a model without weights of patches.
    """
    settings = settings or PhraseGroundingSettings()
    check_sweep(model, settings.weight_temperatures)
    part = part_of(manifest, settings.split)
    cases = cases_of(part, settings)
    left_out = LeftOut()
    measured = [
        one
        for case, mapped, phrase in mapped_cases(
            model,
            part,
            cases,
            left_out,
            smoothing=settings.smoothing,
            batch_size=settings.batch_size,
        )
        if (one := measured_case(case, mapped, phrase, left_out)) is not None
    ]
    if not measured:
        check_any(measured, left_out.unreadable)
        raise EvaluationError(
            f"{manifest.path}: not one of {len(cases)} phrases has boxes that can be used. The "
            f"first: {left_out.outlines[0][1]}."
        )
    sweep = sweep_of(
        model,
        part,
        [one.case for one in measured],
        settings.weight_temperatures,
        smoothing=settings.smoothing,
        batch_size=settings.batch_size,
    )
    return assembled(measured, settings, left_out, sweep, manifest, model_name)


def cases_of(part: Manifest, settings: PhraseGroundingSettings) -> list[PhraseCase]:
    """The phrases to ground.

    Raises:
        EvaluationError: there is none.
    """
    if settings.template is not None:
        cases = label_cases(part, settings.template)
        lacking = "box or mask of a finding"
        advice = "Use data with outlines."
    else:
        cases = phrase_cases(part)
        lacking = "box with a phrase"
        advice = (
            "Use data such as MS-CXR, or ask outlines by their label with --phrase-template "
            "'Findings suggesting {name}'."
        )
    if not cases:
        raise EvaluationError(
            f"{part.path}: no radiograph of the split {settings.split or 'all'} has a {lacking}. "
            f"{advice}"
        )
    return cases


def assembled(
    measured: Sequence[MeasuredCase],
    settings: PhraseGroundingSettings,
    left_out: LeftOut,
    sweep: list[dict[str, Any]],
    manifest: Manifest,
    model_name: str,
) -> Evaluation:
    """Cases as an evaluation."""
    frame = phrase_frame(measured)
    categories = sorted(frame["category"].unique())
    findings, mean = phrase_scores(frame, categories, settings)
    return Evaluation(
        task="phrase-grounding",
        model=model_name,
        data=f"{manifest.path.name} sha256:{manifest.digest}",
        split=settings.split or "all",
        studies=frame["study"].n_unique(),
        images=frame["image"].n_unique(),
        positives={name: int((frame["category"] == name).sum()) for name in categories},
        findings=findings,
        mean=mean,
        thresholds={},
        settings={**settings_as_json(settings, left_out, measured), "weight_temperatures": sweep},
        predictions=frame,
    )


def phrase_frame(measured: Sequence[MeasuredCase]) -> pl.DataFrame:
    """One row a case: study, image, query (the phrase), category, patient and the metrics."""
    positions = np.full(len(measured), np.nan)
    categories = [one.case.category for one in measured]
    for category in set(categories):
        places = [place for place, name in enumerate(categories) if name == category]
        positions[places] = position_baseline([measured[place].frame for place in places])
    values = {
        name: np.array([one.metrics.get(name, np.nan) for one in measured]) for name in METRICS
    }
    values["position_baseline"] = positions
    values["pointing_over_position"] = values["pointing_game"] - positions
    frame = pl.DataFrame(
        {
            "study": [one.case.frontal.study.study_id for one in measured],
            "image": [one.case.frontal.path for one in measured],
            "query": [one.case.phrase for one in measured],
            "category": categories,
            "score": [one.score for one in measured],
            "truth": pl.Series([1] * len(measured), dtype=pl.Int8),
            "patient": [one.case.frontal.study.patient_id for one in measured],
        }
    )
    return frame.with_columns(
        pl.Series(name, value, nan_to_null=True) for name, value in values.items()
    )


def phrase_scores(
    frame: pl.DataFrame, categories: Sequence[str], settings: PhraseGroundingSettings
) -> tuple[dict[str, dict[str, Score]], dict[str, Score]]:
    """Scores by category; their mean over categories, and over phrases (`_samples`)."""
    of_categories = [frame["category"] == name for name in categories]
    everything = bootstrap_phrases(frame, of_categories, settings)
    whole = bootstrap_phrases(frame, [frame["category"].is_not_null()], settings)
    findings = {
        name: {
            metric: Score.of(everything.interval(metric, i), why_undefined(metric))
            for metric in METRICS
        }
        for i, name in enumerate(categories)
    }
    mean = {
        metric: Score.of(everything.mean_interval(metric), "undefined in every category")
        for metric in METRICS
    }
    for metric in METRICS:
        interval = whole.interval(metric, 0)
        mean[f"{metric}{SAMPLES}"] = Score.of(interval, why_undefined(metric))
    return findings, mean


def bootstrap_phrases(
    frame: pl.DataFrame, groups: Sequence[pl.Series], settings: PhraseGroundingSettings
) -> Bootstrap:
    """Resamples radiographs, or whole patients, with all their phrases."""
    units = frame["patient" if settings.whole_patients else "image"].to_list()
    statistics = [
        together(
            *(
                (share_statistic if name in SHARES else mean_statistic)(
                    name,
                    np.where(group.to_numpy(), frame[name].fill_null(np.nan).to_numpy(), np.nan),
                )
                for name in METRICS
            )
        )
        for group in groups
    ]
    return bootstrap(statistics, Resamples(len(frame), settings.replicates, settings.seed, units))


def why_undefined(metric: str) -> str:
    """Why a metric has no value; used only where it has none."""
    if metric in ("position_baseline", "pointing_over_position"):
        return "fewer than two cases"
    return "the truth covers the whole radiograph"


def settings_as_json(
    settings: PhraseGroundingSettings, left_out: LeftOut, measured: Sequence[MeasuredCase]
) -> dict[str, Any]:
    """How the evaluation was made, in words and numbers."""
    return {
        "phrases": len(measured),
        "different_phrases": len({one.case.phrase.casefold() for one in measured}),
        "asked_by": "phrase of the boxes" if settings.template is None else settings.template,
        "outline": "union of a phrase's boxes on a radiograph"
        if settings.template is None
        else "union of a label's masks on a radiograph, or of its boxes if it has no mask",
        "smoothing": settings.smoothing,
        "measured_at": f"the radiograph, its longer side at most {MEASURED_SIDE} pixels",
        "miou": "mean over thresholds 0.1 to 0.5 on the map scaled to [-1, 1]; a map without "
        "differences scores 0",
        "cnr": "(mean inside - mean outside) / sqrt(variance inside + variance outside)",
        "ties": "share of the greatest pixels inside",
        "position_baseline": "peak of the other outlines of the category, from the scored part",
        "interval": "bootstrap, 95% (BCa with quantiles of Student's t)",
        "replicates": settings.replicates,
        "resampled": "whole patients" if settings.whole_patients else "single radiographs",
        "seed": settings.seed,
        "unreadable": [{"image": path, "message": text} for path, text in left_out.unreadable],
        "unusable_outlines": [
            {"image": path, "message": f"{path}: {text}"} for path, text in left_out.outlines
        ],
        "not_read_whole": left_out.notes,
        SOURCES: sources_of(one.case.frontal.study for one in measured),
    }
