"""The grounding section of a page: rows, and hits, near misses and misses to look at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from carina.evaluation.grounding_cases import BEST_ON_TEST
from carina.evaluation.page_cases import SHOWN_CASES, Choice, drawn
from carina.evaluation.page_values import chosen, measured_of
from carina.evaluation.result import Evaluation
from carina.pages.report_content import Case, CaseGroup, GroundingRow
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import ZeroShotModel

GROUNDING_METRICS = (
    *("pointing_game", "pointing_over_position", "detection_precision", "detection_recall"),
    *("iou", "dice", "cnr"),
)
FLATTERING = ("detection_precision", "detection_recall", "iou", "dice")

NEAR = 0.05
"""A peak that lies outside by no more than this share of the shorter side is a near miss."""


def grounding_rows(evaluation: Evaluation) -> tuple[GroundingRow, ...]:
    """One row a finding, with both answers that need no model."""
    return tuple(
        GroundingRow(
            finding=name,
            cases=evaluation.positives[name],
            values=chosen(scores, GROUNDING_METRICS),
            chance=measured_of(scores["chance"]),
            position=measured_of(scores["position_baseline"]),
            best_on_test=chosen(scores, [f"{name}{BEST_ON_TEST}" for name in FLATTERING]),
        )
        for name, scores in evaluation.findings.items()
    )


def pointed_groups(
    evaluation: Evaluation, model: ZeroShotModel, manifest: Manifest
) -> tuple[CaseGroup, ...]:
    """Hits, near misses, misses as they mostly are, and the worst, a few of each."""
    cases = evaluation.predictions.filter(pl.col("peak_distance").is_not_null())
    inside = pl.col("pointing_game") >= 0.5
    near = ~inside & (pl.col("pointing_game") == 0) & (pl.col("peak_distance") <= NEAR)
    hits, beside = cases.filter(inside), cases.filter(near)
    misses = cases.filter(~inside & ~near)
    typical = (pl.col("peak_distance") - misses["peak_distance"].median()).abs()
    usual = picked(misses.sort(typical) if len(misses) else misses, ())
    groups = (
        (
            "Hits",
            "The peak lies inside the outline; those whose map stands out most there.",
            len(hits),
            picked(hits.sort("cnr", descending=True, nulls_last=True), ()),
        ),
        (
            "Near misses",
            f"The peak lies outside, by up to {NEAR:.0%} of the image's shorter side.",
            len(beside),
            picked(beside.sort("peak_distance"), ()),
        ),
        (
            "Misses",
            "The peak lies farther away; those that are as far as most.",
            len(misses),
            usual,
        ),
        (
            "Worst",
            "The misses whose peak is farthest from the outline.",
            len(misses),
            picked(misses.sort("peak_distance", descending=True), usual),
        ),
    )
    return tuple(
        CaseGroup(
            heading=f"{heading}: {number} of {len(cases)} cases" if heading != "Worst" else heading,
            text=text,
            cases=tuple(map(with_peak, drawn(model, manifest, evaluation, choices))),
        )
        for heading, text, number, choices in groups
    )


def picked(cases: pl.DataFrame, taken: Sequence[Choice]) -> tuple[Choice, ...]:
    """The first few: each of another image and, as far as there are so many, another finding."""
    kept: dict[str, dict[str, Any]] = {}
    images = {choice.image for choice in taken}
    for only_new in (True, False):
        for row in cases.iter_rows(named=True):
            known = {one["query"] for one in kept.values()}
            new = row["query"] not in known or not only_new
            if new and len(kept) < SHOWN_CASES and row["image"] not in {*images, *kept}:
                kept[row["image"]] = row
    return tuple(map(choice_of, kept.values()))


def choice_of(row: dict[str, Any]) -> Choice:
    """A case of the predictions as a choice."""
    if row["pointing_game"] >= 0.5:
        where = "Peak inside the outline"
    else:
        where = f"Peak {row['peak_distance']:.0%} of the shorter side away from the outline"
    words = [where]
    if row["dice"] is not None:
        words.append(f"Dice {row['dice']:.2f}")
    if row["cnr"] is not None:
        words.append(f"contrast-to-noise {row['cnr']:+.2f}")
    return Choice(
        image=row["image"],
        finding=row["query"],
        score=row["score"],
        truth=True,
        caption="; ".join(words) + ".",
    )


def with_peak(case: Case) -> Case:
    """The case with the place of its map's greatest value."""
    if case.heatmap is None:
        return case
    row, column = np.unravel_index(int(case.heatmap.argmax()), case.heatmap.shape)
    return replace(case, peak=(int(row), int(column)))
