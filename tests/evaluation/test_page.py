from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bright_cohort import BrightnessModel
from rich.console import Console

from carina.errors import ConfigError
from carina.evaluation.compare import compare, mean_over
from carina.evaluation.grounding import GroundingSettings, evaluate_grounding
from carina.evaluation.grounding_page import picked
from carina.evaluation.page import (
    evaluation_page,
    pointing_headlines,
    thinned,
    unseen_rows,
)
from carina.evaluation.result import Evaluation
from carina.evaluation.run import EvaluationRequest, evaluate
from carina.evaluation.table import (
    comparison_table,
    evaluation_table,
    remarks,
    shown_metrics,
)
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.pages.report_page import render_report_page, write_report_page
from carina.studies.manifest import Manifest

FEW = ZeroShotSettings(replicates=30)


@pytest.fixture(scope="module")
def evaluated(cohort: Manifest) -> Evaluation:
    asked = ["effusion", "nodule", "hernia"]
    return evaluate_zero_shot(BrightnessModel(noise=3.0), cohort, asked, FEW)


def shown(table: object) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    return console.export_text()


def test_best_case_is_a_positive_with_its_outline_and_worst_are_mistakes(
    evaluated: Evaluation, cohort: Manifest
) -> None:
    page = evaluation_page(evaluated, BrightnessModel(noise=3.0), cohort)
    assert {case.finding for case in page.best} == {"effusion", "nodule"}
    assert all(case.truth for case in page.best)
    nodule = next(case for case in page.best if case.finding == "nodule")
    assert nodule.mask is not None
    assert nodule.heatmap is not None
    assert nodule.heatmap.shape == nodule.image.shape == nodule.mask.shape
    effusion = next(case for case in page.best if case.finding == "effusion")
    assert effusion.mask is None
    assert len(effusion.boxes) == 1
    assert [case.truth for case in page.worst] == [True, True, False, False]


def test_page_holds_rows_curves_counts_and_facts(evaluated: Evaluation, cohort: Manifest) -> None:
    grounding = evaluate_grounding(
        BrightnessModel(), cohort, settings=GroundingSettings(replicates=20)
    )
    page = evaluation_page(
        evaluated, BrightnessModel(), cohort, grounding=grounding, unseen=("hernia",)
    )
    assert [row.finding for row in page.scores] == ["effusion", "nodule"]
    assert [row.finding for row in page.unseen] == ["hernia"]
    assert page.unseen[0].values["auc"].reason == "no positive image"
    assert [curves.finding for curves in page.curves] == ["effusion", "nodule"]
    counts = page.confusions[0]
    assert counts.true_positive + counts.false_negative == evaluated.positives["effusion"]
    assert [row.finding for row in page.grounding] == ["nodule", "pleural effusion"]
    assert not page.synthetic
    assert {"data", "seed", "replicates"} <= {fact.name for fact in page.facts}
    assert [headline.label.split(",")[0] for headline in page.headlines] == [
        *("Mean AUC", "Pointing game", "Pointing at the usual place instead"),
        *("Pointing at random", "Mean AUC"),
    ]
    aucs = [evaluated.findings[name]["auc"].value for name in ("effusion", "nodule")]
    assert page.mean["auc"].value == pytest.approx(np.mean(aucs))


def test_mean_over_all_findings_is_that_of_the_evaluation(
    evaluated: Evaluation, cohort: Manifest
) -> None:
    again = mean_over(evaluated, list(evaluated.findings))
    assert again["auc"] == evaluated.mean["auc"]
    assert again["mcc"] == evaluated.mean["mcc"]
    one = mean_over(evaluated, ["nodule"])
    assert one["auc"].low == pytest.approx(evaluated.findings["nodule"]["auc"].low)
    grounding = evaluate_grounding(
        BrightnessModel(), cohort, settings=GroundingSettings(replicates=20)
    )
    assert mean_over(grounding, list(grounding.findings))["cnr"] == grounding.mean["cnr"]


def test_pages_of_both_tasks_are_written(
    evaluated: Evaluation, cohort: Manifest, tmp_path: Path
) -> None:
    write_report_page(evaluation_page(evaluated, BrightnessModel(), cohort), tmp_path / "a.html")
    grounding = evaluate_grounding(
        BrightnessModel(), cohort, settings=GroundingSettings(replicates=20)
    )
    write_report_page(evaluation_page(grounding, BrightnessModel(), cohort), tmp_path / "b.html")
    assert "no positive image" in (tmp_path / "a.html").read_text()
    assert "contrast-to-noise" in (tmp_path / "b.html").read_text()


def test_model_without_maps_still_gets_a_page(evaluated: Evaluation, cohort: Manifest) -> None:
    page = evaluation_page(evaluated, BrightnessModel(maps=False), cohort)
    assert page.best[0].heatmap is None


def test_thinned_curve_keeps_its_ends() -> None:
    x, y = thinned(np.linspace(0, 1, 5001), np.linspace(1, 0, 5001))
    assert len(x) == 200
    assert (x[0], x[-1], y[0], y[-1]) == (0, 1, 1, 0)


def test_table_shows_intervals_and_remarks_say_what_is_missing(evaluated: Evaluation) -> None:
    text = shown(evaluation_table(evaluated))
    auc = evaluated.findings["nodule"]["auc"]
    assert f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})" in text
    assert "–" in text
    lines = remarks(evaluated)
    assert "hernia: the data list no such finding." in lines
    assert "no threshold (no positive image in the validation part): hernia." in lines
    assert not any("Effusion" in line for line in lines)  # the same word


def test_remarks_name_other_names_rare_findings_and_what_was_left_out(
    cohort: Manifest, evaluated: Evaluation
) -> None:
    found = evaluate_zero_shot(BrightnessModel(), cohort, ["Pleural effusion", "nodule"], FEW)
    settings = {
        **found.settings,
        "unreadable": [{"image": "a.png", "message": "a.png: is empty"}],
        "patients_in_both_parts": 2,
    }
    positives = {**found.positives, "nodule": 9}
    lines = remarks(replace(found, settings=settings, positives=positives))
    assert lines == [
        "Pleural effusion: called Effusion in the data.",
        "fewer than 10 positives, so intervals are too narrow: nodule (9).",
        "radiographs that cannot be used: 1:",
        "left out: a.png: is empty",
        "2 patients are in both the scored and the validation part.",
    ]


def test_comparison_table_shows_delong_beside_the_bootstrap(
    evaluated: Evaluation, cohort: Manifest
) -> None:
    better = evaluate_zero_shot(
        BrightnessModel(), cohort, ["effusion", "nodule", "hernia"], FEW, model_name="[b]etter"
    )
    compared = compare(better, evaluated, replicates=50)
    text = shown(comparison_table(compared, shown_metrics(compared)))
    assert "AUC (DeLong)" in text
    assert "[b]etter minus second" in text
    assert f"{compared.mean['auc'].difference:+.3f}" in text


def test_tasks_go_by_name(cohort: Manifest) -> None:
    few = EvaluationRequest(replicates=10)
    assert evaluate(BrightnessModel(), cohort, few, "m").task == "zero-shot"
    pointing = EvaluationRequest(task="grounding", replicates=10)
    assert evaluate(BrightnessModel(), cohort, pointing).task == "grounding"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"task": "retrieve"}, "task is 'retrieve', expected one of zero-shot, grounding"),
        ({"per": "patient"}, "per is 'patient', expected one of image, study-mean, study-max"),
        ({"unmentioned": "maybe"}, "unmentioned is 'maybe', expected one of auto"),
    ],
)
def test_unknown_names_are_refused(setting: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluationRequest(**setting)


def test_unseen_findings_stand_beside_themselves_described_and_without_thresholds(
    evaluated: Evaluation,
) -> None:
    described = replace(
        evaluated, findings={"hernia": evaluated.findings["hernia"]}, model="described"
    )
    rows = unseen_rows(evaluated, ["nodule", "hernia"], described)
    assert [row.finding for row in rows] == ["nodule", "hernia", "hernia, described"]
    assert "mcc" in rows[1].values  # the nodule has a threshold
    alone = unseen_rows(evaluated, ["hernia"], described)
    assert "mcc" not in alone[0].values
    assert alone[0].values["auc"].value is None


def test_grounding_page_shows_hits_near_misses_and_misses_with_their_peaks(
    cohort: Manifest,
) -> None:
    class Shifted(BrightnessModel):
        """Right about some, beside others: the map of every second study is moved right."""

        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            grids = answers.grids.clone()
            grids[1::2] = grids[1::2].roll(4, dims=-1)
            return replace(answers, grids=grids)

    found = evaluate_grounding(Shifted(), cohort, settings=GroundingSettings(replicates=20))
    page = evaluation_page(found, BrightnessModel(), cohort)
    assert page.best == page.worst == ()
    hits, near, misses, _ = page.pointed
    inside = (found.predictions["pointing_game"] >= 0.5).sum()
    assert hits.heading == f"Hits: {inside} of {len(found.predictions)} cases"
    assert near.cases == ()
    assert misses.heading.startswith(f"Misses: {len(found.predictions) - inside} of")
    assert {case.finding for case in hits.cases} == {"nodule", "pleural effusion"}
    assert all(case.caption.startswith("Peak inside the outline; Dice") for case in hits.cases)
    assert all("of the shorter side away from" in case.caption for case in misses.cases)
    for case in hits.cases:
        row, column = case.peak
        assert case.heatmap[row, column] == case.heatmap.max()
    text = render_report_page(page)
    assert "Best on the test set, as the papers do; flatters" in text
    assert "usual place, image unseen" in text
    assert "Near misses" not in text  # there are none to show


def test_headline_is_of_all_findings_where_few_are_focal(
    evaluated: Evaluation, cohort: Manifest
) -> None:
    found = evaluate_grounding(BrightnessModel(), cohort, settings=GroundingSettings(replicates=20))
    assert pointing_headlines(found)[0].label == "Pointing game, 2 focal findings"
    wide = replace(found, settings={**found.settings, "focal": ["nodule"]})
    assert pointing_headlines(wide)[0].label == "Pointing game, 2 findings"


def test_one_finding_fills_a_group_with_several_images() -> None:
    row = {"score": 0.5, "pointing_game": 1.0, "peak_distance": 0.0, "dice": None, "cnr": None}
    names = ["a", "a", "a", "b", "a", "a"]
    frame = pl.DataFrame([{**row, "image": f"{i}.png", "query": q} for i, q in enumerate(names)])
    taken = picked(frame.head(1), ())
    chosen = [(choice.image, choice.finding) for choice in picked(frame, taken)]
    # One of each finding first, none of an image that is taken.
    assert chosen == [("1.png", "a"), ("3.png", "b"), ("2.png", "a"), ("4.png", "a")]
