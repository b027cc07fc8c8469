"""Phrase grounding as a task: what counts as a case, and what each number is the mean of."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from spoken_cohort import QuarterModel, write_spoken

import carina
from carina.cli.main import main
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, EvaluationError
from carina.evaluation.phrase_cases import LeftOut, label_cases, phrase_cases, read_phrase
from carina.evaluation.phrase_grounding import (
    PhraseGroundingSettings,
    evaluate_phrase_grounding,
)
from carina.evaluation.result import Evaluation
from carina.evaluation.task_page import task_page
from carina.pages.report_page import render_report_page
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Mask, Study

FEW = PhraseGroundingSettings(replicates=20)


@pytest.fixture
def spoken(tmp_path: Path) -> Manifest:
    return write_spoken(tmp_path / "spoken")


def changed(manifest: Manifest, *studies: Study) -> Manifest:
    path = manifest.root / "changed.parquet"
    return write_manifest(studies, path, manifest.root)


def test_a_model_that_finds_every_square_points_inside(spoken: Manifest) -> None:
    evaluation = evaluate_phrase_grounding(QuarterModel(), spoken, FEW, model_name="m")
    assert (evaluation.task, evaluation.studies, evaluation.images) == ("phrase-grounding", 6, 6)
    assert evaluation.positives == {"edema": 4, "lung opacity": 2}
    assert evaluation.mean["pointing_game"].value == 1.0
    cnr = evaluation.mean["cnr"].value
    assert cnr is not None
    assert cnr > 1
    # The square covers 16 x 16 of 64 x 64 pixels.
    assert evaluation.mean["chance"].value == pytest.approx(1 / 16)
    assert evaluation.settings["phrases"] == 6
    assert evaluation.settings["different_phrases"] == 3


def test_a_model_that_looks_elsewhere_scores_nothing_and_is_not_left_out(
    spoken: Manifest,
) -> None:
    # What is said of one quarter is sought in the next, where the picture is black: the map is
    # without differences, so it overlaps nothing.
    evaluation = evaluate_phrase_grounding(QuarterModel(shift=1), spoken, FEW)
    assert evaluation.mean["miou"].value == 0.0
    assert evaluation.mean["cnr"].value == 0.0
    # Every pixel shares the greatest value: the share of them inside.
    assert evaluation.mean["pointing_game"].value == pytest.approx(1 / 16)
    assert evaluation.predictions["miou"].null_count() == 0


def test_means_over_phrases_and_over_categories_differ(spoken: Manifest) -> None:
    evaluation = evaluate_phrase_grounding(QuarterModel(), spoken, FEW)
    rows = evaluation.predictions
    by_category = [
        rows.filter(rows["category"] == name)["cnr"].mean() for name in ("edema", "lung opacity")
    ]
    assert evaluation.mean["cnr"].value == pytest.approx(np.mean(by_category))
    assert evaluation.mean["cnr_samples"].value == pytest.approx(rows["cnr"].mean())
    assert evaluation.findings["edema"]["cnr"].value == pytest.approx(by_category[0])


def test_miou_is_the_mean_over_the_thresholds(spoken: Manifest) -> None:
    rows = evaluate_phrase_grounding(QuarterModel(), spoken, FEW).predictions
    columns = [f"iou_{limit}" for limit in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert rows["miou"].to_list() == pytest.approx(rows.select(columns).mean_horizontal().to_list())


def test_boxes_of_one_phrase_are_one_case(spoken: Manifest) -> None:
    first = spoken.studies[0]
    box = first.boxes[0]
    again = replace(box, x1=0.0, x2=4.0, phrase=f" {box.phrase}  ".upper())
    other = replace(box, phrase="something else")
    silent = replace(box, phrase=None)
    lateral = replace(box, radiograph=1)
    boxes = (box, again, other, silent, lateral)
    cases = phrase_cases(changed(spoken, replace(first, boxes=boxes)))
    assert [case.phrase for case in cases] == [box.phrase, "something else"]
    truth = cases[0].truth(64, 64)
    assert truth.sum() == 16 * 16 + 4 * 16
    assert truth[20, 2]
    assert cases[0].truth(32, 32).sum() == 8 * 8 + 2 * 8  # on the radiograph made smaller
    assert cases[0].category == "edema"


def test_outlines_can_be_asked_by_their_label(spoken: Manifest) -> None:
    first = spoken.studies[1]  # the upper right quarter
    mask = np.zeros((64, 64), np.uint8)
    mask[8:24, 40:56] = 255
    Image.fromarray(mask).save(spoken.root / "mask.png")
    masks = (
        Mask(radiograph=0, label="Upper Right", path="mask.png"),
        Mask(radiograph=0, label="Lungs", path="mask.png"),
    )
    manifest = changed(spoken, replace(first, boxes=(), masks=masks))
    template = "Findings suggesting {name}."
    (case,) = label_cases(manifest, template)
    assert case.phrase == "Findings suggesting upper right."
    assert case.truth(32, 32).sum() == 64
    settings = replace(FEW, template=template)
    evaluation = evaluate_phrase_grounding(QuarterModel(), manifest, settings)
    assert evaluation.mean["pointing_game"].value == 1.0
    assert evaluation.positives == {"upper right": 1}


def test_other_weight_temperatures_are_measured_beside(spoken: Manifest) -> None:
    settings = replace(FEW, weight_temperatures=(1000.0, 0.005))
    evaluation = evaluate_phrase_grounding(QuarterModel(), spoken, settings)
    even, first_rows = evaluation.settings["weight_temperatures"]
    # Nearly equal weights change nothing; weights of the upper half alone lose the third of the
    # squares that lies in the lower half: there the map is flat.
    assert even["cnr"] == pytest.approx(evaluation.mean["cnr_samples"].value, rel=1e-2)
    assert even["pointing_game"] == 1.0
    assert first_rows["pointing_game"] == pytest.approx((4 + 2 * 1 / 16) / 6)
    assert first_rows["weight_temperature"] == 0.005


def test_what_cannot_be_used_is_named(spoken: Manifest) -> None:
    one, two, three = spoken.studies[:3]
    gone = replace(one, radiographs=(replace(one.radiographs[0], path="gone.png"),))
    outside = replace(two.boxes[0], x1=500.0, x2=510.0)
    manifest = changed(spoken, gone, replace(two, boxes=(outside,)), three)
    evaluation = evaluate_phrase_grounding(QuarterModel(), manifest, FEW)
    assert evaluation.images == 1
    assert "gone.png" in evaluation.settings["unreadable"][0]["image"]
    assert "is empty" in evaluation.settings["unusable_outlines"][0]["message"]


def test_phrases_that_cannot_be_read_are_asked_all_the_same_and_named() -> None:
    tokenizer = train_wordpiece(["opacity at the left base. nothing else."] * 2, 100)
    model = SimpleNamespace(tokenizer=tokenizer, max_tokens=9)
    left_out = LeftOut()
    assert read_phrase(model, "气胸", left_out) == "气胸"
    long = "opacity at the left base. nothing else."
    assert read_phrase(model, long, left_out) == "opacity at the left base."
    assert left_out.notes["气胸"] == "no word of it is known to the model"
    assert "the first 1 of 2 sentences" in left_out.notes["opacity at the left base."]


def test_nothing_to_score_is_refused(spoken: Manifest) -> None:
    first = spoken.studies[0]
    bare = changed(spoken, replace(first, boxes=()))
    with pytest.raises(EvaluationError, match="has a box with a phrase"):
        evaluate_phrase_grounding(QuarterModel(), bare, FEW)
    with pytest.raises(EvaluationError, match="has a box or mask of a finding"):
        evaluate_phrase_grounding(QuarterModel(), bare, replace(FEW, template="{name}"))
    sizeless = replace(first, radiographs=(replace(first.radiographs[0], width=None),))
    with pytest.raises(EvaluationError, match="lacks the size of the radiograph"):
        evaluate_phrase_grounding(QuarterModel(), changed(spoken, sizeless), FEW)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing": -1.0}, "smoothing"),
        ({"weight_temperatures": (0.0,)}, "weight temperature"),
        ({"replicates": 0}, "replicates"),
        ({"template": "{finding}"}, "asks for"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(FEW, **settings)


def test_temperatures_need_a_model_that_weighs_patches(spoken: Manifest) -> None:
    settings = replace(FEW, weight_temperatures=(0.1,))
    with pytest.raises(ConfigError, match="does not weigh patches"):
        evaluate_phrase_grounding(object(), spoken, settings)


def test_the_page_shows_maps_with_the_outlines_of_phrases(spoken: Manifest) -> None:
    settings = replace(FEW, weight_temperatures=(0.5,))
    model = QuarterModel()
    evaluation = evaluate_phrase_grounding(model, spoken, settings)
    page = task_page(evaluation, model, spoken)
    html = render_report_page(page)
    assert "“Opacity in the upper left quarter”" in html
    assert page.best[0].mask is not None
    assert page.best[0].mask.sum() == 256
    assert page.best[0].heatmap is not None
    assert "softened by 0.5" in html
    assert "CNR +" in html


def test_it_is_a_task_of_the_command(
    spoken: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    loaded = SimpleNamespace(model=QuarterModel())
    monkeypatch.setitem(vars(carina), "load", lambda folder, prompts=None: loaded)
    out = tmp_path / "said"
    words = ("evaluate", "m", str(spoken.path), "--task", "phrase-grounding", "--out", str(out))
    more = ("--replicates", "20", "--sweep-weight-temperature", "--smooth", "0.5")
    with pytest.raises(SystemExit) as ended:
        main([*words, *more])
    assert not ended.value.code
    assert "softened by 0.02" in capsys.readouterr().out
    assert json.loads((out / "evaluation.json").read_text())["settings"]["smoothing"] == 0.5
    assert Evaluation.read(out).mean["cnr"].value is not None
