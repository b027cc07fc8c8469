"""Grading: a fine-tuned model's grades or scores against those of readers."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import polars as pl
from jaxtyping import Float

from carina.errors import EvaluationError
from carina.evaluation.labelled import (
    bootstrap_settings,
    bootstrapped,
    evaluation_of,
)
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import Frontal, answers_of, check_any, frontals_of, part_of
from carina.finetuning.grader import Grader, Grades
from carina.finetuning.grading import severities
from carina.imaging.store import ImageStore
from carina.metrics.classification import Statistic, ranking_statistic
from carina.metrics.ordinal import grading_statistic, one_rest_statistic, regression_statistic
from carina.metrics.statistics import together
from carina.studies.manifest import Manifest
from carina.zeroshot.ask import encode
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.reading import Unreadable

GRADES = "grades"
REGRESSION = "regression"


def evaluate_grading(
    model: Grader,
    manifest: Manifest,
    *,
    split: str | None = "test",
    model_name: str = "",
    store: ImageStore | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measures every severity that the model tells on the radiographs of which it is known.

    Raises:
        EvaluationError: none is known.
    """
    part = part_of(manifest, split)
    names = model.config.names
    frontals = [one for one in frontals_of(part) if np.isfinite(severities(one.study, names)).any()]
    if not frontals:
        raise EvaluationError(
            f"{manifest.path}: no radiograph of the split {split!r} has a severity "
            f"{', '.join(names)}; expected some to measure against."
        )
    frame, unreadable = graded(model, part, frontals, store)
    kind = GRADES if isinstance(model.config.scale, Grades) else REGRESSION
    settings = {
        "kind": kind,
        "highest": model.config.scale.highest,
        "readers": "averaged",
        **bootstrap_settings(part, replicates, seed, unreadable),
    }
    result = bootstrapped(frame, severity_statistics(frame, names, settings), replicates, seed)
    undefined = "too few grades or scores that differ"
    return evaluation_of(
        frame,
        result,
        names,
        task="grading" if kind == GRADES else "severity",
        model_name=model_name,
        manifest=manifest,
        split=split,
        positives={name: known_above_zero(frame, name) for name in names},
        reasons=dict.fromkeys(result.values, undefined),
        nowhere=undefined,
        settings=settings,
    )


def graded(
    model: Grader, part: Manifest, frontals: Sequence[Frontal], store: ImageStore | None
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """One row for each severity of each radiograph, and what could not be read."""
    asked = cast(ZeroShotModel, model)
    names = model.config.names
    queries = encode(asked, tuple(Query(name) for name in model.config.outputs))
    records: list[dict[str, object]] = []
    unreadable: list[tuple[str, str]] = []
    answers = answers_of(
        asked, part, frontals, queries, batch_size=16, store=store, title="Grading"
    )
    for frontal, answer in answers:
        if isinstance(answer, Unreadable):
            unreadable.append((frontal.path, answer.message))
            continue
        told = severities(frontal.study, names)
        shares = answer.scores[len(names) :].reshape(len(names), -1)
        for place, (name, truth) in enumerate(zip(names, told, strict=True)):
            records.append(
                {
                    "study": frontal.study.study_id,
                    "image": frontal.path,
                    "query": name,
                    "score": float(answer.scores[place]),
                    "truth": truth,
                    "patient": frontal.study.patient_id,
                    "grades": shares[place].astype(float).tolist(),
                }
            )
    check_any(records, unreadable)
    return pl.DataFrame(records, schema_overrides={"grades": pl.List(pl.Float64)}), unreadable


def known_above_zero(frame: pl.DataFrame, name: str) -> int:
    """Images whose severity is known and above 0."""
    truth = frame.filter(pl.col("query") == name)["truth"].to_numpy()
    return int((truth > 0).sum())


def severity_statistics(
    frame: pl.DataFrame, names: Sequence[str], settings: Mapping[str, object]
) -> list[Statistic]:
    """The metrics of every severity, remade from predictions."""
    highest = float(str(settings["highest"]))
    statistics = []
    for name in names:
        rows = frame.filter(pl.col("query") == name)
        predicted = rows["score"].to_numpy() * highest
        truth = rows["truth"].to_numpy().astype(np.float64)
        if settings["kind"] == GRADES:
            shares = padded(rows["grades"].to_list(), int(highest) + 1)
            statistics.append(grades_statistic(predicted, truth, shares))
        else:
            statistics.append(regression_statistic(predicted, truth))
    return statistics


def padded(rows: Sequence[Sequence[float]], grades: int) -> Float[np.ndarray, "images grades"]:
    """Probabilities of each grade; 0 for grades that a fold's model does not know."""
    return np.array([[*row, *[0.0] * (grades - len(row))] for row in rows])


def grades_statistic(
    predicted: np.ndarray, truth: np.ndarray, shares: Float[np.ndarray, "images grades"]
) -> Statistic:
    """Kappa, accuracy and F1 of the nearest grade; AUC of "any" and of each against the rest."""
    highest = shares.shape[1] - 1
    nearest = np.rint(predicted).astype(np.int64).clip(0, highest)
    capped = np.where(np.isfinite(truth), np.clip(np.rint(truth), 0, highest), np.nan)
    presence = np.where(np.isfinite(truth), (truth > 0).astype(np.float64), np.nan)
    return together(
        grading_statistic(nearest, capped, highest + 1),
        ranking_statistic(predicted, presence),
        one_rest_statistic(shares, capped),
    )
