"""Several models on the same images: pairs, adjustment, names, and the page."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bright_cohort import BrightnessModel

from carina.cli.main import main
from carina.errors import EvaluationError
from carina.evaluation.compare import DELONG, compare
from carina.evaluation.compare_several import (
    compare_several,
    enough_replicates,
    short_names,
)
from carina.evaluation.comparison_page import comparison_page
from carina.evaluation.grounding import GroundingSettings, evaluate_grounding
from carina.evaluation.result import Evaluation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.pages.comparison_page import render_comparison
from carina.studies.manifest import Manifest

FEW = ZeroShotSettings(replicates=20)


@pytest.fixture(scope="module")
def models(cohort: Manifest) -> list[Evaluation]:
    """Three that see less and less."""
    return [
        evaluate_zero_shot(
            BrightnessModel(noise=noise), cohort, settings=FEW, model_name=f"runs/{name}/model"
        )
        for name, noise in (("good", 0.0), ("fair", 6.0), ("poor", 12.0))
    ]


def test_every_pair_is_that_of_the_two_alone_but_for_the_adjustment(
    models: list[Evaluation],
) -> None:
    found = compare_several(models, replicates=60)
    assert found.names == ("good", "fair", "poor")
    pairs = [(pair.first, pair.second) for pair in found.pairs]
    assert pairs == [("good", "fair"), ("good", "poor"), ("fair", "poor")]
    alone = compare(models[0], models[2], replicates=60)
    assert found.pairs[1].mean["auc"].difference == alone.mean["auc"].difference
    assert found.pairs[1].mean["auc"].p_value == alone.mean["auc"].p_value
    # Holm by hand: the smallest of k p values is multiplied by k.
    for metric in ("auc", DELONG):
        tested = [row[metric] for pair in found.pairs for row in pair.findings.values()]
        known = [one for one in tested if one.p_value is not None]
        least = min(known, key=lambda one: one.p_value or 0.0)
        assert least.p_value_holm == pytest.approx(min(1.0, (least.p_value or 0.0) * len(known)))
    means = [pair.mean["auc"] for pair in found.pairs]
    least = min(means, key=lambda one: one.p_value or 0.0)
    assert least.p_value_holm == pytest.approx(min(1.0, 3 * (least.p_value or 0.0)))


def test_two_models_are_adjusted_over_the_findings_alone(models: list[Evaluation]) -> None:
    (pair,) = compare_several(models[:2], replicates=60).pairs
    alone = compare(*models[:2], replicates=60)
    assert pair.findings == alone.findings
    assert pair.mean == alone.mean
    assert pair.mean["auc"].p_value_holm is None


def test_as_many_resamples_are_drawn_as_the_adjustment_needs() -> None:
    assert enough_replicates(14) == 1000
    for tests in (33, 99):  # the least p is 2 / (B + 1), and Holm multiplies it by the tests
        assert 2 / (enough_replicates(tests) + 1) * tests < 0.05


def test_one_model_alone_is_refused(models: list[Evaluation]) -> None:
    with pytest.raises(EvaluationError, match="1 evaluation given; expected two or more"):
        compare_several(models[:1])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("runs/kad/model", "runs/maco/model"), ["kad", "maco"]),
        (("a/kad/model", "b/kad/model"), ["a/kad", "b/kad"]),
        (("/w/kad", "/w/kad"), ["kad (1)", "kad (2)"]),
        (("", "kad"), ["model", "kad"]),
        (("model", "x/model"), ["model", "x"]),
    ],
)
def test_models_have_short_names_that_tell_them_apart(
    paths: tuple[str, ...], names: list[str]
) -> None:
    assert short_names(paths) == names


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_missing_scores_are_refused_not_ranked(
    models: list[Evaluation], nothing: float | None
) -> None:
    good, fair, _ = models
    some = pl.when(pl.int_range(pl.len()) < 2).then(pl.lit(nothing, pl.Float64))
    lacking = replace(
        fair,
        predictions=fair.predictions.with_columns(some.otherwise(pl.col("score")).alias("score")),
    )
    for pair in ([good, lacking], [lacking, good]):
        with pytest.raises(EvaluationError, match="runs/fair/model: 2 of 96 scores are missing"):
            compare_several(pair, replicates=20)


def page_of(models: list[Evaluation]) -> str:
    page = render_comparison(comparison_page(compare_several(models, replicates=40), models))
    ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    return page


def test_the_page_says_who_is_better_and_where_one_cannot_tell(
    models: list[Evaluation], cohort: Manifest
) -> None:
    good, _, poor = models
    page = page_of([good, poor])
    row = compare(good, poor, replicates=40).mean["auc"]
    assert row.difference is not None
    for text in (
        "Comparison of good and poor",
        f"good minus poor is {row.difference:.3f} (95% interval",
        "Of 2 findings tested, after adjustment good is better in",
        "left: poor is better; right: good is better",
        "p (DeLong, adjusted)",
        "<summary>MCC</summary>",
        "runs/good/model",
    ):
        assert text in page
    # Two findings and 40 resamples: 2 / 41 * 2 = 0.098 is the least.
    assert "So few resamples show no p (adjusted) below 0.10, but for AUC: with 1,000 they" in page
    few = evaluate_zero_shot(BrightnessModel(), cohort, ["nodule", "hernia"], FEW)
    page = page_of([replace(few, model="a_b"), replace(few, model="c")])
    assert "AUC is undefined, so not part of the mean: hernia." in page
    assert ">a_b</th>" in page  # names stay as they are


def test_a_page_of_grounding_shows_the_pointing_game(cohort: Manifest) -> None:
    settings = GroundingSettings(replicates=20)
    one = evaluate_grounding(BrightnessModel(), cohort, settings=settings, model_name="one")
    page = page_of([one, replace(one, model="two")])
    assert "Difference of pointing game: one minus two" in page
    assert "DeLong" not in page


def test_a_page_without_any_defined_difference_has_no_picture(cohort: Manifest) -> None:
    one = evaluate_zero_shot(BrightnessModel(), cohort, ["hernia"], FEW, model_name="one")
    page = page_of([one, replace(one, model="two")])
    assert "The mean AUC is undefined. No single finding could be tested." in page
    assert "<svg" not in page


def test_the_command_compares_any_number_of_models(
    models: list[Evaluation], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for place, one in enumerate(models):
        one.save(tmp_path / str(place))
        folders.append(str(tmp_path / str(place)))
    out, page = tmp_path / "pairs.json", tmp_path / "pairs.html"
    words = ["compare", *folders, "--replicates", "30", "--out", str(out), "--page", str(page)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "good minus fair" in printed
    assert "over the findings of all 3 pairs" in printed
    told = json.loads(out.read_text())
    assert told["models"] == ["good", "fair", "poor"]
    assert len(told["pairs"]) == 3
    assert np.isfinite(told["pairs"][2]["mean"]["auc"]["p_value_holm"])
    assert page.is_file()
