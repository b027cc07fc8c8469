import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from bright_cohort import BrightnessModel
from sklearn.metrics import roc_auc_score

from carina.errors import EvaluationError
from carina.evaluation.compare import DELONG, compare
from carina.evaluation.grounding import GroundingSettings, evaluate_grounding
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import mean_of_study
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.metrics.delong import delong_test
from carina.studies.manifest import Manifest

FEW = ZeroShotSettings(replicates=50)


@pytest.fixture(scope="module")
def good(cohort: Manifest) -> Evaluation:
    return evaluate_zero_shot(BrightnessModel(), cohort, settings=FEW, model_name="good")


@pytest.fixture(scope="module")
def poor(cohort: Manifest) -> Evaluation:
    return evaluate_zero_shot(BrightnessModel(noise=9.0), cohort, settings=FEW, model_name="poor")


def test_better_model_is_found_better(good: Evaluation, poor: Evaluation) -> None:
    found = compare(good, poor, replicates=300)
    assert (found.first, found.second, found.images) == ("good", "poor", 48)
    row = found.mean["auc"]
    assert row.first == good.mean["auc"].value
    assert row.second == pytest.approx(poor.mean["auc"].value)
    assert row.difference == pytest.approx(row.first - row.second)
    assert 0 < row.low < row.difference < row.high
    assert row.p_value < 0.05
    other_way = compare(poor, good, replicates=300).mean["auc"]
    assert other_way.difference == pytest.approx(-row.difference)
    assert other_way.p_value == pytest.approx(row.p_value)


def test_delong_is_that_of_the_matched_predictions(good: Evaluation, poor: Evaluation) -> None:
    shuffled = replace(poor, predictions=poor.predictions.sample(fraction=1, shuffle=True, seed=1))
    found = compare(good, shuffled, replicates=20)
    sides = [
        side.predictions.filter(pl.col("query") == "nodule").sort("image") for side in (good, poor)
    ]
    scores = [side["score"].to_numpy() for side in sides]
    expected = delong_test(*scores, sides[0]["truth"].to_numpy().astype(float))
    row = found.findings["nodule"][DELONG]
    assert row.difference == pytest.approx(expected.value)
    assert row.p_value == pytest.approx(expected.p_value)
    assert row.p_value <= row.p_value_holm <= 1


def test_model_does_not_differ_from_itself(poor: Evaluation) -> None:
    found = compare(poor, poor, replicates=50)
    for row in (found.mean["auc"], found.findings["nodule"][DELONG], found.mean["mcc"]):
        assert row.difference == 0
        assert row.p_value == 1


def test_undefined_metric_is_null(good: Evaluation, cohort: Manifest) -> None:
    asked = evaluate_zero_shot(BrightnessModel(), cohort, ["nodule", "hernia"], FEW)
    found = compare(asked, asked, replicates=20)
    assert found.findings["hernia"]["auc"].difference is None
    assert found.findings["hernia"]["auc"].p_value is None
    assert found.findings["hernia"][DELONG].p_value is None
    partly = compare(asked, good, replicates=20)
    assert list(partly.findings) == ["nodule"]
    assert partly.only_in_one == ("hernia", "pleural effusion")


def test_comparison_is_written_as_json(good: Evaluation, poor: Evaluation, tmp_path: Path) -> None:
    compare(good, poor, replicates=20).save(tmp_path / "difference.json")
    plain = json.loads((tmp_path / "difference.json").read_text())
    assert plain["findings"]["nodule"]["auc"]["first"] == 1
    assert plain["settings"]["resampled"] == "whole patients"


def test_grounding_is_compared_case_by_case(cohort: Manifest) -> None:
    settings = GroundingSettings(replicates=50)

    class Shifted(BrightnessModel):
        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            return replace(answers, grids=answers.grids.roll(2, dims=-2))

    one = evaluate_grounding(BrightnessModel(), cohort, settings=settings)
    two = evaluate_grounding(Shifted(), cohort, settings=settings)
    found = compare(one, two, replicates=100)
    row = found.mean["pointing_game"]
    assert row.first == 1
    assert row.second == pytest.approx(two.mean["pointing_game"].value)
    assert row.p_value < 0.05
    assert found.mean["chance"].difference == 0


def test_other_images_are_refused(good: Evaluation) -> None:
    fewer = replace(good, predictions=good.predictions.head(90))
    with pytest.raises(EvaluationError, match=r"3 are only in the first, 0 only in the second"):
        compare(good, fewer)


def test_other_truth_is_refused(good: Evaluation) -> None:
    flipped = replace(
        good, predictions=good.predictions.with_columns((1 - pl.col("truth")).alias("truth"))
    )
    with pytest.raises(EvaluationError, match="truth differs in 96 of 96"):
        compare(good, flipped)


def test_other_task_is_refused(good: Evaluation, cohort: Manifest) -> None:
    grounded = evaluate_grounding(
        BrightnessModel(), cohort, settings=GroundingSettings(replicates=5)
    )
    with pytest.raises(EvaluationError, match="differ in task: 'zero-shot' and 'grounding'"):
        compare(good, grounded)


def test_other_kind_of_rows_is_refused(good: Evaluation, cohort: Manifest) -> None:
    by_study = replace(FEW, aggregation=mean_of_study)
    other = evaluate_zero_shot(BrightnessModel(), cohort, settings=by_study)
    with pytest.raises(EvaluationError, match="differ in aggregation: 'image' and 'study-mean'"):
        compare(good, other)


def test_no_shared_query_is_refused(cohort: Manifest) -> None:
    one = evaluate_zero_shot(BrightnessModel(), cohort, ["nodule"], FEW)
    two = evaluate_zero_shot(BrightnessModel(), cohort, ["effusion"], FEW)
    with pytest.raises(EvaluationError, match="share no query: nodule and effusion"):
        compare(one, two)


def test_file_listed_in_two_studies_counts_in_both(cohort: Manifest) -> None:
    tested = [s for s in cohort.studies if s.split == "test"]
    twice = cohort.with_studies([*tested, *(replace(s, study_id=f"{s.study_id}b") for s in tested)])
    one = evaluate_zero_shot(BrightnessModel(noise=1.0), twice, settings=FEW)
    assert one.images == 96
    found = compare(one, one, replicates=20)
    assert found.mean["auc"].first == pytest.approx(one.mean["auc"].value)
    rows = one.predictions.filter(pl.col("query") == "nodule")
    expected = roc_auc_score(rows["truth"], rows["score"])
    assert found.findings["nodule"]["auc"].first == pytest.approx(expected)
