"""Cases of grounding: one finding on one radiograph, its heat-map, and what the map is worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from carina.errors import EvaluationError
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.outlines import outline_of, outlined, separate_boxes
from carina.evaluation.result import Score
from carina.evaluation.scoring import Frontal, answers_of, frontals_of, has_split, part_of
from carina.imaging.preprocessing import Placement
from carina.metrics.grounding import (
    area_share,
    choose_map_threshold,
    contrast_to_noise,
    dice,
    dice_at_thresholds,
    dilated,
    framed,
    intersection_over_union,
    peak_distance,
    pointing_hit,
    predicted_mask,
)
from carina.metrics.regions import detect
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.zeroshot.ask import Answered, encode
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.reading import Unreadable

BEST_ON_TEST = "_best_on_test"
"""The ending of what is measured at the threshold that is best on the scored cases."""


@dataclass(frozen=True, kw_only=True)
class CoarseMap:
    """A map as the model made it, and where it lies on the radiograph."""

    grid: Float32[np.ndarray, "rows cols"]
    placement: Placement

    def on_pixels(self) -> Float[np.ndarray, "height width"]:
        """The map on the radiograph's own pixels."""
        return self.placement.to_original(self.grid)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One finding on one radiograph: the score, and what the map is worth.

    `values` lacks what needs the other cases; `frame` is the outline on the common frame of the
    position baseline, `curve` the Dice at every threshold.
    """

    frontal: Frontal
    finding: int
    score: float
    coarse: CoarseMap
    values: Mapping[str, float]
    frame: Bool[np.ndarray, "frame frame"]
    curve: Float[np.ndarray, " thresholds"]


@dataclass(kw_only=True)
class Skipped:
    """What could not be scored, each with its message: radiographs, and outlines."""

    unreadable: list[tuple[str, str]] = field(default_factory=list)
    outlines: list[tuple[str, str]] = field(default_factory=list)


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
    """The true outline; None, with a note in `skipped`, where it cannot be used."""
    height, width = answer.placement.height, answer.placement.width
    try:
        return outline_of(manifest, frontal, finding, height, width)
    except EvaluationError as error:
        skipped.outlines.append((frontal.path, str(error)))
        return None


def coarse_map(answer: Answered, finding: int) -> CoarseMap:
    """The map of one finding.

    Raises:
        EvaluationError: the model makes no maps.
    """
    if answer.grids is None:
        raise EvaluationError(
            "This model makes no heat-maps, so grounding cannot be measured. "
            "Use --task zero-shot, or a model with attention maps."
        )
    # A copy: the maps of the other findings are let go of.
    grid = np.array(answer.grids[finding], dtype=np.float32)
    return CoarseMap(grid=grid, placement=answer.placement)


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
        curves[finding].append(dice_at_thresholds(coarse_map(answer, finding).on_pixels(), outline))
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
    name: str,
    answer: Answered,
    outline: Bool[np.ndarray, "height width"],
    threshold: float | None,
    settings: GroundingSettings,
) -> Case:
    """Measures one map."""
    coarse = coarse_map(answer, finding)
    heatmap = coarse.on_pixels()
    target = dilated(outline, round(settings.margin * min(outline.shape)))
    contrast = contrast_to_noise(heatmap, outline)
    values = {
        "pointing_game": pointing_hit(heatmap, target),
        "chance": area_share(target),
        "peak_distance": peak_distance(heatmap, outline),
        "cnr": contrast.signed,
        "cnr_absolute": contrast.absolute,
    }
    if threshold is not None:
        values |= overlap_values(heatmap, outline, frontal, name, threshold)
    return Case(
        frontal=frontal,
        finding=finding,
        score=float(answer.scores[finding]),
        coarse=coarse,
        values=values,
        frame=framed(target),
        curve=dice_at_thresholds(heatmap, outline),
    )


def overlap_values(
    heatmap: Float[np.ndarray, "height width"],
    outline: Bool[np.ndarray, "height width"],
    frontal: Frontal,
    finding: str,
    threshold: float,
    ending: str = "",
) -> dict[str, float]:
    """Everything that needs a threshold: overlap, and the counts of detection."""
    inside = predicted_mask(heatmap, threshold)
    boxes = separate_boxes(frontal, finding, *outline.shape)
    detection = detect(heatmap, inside, outline, boxes)
    values = {
        "iou": intersection_over_union(inside, outline),
        "dice": dice(inside, outline),
        "regions": float(detection.regions),
        "parts": float(detection.parts),
        "found": float(detection.found),
    }
    return {f"{name}{ending}": value for name, value in values.items()}


def thresholds_best_on_test(cases: Sequence[Case], findings: int) -> list[float | None]:
    """The threshold with the best mean Dice on the scored cases themselves, per finding."""
    chosen = []
    for finding in range(findings):
        value, _ = choose_map_threshold([one.curve for one in cases if one.finding == finding])
        chosen.append(value if np.isfinite(value) else None)
    return chosen


def with_best_on_test(
    cases: Sequence[Case], manifest: Manifest, names: Sequence[str]
) -> tuple[list[Case], dict[str, float | None]]:
    """Cases with what the papers report beside what is right, and the thresholds of that.

    The outlines are read again: all of them at once would not fit the memory.
    """
    thresholds = thresholds_best_on_test(cases, len(names))
    told = []
    for case in cases:
        threshold, name = thresholds[case.finding], names[case.finding]
        assert threshold is not None  # this very case has an outline
        placement = case.coarse.placement
        outline = outline_of(
            manifest, case.frontal, canonical(name), placement.height, placement.width
        )
        flattering = overlap_values(
            case.coarse.on_pixels(), outline, case.frontal, name, threshold, BEST_ON_TEST
        )
        told.append(replace(case, values={**case.values, **flattering}))
    return told, dict(zip(names, thresholds, strict=True))
