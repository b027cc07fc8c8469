import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bright_cohort import HEIGHT, LESION, WIDTH, BrightnessModel, write_cohort
from PIL import Image

from carina.errors import ConfigError, EvaluationError
from carina.evaluation.grounding import evaluate_grounding
from carina.evaluation.grounding_scores import undefined_cases
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.outlines import (
    outline_of,
    parse_outlines,
    read_mask,
    separate_boxes,
    with_outlines,
)
from carina.evaluation.page import evaluation_page
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import frontals_of
from carina.evaluation.table import remarks
from carina.studies.manifest import Manifest
from carina.study import Box, Mask, Study

FEW = GroundingSettings(replicates=50)


def test_maps_that_lie_on_the_finding_beat_both_baselines(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    assert list(found.findings) == ["nodule", "pleural effusion"]
    assert found.task == "grounding"
    for scores in found.findings.values():
        assert scores["pointing_game"].value == 1
        # Every outline is a square of one size, wherever it lies.
        assert scores["chance"].value == pytest.approx(LESION**2 / (HEIGHT * WIDTH), abs=0.002)
        assert 0 <= scores["position_baseline"].value <= 1
        assert scores["pointing_over_chance"].value > 0.8  # the same in every resample: no interval
        assert scores["iou"].value > 0.5
        assert scores["dice"].value == pytest.approx(
            2 * scores["iou"].value / (1 + scores["iou"].value), abs=0.05
        )
        assert scores["cnr"].value > 1
    assert found.settings["focal"] == ["nodule", "pleural effusion"]
    assert found.mean["pointing_game_focal"].value == 1


def test_cases_are_the_outlined_studies_of_the_part(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, ["nodule"], FEW)
    numbers = [int(study[1:]) for study in found.predictions["study"]]
    assert numbers == [n for n in range(96) if n % 4 in (2, 3) and n % 5 == 0]
    assert found.positives == {"nodule": len(numbers)}
    assert set(found.predictions["truth"]) == {1}


def test_map_of_the_wrong_half_points_nowhere(cohort: Manifest) -> None:
    class Blind(BrightnessModel):
        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            return replace(answers, grids=answers.grids.flip(-1))

    found = evaluate_grounding(Blind(), cohort, settings=FEW)
    assert found.mean["pointing_game"].value == 0
    assert found.mean["cnr"].value < 0
    assert found.mean["cnr_absolute"].value > 0
    assert found.mean["pointing_over_position"].high <= 0


def test_threshold_of_maps_comes_from_validation_cases(
    model: BrightnessModel, cohort: Manifest
) -> None:
    tested = cohort.with_studies([s for s in cohort.studies if s.split == "test"])
    found = evaluate_grounding(model, tested, settings=FEW)
    assert found.thresholds["nodule"].reason == "no study in the split 'validate' to choose it on"
    assert found.findings["nodule"]["iou"].value is None
    assert found.findings["nodule"]["dice"].reason.startswith("no threshold: no study in the split")
    assert found.findings["nodule"]["pointing_game"].value == 1
    other = evaluate_grounding(model, cohort, settings=FEW)
    assert 0 < other.thresholds["nodule"].value <= 1
    without = cohort.with_studies(
        [replace(s, masks=()) if s.split == "validate" else s for s in cohort.studies]
    )
    partly = evaluate_grounding(model, without, settings=FEW)
    assert partly.thresholds["nodule"].reason == "no outline in the validation part"
    assert partly.thresholds["pleural effusion"].value is not None


def test_margin_widens_the_target_and_both_baselines_alike(
    model: BrightnessModel, cohort: Manifest
) -> None:
    exact = evaluate_grounding(model, cohort, ["nodule"], FEW)
    wide = evaluate_grounding(model, cohort, ["nodule"], replace(FEW, margin=0.1))
    # 0.1 of 40 pixels is 4 on each side: 24 x 24 where the border does not cut it.
    area = wide.findings["nodule"]["chance"].value * HEIGHT * WIDTH
    assert LESION**2 < area <= (LESION + 8) ** 2
    assert (
        wide.findings["nodule"]["position_baseline"].value
        >= exact.findings["nodule"]["position_baseline"].value
    )
    assert wide.findings["nodule"]["iou"].value == exact.findings["nodule"]["iou"].value


def test_masks_win_over_the_boxes_that_enclose_them(cohort: Manifest) -> None:
    study = next(s for s in cohort.studies if s.masks)
    box = Box(radiograph=0, label="nodule", x1=0.0, y1=0.0, x2=60.0, y2=40.0)
    changed = cohort.with_studies([replace(study, boxes=(box,))])
    outline = outline_of(changed, frontals_of(changed)[0], "Nodule", HEIGHT, WIDTH)
    assert outline.sum() == LESION**2
    boxed = cohort.with_studies([replace(study, boxes=(box,), masks=())])
    assert outline_of(boxed, frontals_of(boxed)[0], "nodule", HEIGHT, WIDTH).all()


def test_unusable_outlines_and_images_are_named_and_left_out(
    model: BrightnessModel, tmp_path: Path
) -> None:
    cohort = write_cohort(tmp_path, 96)
    Image.new("L", (7, 7)).save(tmp_path / "010_mask.png")  # of another size
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "030_mask.png")  # empty
    (tmp_path / "050_mask.png").write_bytes(b"no picture")
    (tmp_path / "070.png").write_bytes(b"")  # the radiograph itself
    found = evaluate_grounding(model, cohort, ["nodule"], FEW)
    named = {item["image"]: item["message"] for item in found.settings["unusable_outlines"]}
    assert "the mask is 7 x 7 pixels, its radiograph 60 x 40" in named["010.png"]
    assert "030.png: the outline of nodule is empty, expected at least one" in named["030.png"]
    assert "cannot be read as a mask" in named["050.png"]
    assert [item["image"] for item in found.settings["unreadable"]] == ["070.png"]
    expected = len([n for n in range(96) if n % 4 in (2, 3) and n % 5 == 0]) - 4
    assert found.positives["nodule"] == expected


def test_single_case_has_no_position_baseline(model: BrightnessModel, cohort: Manifest) -> None:
    kept = [s for s in cohort.studies if s.split != "test" or not s.masks or s.study_id == "s010"]
    found = evaluate_grounding(model, cohort.with_studies(kept), ["nodule"], FEW)
    assert found.positives["nodule"] == 1
    assert found.findings["nodule"]["position_baseline"].reason == "fewer than two cases"
    assert found.findings["nodule"]["pointing_game"].value == 1


def test_grounding_evaluation_reads_back_as_it_was(
    model: BrightnessModel, cohort: Manifest, out: Path
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    found.save(out)
    again = Evaluation.read(out)
    assert again.to_json() == found.to_json()
    assert again.predictions.equals(found.predictions)


def test_model_without_maps_is_refused(cohort: Manifest) -> None:
    with pytest.raises(EvaluationError, match="makes no heat-maps"):
        evaluate_grounding(BrightnessModel(maps=False), cohort, settings=FEW)


def test_part_without_outlines_is_an_error(model: BrightnessModel, cohort: Manifest) -> None:
    bare = [replace(s, boxes=(), masks=()) if s.split == "test" else s for s in cohort.studies]
    with pytest.raises(EvaluationError, match=r"no radiograph of the split test has a box or mask"):
        evaluate_grounding(model, cohort.with_studies(bare), settings=FEW)
    nothing = [replace(s, boxes=(), masks=()) for s in cohort.studies]
    with pytest.raises(EvaluationError, match="lists no boxes or masks of findings"):
        evaluate_grounding(model, cohort.with_studies(nothing), settings=FEW)


def test_nothing_readable_is_an_error_here_too(model: BrightnessModel, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path, 24)
    for path in tmp_path.glob("???.png"):
        path.write_bytes(b"")
    with pytest.raises(EvaluationError, match="radiographs can be read"):
        evaluate_grounding(model, cohort, settings=FEW)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("threshold_split", "test", "scored part, 'test'"),
        ("margin", 0.5, r"margin must be in \[0, 0.5\)"),
        ("batch_size", 0, "batch_size must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(setting: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GroundingSettings(**{setting: value})


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_any_picture_kind_are_read(mode: str, tmp_path: Path) -> None:
    inside = np.zeros((6, 8), dtype=bool)
    inside[2:4, 1:5] = True
    grey = Image.fromarray((inside * 255).astype(np.uint8))
    if mode == "I;16":
        grey = Image.fromarray((inside * 65535).astype(np.uint16))
    else:
        grey = grey.convert(mode)
    grey.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", 6, 8), inside)


def test_predictions_hold_every_metric_of_every_case(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    mean = found.predictions.filter(pl.col("query") == "nodule")["iou"].mean()
    assert found.findings["nodule"]["iou"].value == pytest.approx(mean)


def test_mask_of_another_radiograph_is_not_taken(model: BrightnessModel, cohort: Manifest) -> None:
    study = next(s for s in cohort.studies if s.masks)
    other = Mask(radiograph=1, label="nodule", path=study.masks[0].path)
    changed = cohort.with_studies([replace(study, masks=(other,), boxes=())])
    with pytest.raises(EvaluationError, match="the outline of nodule is empty"):
        outline_of(changed, frontals_of(changed)[0], "nodule", HEIGHT, WIDTH)


def boxed(study: Study, *corners: tuple[float, ...], readers: tuple[str, ...] = ()) -> Study:
    """A study whose effusion is outlined by these boxes."""
    names = readers or (None,) * len(corners)
    boxes = tuple(
        Box(radiograph=0, label="Effusion", x1=a, y1=b, x2=c, y2=d, reader=reader)
        for (a, b, c, d), reader in zip(corners, names, strict=True)
    )
    return replace(study, boxes=boxes, masks=())


def with_effusion(cohort: Manifest, split: str = "test") -> list[Study]:
    return [study for study in cohort.studies if study.boxes and study.split == split]


def test_maps_on_the_finding_detect_it_and_maps_beside_it_detect_nothing(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    for name, scores in found.findings.items():
        # One bright square in each picture, one region on it: by box and by mask alike.
        assert scores["detection_recall"].value == 1, name
        assert scores["detection_precision"].value == 1, name
    rows = found.predictions
    assert set(rows["parts"]) == {1.0}
    assert rows["found"].sum() == len(rows)

    class Blind(BrightnessModel):
        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            return replace(answers, grids=answers.grids.flip(-1))

    blind = evaluate_grounding(Blind(), cohort, settings=FEW)
    assert blind.mean["detection_recall"].value == 0
    assert blind.mean["detection_precision"].value == 0


def test_precision_and_recall_are_of_all_regions_and_not_means_of_cases(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, ["pleural effusion"], FEW)
    first, *others = with_effusion(cohort)
    box = first.boxes[0]
    there = (box.x1, box.y1, box.x2, box.y2)
    # The first case has two more boxes on the right, where the model never looks.
    more = boxed(first, there, (45.0, 2.0, 55.0, 12.0), (45.0, 20.0, 55.0, 30.0))
    changed = cohort.with_studies([more, *others, *with_effusion(cohort, "validate")])
    again = evaluate_grounding(model, changed, ["pleural effusion"], FEW)
    cases = found.positives["pleural effusion"]
    assert again.findings["pleural effusion"]["detection_recall"].value == pytest.approx(
        cases / (cases + 2)
    )
    assert again.findings["pleural effusion"]["detection_precision"].value == 1
    assert again.predictions["parts"].to_list()[0] == 3


def test_boxes_of_two_readers_are_one_part_where_they_overlap(cohort: Manifest) -> None:
    study = with_effusion(cohort)[0]
    corners = ((2.0, 2.0, 18.0, 18.0), (3.0, 3.0, 19.0, 19.0))
    one = frontals_of(cohort.with_studies([boxed(study, *corners)]))[0]
    assert separate_boxes(one, "effusion", HEIGHT, WIDTH) == corners
    two = frontals_of(cohort.with_studies([boxed(study, *corners, readers=("a", "b"))]))[0]
    assert separate_boxes(two, "effusion", HEIGHT, WIDTH) == ()


def test_boxes_are_cut_at_the_border_before_they_are_compared(cohort: Manifest) -> None:
    study = boxed(with_effusion(cohort)[0], (-5.0, 30.0, 10.0, 99.0))
    frontal = frontals_of(cohort.with_studies([study]))[0]
    assert separate_boxes(frontal, "effusion", HEIGHT, WIDTH) == ((0.0, 30.0, 10.0, 40.0),)


def test_best_on_test_is_never_worse_and_named_as_such(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    for scores in found.findings.values():
        assert scores["dice_best_on_test"].value >= scores["dice"].value
        assert scores["iou_best_on_test"].value > 0
    assert set(found.settings["thresholds_best_on_test"]) == set(found.findings)


def test_best_on_test_is_the_best_of_all_thresholds_on_the_scored_cases(
    model: BrightnessModel, cohort: Manifest
) -> None:
    # With the parts swapped the threshold chosen on validation is the one best on test.
    there = evaluate_grounding(model, cohort, settings=FEW)
    swapped = evaluate_grounding(
        model, cohort, settings=replace(FEW, split="train", threshold_split="test")
    )
    chosen = {name: score.value for name, score in swapped.thresholds.items()}
    assert there.settings["thresholds_best_on_test"] == chosen


def test_without_validation_cases_only_the_flattering_numbers_are_there(
    model: BrightnessModel, cohort: Manifest
) -> None:
    how = replace(FEW, threshold_split=None)
    found = evaluate_grounding(model, cohort, ["nodule"], how).findings["nodule"]
    assert found["detection_recall"].reason == "no threshold: not asked for"
    assert found["detection_recall_best_on_test"].value == 1
    assert found["dice"].value is None
    assert found["dice_best_on_test"].value > 0.5


def test_map_without_any_region_finds_nothing_and_its_precision_is_undefined(
    cohort: Manifest,
) -> None:
    class Empty(BrightnessModel):
        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            return replace(answers, grids=answers.grids * 0)

    found = evaluate_grounding(Empty(), cohort, ["nodule"], FEW)
    scores = found.findings["nodule"]
    assert scores["detection_recall"].value == 0
    assert scores["detection_precision"].value is None
    assert "no map with a region" in scores["detection_precision"].reason
    assert scores["iou"].value == scores["dice"].value == 0
    # A map that is the same everywhere points by chance, and has no contrast.
    assert scores["pointing_game"].value == pytest.approx(scores["chance"].value)
    assert scores["cnr"].value == 0


def test_map_with_a_value_that_is_no_number_is_refused(cohort: Manifest) -> None:
    class Broken(BrightnessModel):
        def answer(self, radiographs, queries):
            answers = super().answer(radiographs, queries)
            return replace(answers, grids=answers.grids * float("nan"))

    with pytest.raises(EvaluationError, match="values of a heat-map are not numbers"):
        evaluate_grounding(Broken(), cohort, ["nodule"], FEW)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((70.0, 2.0, 80.0, 9.0), r"box \(70, 2, 80, 9\) of pleural effusion lies outside the"),
        ((2.0, 9.0, 18.0, 9.0), r"box \(2, 9, 18, 9\) of pleural effusion has no area"),
    ],
)
def test_boxes_that_outline_nothing_are_named_counted_and_left_out(
    model: BrightnessModel, cohort: Manifest, corners: tuple[float, ...], message: str
) -> None:
    studies = with_effusion(cohort)
    bad = boxed(studies[0], (2.0, 2.0, 18.0, 18.0), corners)
    changed = cohort.with_studies([bad, *studies[1:], *with_effusion(cohort, "validate")])
    found = evaluate_grounding(model, changed, ["effusion"], FEW)
    assert found.positives["effusion"] == len(studies) - 1
    (only,) = found.settings["unusable_outlines"]
    assert only["image"] == bad.radiographs[0].path
    assert re.search(message, only["message"])
    shown = remarks(found)
    assert re.search(message, shown[shown.index("outlines that cannot be used: 1:") + 1])


def test_finding_without_any_outline_is_said_and_not_scored_as_zero(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, ["nodule", "hernia"], FEW)
    assert found.positives == {"nodule": found.images, "hernia": 0}
    assert found.findings["hernia"]["pointing_game"].value is None
    assert found.findings["hernia"]["pointing_game"].reason == "no case with an outline"
    assert found.mean["pointing_game"].value == found.findings["nodule"]["pointing_game"].value
    assert "no radiograph of the part has an outline of: hernia." in remarks(found)


def test_cases_without_a_value_are_counted() -> None:
    frame = pl.DataFrame(
        {
            "query": ["a", "a", "b", "b"],
            **{name: [0.5] * 4 for name in ("iou", "dice", "cnr_absolute", "position_baseline")},
            "cnr": [None, 0.2, None, None],
        }
    )
    assert undefined_cases(frame) == {"cnr": 1}


def test_remarks_say_which_findings_beat_the_usual_place(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_grounding(model, cohort, settings=FEW)
    told = next(line for line in remarks(found) if "usual place" in line)
    sure = [name for name, s in found.findings.items() if s["pointing_over_position"].low > 0]
    assert f"in {len(sure)} of 2 findings" in told
    assert all(name in told for name in sure)


def test_wider_word_takes_the_outlines_of_the_labels_it_covers(
    model: BrightnessModel, cohort: Manifest
) -> None:
    covered = {"opacity": ("Effusion", "nodule")}
    found = evaluate_grounding(model, cohort, ["opacity"], replace(FEW, outlines=covered))
    apart = evaluate_grounding(model, cohort, settings=FEW)
    images = set(apart.predictions["image"])
    assert found.positives["opacity"] == len(images)
    assert found.settings["outlines"] == {"opacity": ["Effusion", "nodule"]}
    assert found.data == apart.data  # the data themselves are as they were
    page = evaluation_page(found, model, cohort)
    shown = [case for group in page.pointed for case in group.cases]
    assert shown
    assert all(case.mask is not None or case.boxes for case in shown)


def test_wider_word_leaves_the_labels_themselves_and_joins_masks_of_one_image(
    cohort: Manifest,
) -> None:
    both = next(s for s in cohort.studies if s.masks and s.boxes)
    wide = with_outlines(cohort.with_studies([both]), {"opacity": ("nodule",), "x": ("effusion",)})
    (study,) = wide.studies
    assert [mask.label for mask in study.masks] == ["nodule", "opacity"]
    assert [box.label for box in study.boxes] == ["Effusion", "x"]
    assert with_outlines(cohort, {}) is cohort


def test_wider_word_of_a_label_that_is_nowhere_is_refused(cohort: Manifest) -> None:
    with pytest.raises(
        EvaluationError, match=r"labelled 'mass', which is to outline 'opacity'; .*Effusion, nodule"
    ):
        with_outlines(cohort, {"opacity": ("nodule", "mass")})


def test_outline_words_are_read_or_refused() -> None:
    read = parse_outlines(["lung opacity=ground glass opacities, consolidation", "a=b"])
    assert read == {"lung opacity": ("ground glass opacities", "consolidation"), "a": ("b",)}
    for text in ("lung opacity", "=b", "a=", "a= , "):
        with pytest.raises(ConfigError, match="expected NAME=LABEL or NAME=LABEL,LABEL"):
            parse_outlines([text])
