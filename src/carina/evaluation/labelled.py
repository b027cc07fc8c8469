"""What the measures of fine-tuned models share: what is absent, what is counted, what is said."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from carina.evaluation.scoring import Frontal
from carina.evaluation.sources import SOURCES, sources_of
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, truth_of


def absent_findings(
    manifest: Manifest,
    frontals: Sequence[Frontal],
    names: Sequence[str],
    unmentioned: Unmentioned,
) -> list[frozenset[str]]:
    """What is known to be absent on each radiograph: decided as in training.

    A name that the manifest lists nowhere as a finding, such as a lung, is never absent.
    """
    studies = [frontal.study for frontal in frontals]
    truth = truth_of(studies, names, manifest.studies, unmentioned)
    listed = [bool(sources) for sources in truth.sources]
    return [
        frozenset(
            name
            for name, value, is_listed in zip(names, row, listed, strict=True)
            if is_listed and value == 0
        )
        for row in truth.values
    ]


def positives_of(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """Images on which each name is present."""
    return {name: int(frame.filter(pl.col("query") == name)["truth"].sum()) for name in names}


def bootstrap_settings(
    part: Manifest, replicates: int, seed: int, unreadable: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """How intervals were made, on what, and what was left out."""
    return {
        "replicates": replicates,
        "resampled": "whole patients",
        "seed": seed,
        "aggregation": "image",
        SOURCES: sources_of(part.studies),
        "unreadable": [{"image": path, "message": text} for path, text in unreadable],
    }
