from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from bright_cohort import BrightnessModel
from sklearn.metrics import roc_auc_score

from carina.errors import EvaluationError
from carina.evaluation.pooling import pooled
from carina.evaluation.result import Evaluation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.studies.manifest import Manifest


def part(whole: Evaluation, images: set[str]) -> Evaluation:
    rows = whole.predictions.filter(pl.col("image").is_in(images))
    positives = {
        name: int(rows.filter(pl.col("query") == name)["truth"].sum()) for name in whole.positives
    }
    return replace(whole, predictions=rows, positives=positives)


def test_folds_together_are_measured_as_the_whole(cohort: Manifest) -> None:
    whole = evaluate_zero_shot(
        BrightnessModel(noise=3.0), cohort, settings=ZeroShotSettings(replicates=10)
    )
    images = sorted(set(whole.predictions["image"]))
    parts = [part(whole, set(images[fold::3])) for fold in range(3)]
    together = pooled(parts, replicates=20)
    assert together.split == "3 folds"
    assert together.images == whole.images
    assert together.positives == dict(whole.positives)
    for name in whole.positives:
        rows = whole.predictions.filter(pl.col("query") == name).drop_nulls("truth")
        if rows["truth"].n_unique() == 2:
            expected = roc_auc_score(rows["truth"].to_numpy(), rows["score"].to_numpy())
            assert together.findings[name]["auc"].value == pytest.approx(expected)


def graded(images: range, highest: float, error: float) -> Evaluation:
    """Predictions that miss every score by `error`, as shares of the fold's highest score."""
    truth = np.array([float(number % 5) for number in images])
    frame = pl.DataFrame(
        {
            "study": [f"s{number}" for number in images],
            "image": [f"{number}.png" for number in images],
            "query": "extent",
            "score": (truth + error) / highest,
            "truth": truth,
            "patient": [f"p{number}" for number in images],
        }
    )
    return Evaluation(
        task="severity",
        model="m",
        data="d",
        split="test",
        studies=len(images),
        images=len(images),
        positives={"extent": int((truth > 0).sum())},
        findings={},
        mean={},
        thresholds={},
        settings={"kind": "regression", "highest": highest},
        predictions=frame,
    )


def test_scores_of_folds_with_other_scales_are_in_one_unit() -> None:
    together = pooled([graded(range(10), 4.0, 0.5), graded(range(10, 20), 6.0, 1.5)])
    assert together.findings["extent"]["mae"].value == pytest.approx(1.0)
    assert together.settings["highest"] == 6.0


def test_a_radiograph_scored_in_two_folds_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"0.png: was scored in two folds"):
        pooled([graded(range(10), 4.0, 0.0), graded(range(1), 4.0, 0.0)])


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(EvaluationError, match="no fold"):
        pooled([])
