"""Segmentation: masks of a fine-tuned model against those of readers, on the original pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import polars as pl

from carina.errors import EvaluationError
from carina.evaluation.labelled import (
    absent_findings,
    bootstrap_settings,
    bootstrapped,
    evaluation_of,
    positives_of,
)
from carina.evaluation.outlines import outline_of, outlined
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE
from carina.evaluation.scoring import Frontal, answers_of, check_any, frontals_of, part_of
from carina.finetuning.segmenter import Segmenter
from carina.metrics.classification import Statistic
from carina.metrics.segmentation import METRICS, mask_metrics
from carina.metrics.statistics import (
    share_statistic,
    together,
)
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, absent_where_only_presence_is_listed
from carina.zeroshot.ask import Answered, encode
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.reading import Unreadable


@dataclass(frozen=True, kw_only=True)
class SegmentationScoring:
    """How masks are measured: the part, and the bootstrap over patients."""

    split: str | None = "test"
    unmentioned: Unmentioned = absent_where_only_presence_is_listed
    replicates: int = 1000
    seed: int = 0
    batch_size: int = 16


def evaluate_segmentation(
    model: Segmenter,
    manifest: Manifest,
    scoring: SegmentationScoring | None = None,
    *,
    model_name: str = "",
) -> Evaluation:
    """Draws every structure on every radiograph of a part and compares with the truth.

    A structure is measured where it is outlined, and, as an empty mask, where it is absent: what
    is absent is decided as in training. Thresholds are the model's own, chosen on validation
    images.

    Raises:
        EvaluationError: nothing is outlined, or a mask cannot be read.
    """
    scoring = scoring or SegmentationScoring()
    part = part_of(manifest, scoring.split)
    names = model.config.structures
    known = known_structures(manifest, frontals_of(part), names, scoring.unmentioned)
    if not any(outlined(frontal) & set(names) for frontal, _ in known):
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {scoring.split!r} has an outline of "
            f"{', '.join(names)}; expected masks or boxes to measure against."
        )
    frame, unreadable = drawn_masks(model, part, known, scoring)
    evaluation = evaluation_of(
        frame,
        bootstrapped(frame, mask_statistics(frame, names), scoring.replicates, scoring.seed),
        names,
        task="segmentation",
        model_name=model_name,
        manifest=manifest,
        split=scoring.split,
        positives=positives_of(frame, names),
        reasons={metric: why_undefined(metric) for metric in METRICS},
        nowhere="undefined for every structure",
        settings={
            "pixels": "of the original radiograph",
            "empty": "dice and iou leave images without truth out; dice_with_empty scores them",
            "unmentioned": scoring.unmentioned.__name__,
            **bootstrap_settings(part, scoring.replicates, scoring.seed, unreadable),
        },
    )
    thresholds = zip(names, model.thresholds.tolist(), strict=True)
    return replace(evaluation, thresholds={name: Score(value=value) for name, value in thresholds})


Known = tuple[Frontal, frozenset[str]]
"""A radiograph, and the names of which the truth is known on it."""


def known_structures(
    manifest: Manifest,
    frontals: Sequence[Frontal],
    names: Sequence[str],
    unmentioned: Unmentioned,
) -> list[Known]:
    """The radiographs of which the truth of some structure is known."""
    absent = absent_findings(manifest, frontals, names, unmentioned)
    known = [
        (frontal, frozenset(names) & (outlined(frontal) | gone))
        for frontal, gone in zip(frontals, absent, strict=True)
    ]
    return [(frontal, structures) for frontal, structures in known if structures]


def drawn_masks(
    model: Segmenter, part: Manifest, known: Sequence[Known], scoring: SegmentationScoring
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """One row for each known structure of each radiograph, and what could not be read."""
    asked = cast(ZeroShotModel, model)
    names = model.config.structures
    structures = {(frontal.study.study_id, frontal.path): known_on for frontal, known_on in known}
    thresholds = dict(zip(names, model.thresholds.tolist(), strict=True))
    records: list[dict[str, object]] = []
    unreadable: list[tuple[str, str]] = []
    answers = answers_of(
        asked,
        part,
        [frontal for frontal, _ in known],
        encode(asked, tuple(Query(name) for name in names)),
        batch_size=scoring.batch_size,
        store=None,
        title="Drawing masks",
    )
    for frontal, answer in answers:
        if isinstance(answer, Unreadable):
            unreadable.append((frontal.path, answer.message))
        else:
            measured = structures[frontal.study.study_id, frontal.path]
            records += case_records(part, frontal, answer, names, measured, thresholds)
    check_any(records, unreadable)
    return pl.DataFrame(records), unreadable


def case_records(
    manifest: Manifest,
    frontal: Frontal,
    answer: Answered,
    names: Sequence[str],
    known: frozenset[str],
    thresholds: dict[str, float],
) -> list[dict[str, object]]:
    """One row for each known structure of a radiograph."""
    assert answer.grids is not None
    records: list[dict[str, object]] = []
    for place, name in enumerate(names):
        if name not in known:
            continue
        probability = answer.placement.to_original(answer.grids[place])
        height, width = probability.shape
        truth = (
            outline_of(manifest, frontal, name, height, width)
            if name in outlined(frontal)
            else np.zeros((height, width), dtype=bool)
        )
        records.append(
            {
                "study": frontal.study.study_id,
                "image": frontal.path,
                "query": name,
                "score": float(answer.scores[place]),
                "truth": int(truth.any()),
                "patient": frontal.study.patient_id,
                **mask_metrics(probability >= thresholds[name], truth),
            }
        )
    return records


def mask_statistics(frame: pl.DataFrame, names: Sequence[str]) -> list[Statistic]:
    """The mean of every metric over the images of each structure."""
    images = frame.unique(IMAGE, keep="first", maintain_order=True)
    row = {key: place for place, key in enumerate(images.select(IMAGE).iter_rows())}
    statistics = []
    for name in names:
        cases = frame.filter(pl.col("query") == name)
        places = [row[key] for key in cases.select(IMAGE).iter_rows()]
        means = []
        for metric in METRICS:
            values = np.full(len(images), np.nan)
            values[places] = cases[metric].to_numpy()
            means.append(share_statistic(metric, values))
        statistics.append(together(*means))
    return statistics


def why_undefined(metric: str) -> str:
    """Why a metric has no value."""
    return "no image without truth" if metric == "false_alarm" else "no image with truth"
