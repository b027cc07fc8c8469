"""Cross-validation: the test parts of all folds, measured together."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from carina.errors import EvaluationError
from carina.evaluation.efficiency import MEASURES
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import IMAGE
from carina.metrics.statistics import Resamples, bootstrap

HIGHEST = "highest"
"""The setting of a grading that its scores are shares of."""
PAIR = [*IMAGE, "query"]


def pooled(folds: Sequence[Evaluation], *, replicates: int = 1000, seed: int = 0) -> Evaluation:
    """One evaluation of every patient, each scored by the model that was not trained on them.

    Scores of different models are ranked together, so an AUC can be lower than the mean over
    folds. Intervals are of patients, for the models as they are.

    Args:
        folds: of one task, on different radiographs.
        replicates: resamples of patients.
        seed: of them.

    Raises:
        EvaluationError: there is none, or a radiograph was scored in two of them.
    """
    if not folds:
        raise EvaluationError("There is no fold to pool; expected the evaluations of all folds.")
    highest = max(float(fold.settings.get(HIGHEST, 0.0)) for fold in folds)
    frame = pl.concat([on_one_scale(fold, highest) for fold in folds]).sort(PAIR)
    twice = frame.filter(frame.select(PAIR).is_duplicated())
    if len(twice):
        raise EvaluationError(
            f"{twice['image'][0]}: was scored in two folds, expected one. Pool the evaluations of "
            "one cross-validation."
        )
    first = folds[0]
    names = list(first.positives)
    scale = {HIGHEST: highest} if HIGHEST in first.settings else {}
    draft = Evaluation(
        task=first.task,
        model=first.model,
        data=first.data,
        split=f"{len(folds)} folds",
        studies=frame["study"].n_unique(),
        images=frame.select(IMAGE).n_unique(),
        positives={name: sum(fold.positives[name] for fold in folds) for name in names},
        findings={},
        mean={},
        thresholds={},
        settings={**first.settings, **scale, "folds": len(folds), "replicates": replicates},
        predictions=frame,
    )
    return measured_again(draft, replicates, seed)


def on_one_scale(fold: Evaluation, highest: float) -> pl.DataFrame:
    """The predictions; shares of a fold's highest grade or score become shares of `highest`."""
    if HIGHEST not in fold.settings:
        return fold.predictions
    share = float(fold.settings[HIGHEST]) / highest
    return fold.predictions.with_columns(pl.col("score") * share)


def measured_again(evaluation: Evaluation, replicates: int, seed: int) -> Evaluation:
    """The evaluation with the metrics of its predictions."""
    images = evaluation.predictions.unique(IMAGE, keep="first", maintain_order=True)
    resamples = Resamples(len(images), replicates, seed, images["patient"].to_list())
    result = bootstrap(MEASURES[evaluation.task].statistics(evaluation), resamples)
    undefined = "undefined on these images"
    return replace(
        evaluation,
        findings={
            name: {m: Score.of(result.interval(m, i), undefined) for m in result.values}
            for i, name in enumerate(evaluation.positives)
        },
        mean={m: Score.of(result.mean_interval(m), undefined) for m in result.values},
    )
