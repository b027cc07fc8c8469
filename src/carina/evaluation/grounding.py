"""Grounding: do heat-maps point at what readers outlined, better than without the image?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from carina.errors import EvaluationError
from carina.evaluation.grounding_cases import (
    Case,
    Skipped,
    case_of,
    map_thresholds,
    outlined_answers,
    with_best_on_test,
)
from carina.evaluation.grounding_scores import (
    FOCAL_AREA,
    case_frame,
    grounding_scores,
    undefined_cases,
)
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.outlines import with_outlines
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.scoring import check_any
from carina.evaluation.sources import SOURCES, sources_of
from carina.evaluation.zero_shot import queries_for
from carina.metrics.regions import FOUND
from carina.studies.manifest import Manifest
from carina.studies.truth import outlined_findings
from carina.zeroshot.protocol import Query, ZeroShotModel


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
    given, manifest = manifest, with_outlines(manifest, settings.outlines)
    listed = outlined_findings(manifest.studies)
    asked = queries_for(manifest, queries, listed, "boxes or masks of findings")
    skipped = Skipped()
    thresholds = map_thresholds(model, manifest, asked, settings, skipped)
    names = [query.name for query in asked]
    limits = [thresholds[name].value for name in names]
    cases = [
        case_of(frontal, finding, names[finding], answer, outline, limits[finding], settings)
        for frontal, finding, answer, outline in outlined_answers(
            model, manifest, settings.split, asked, settings, skipped
        )
    ]
    if not cases:
        check_any(cases, skipped.unreadable)
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {settings.split or 'all'} has a box or "
            f"mask of {', '.join(names)}. Name findings with outlines."
        )
    cases, best_on_test = with_best_on_test(cases, manifest, names)
    found = assembled(cases, asked, thresholds, settings, skipped, given, model_name)
    return replace(found, settings={**found.settings, "thresholds_best_on_test": best_on_test})


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
    names = [query.name for query in queries]
    frame = case_frame(cases, queries)
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
        settings={
            **settings_as_json(settings, queries, focal, skipped, cases),
            "undefined_cases": undefined_cases(frame),
        },
        predictions=frame,
    )


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
        "outlines": {name: list(labels) for name, labels in settings.outlines.items()},
        "margin": settings.margin,
        "found_from_iou": FOUND,
        "ties": "share of the greatest pixels inside",
        "position_baseline": "peak of the other cases' outlines, from the scored part",
        "focal": list(focal),
        "focal_area_below": FOCAL_AREA,
        "threshold_split": settings.threshold_split,
        "threshold_of": "share of a map's greatest value; best mean Dice on validation cases",
        "interval": "bootstrap, 95% (BCa with quantiles of Student's t)",
        "replicates": settings.replicates,
        "resampled": "whole patients" if settings.whole_patients else "single radiographs",
        "seed": settings.seed,
        "unreadable": [{"image": path, "message": text} for path, text in skipped.unreadable],
        "unusable_outlines": [{"image": path, "message": text} for path, text in skipped.outlines],
        SOURCES: sources_of(case.frontal.study for case in cases),
    }
