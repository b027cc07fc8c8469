"""What the measures of fine-tuned models share: what is absent, what is counted, what is said."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE
from carina.evaluation.scoring import Frontal
from carina.evaluation.sources import SOURCES, sources_of
from carina.metrics.classification import Statistic
from carina.metrics.statistics import Bootstrap, Resamples, bootstrap
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


def bootstrapped(
    frame: pl.DataFrame, statistics: Sequence[Statistic], replicates: int, seed: int
) -> Bootstrap:
    """Resamples whole patients with all their rows."""
    images = frame.unique(IMAGE, keep="first", maintain_order=True)
    patients = images["patient"].to_list()
    return bootstrap(list(statistics), Resamples(len(images), replicates, seed, patients))


def evaluation_of(
    frame: pl.DataFrame,
    result: Bootstrap,
    names: Sequence[str],
    *,
    task: str,
    model_name: str,
    manifest: Manifest,
    split: str | None,
    positives: Mapping[str, int],
    reasons: Mapping[str, str],
    nowhere: str,
    settings: Mapping[str, Any],
) -> Evaluation:
    """The evaluation of a fine-tuned model, without thresholds.

    Args:
        frame: the predictions, a row an image and name.
        result: the metrics of each name.
        names: what was measured.
        task: as the evaluation calls it.
        model_name: likewise.
        manifest: the whole, of which the split was measured.
        split: None is all of it.
        positives: images on which each name is present.
        reasons: every metric that is told, and why it may be undefined for a name.
        nowhere: why the mean of a metric may be undefined.
        settings: how it was measured.
    """
    return Evaluation(
        task=task,
        model=model_name,
        data=f"{manifest.path.name} sha256:{manifest.digest}",
        split=split or "all",
        studies=frame["study"].n_unique(),
        images=frame.select(IMAGE).n_unique(),
        positives=dict(positives),
        findings={
            name: {m: Score.of(result.interval(m, i), reason) for m, reason in reasons.items()}
            for i, name in enumerate(names)
        },
        mean={m: Score.of(result.mean_interval(m), nowhere) for m in reasons},
        thresholds={},
        settings=dict(settings),
        predictions=frame,
    )
