import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bright_cohort import BrightnessModel, write_cohort
from sklearn.metrics import roc_auc_score

from carina.errors import ConfigError, EvaluationError, ManifestError, QueryError
from carina.evaluation.result import Evaluation
from carina.evaluation.scoring import greatest_of_study, mean_of_study
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.metrics.classification import f1
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph
from carina.zeroshot.protocol import Query

FEW = ZeroShotSettings(replicates=50)


def test_auc_and_counts_are_those_of_the_predictions(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_zero_shot(BrightnessModel(noise=1.2), cohort, settings=FEW)
    assert list(found.findings) == ["nodule", "pleural effusion"]
    assert (found.images, found.studies, found.split) == (48, 48, "test")
    # Test studies are numbers 2, 3, 6, 7, ... of which every third or fifth has the finding.
    tested = [number for number in range(96) if number % 4 in (2, 3)]
    effusions = [number for number in tested if number % 3 == 0]
    assert found.positives["pleural effusion"] == len(effusions)
    rows = found.predictions.filter(pl.col("query") == "pleural effusion")
    truth = [int(study[1:]) % 3 == 0 for study in rows["study"]]
    assert rows["truth"].to_list() == [int(value) for value in truth]
    auc = found.findings["pleural effusion"]["auc"]
    assert auc.value == pytest.approx(roc_auc_score(truth, rows["score"]))
    assert 0.5 < auc.low < auc.value < auc.high < 1
    mean = np.mean([scores["auc"].value for scores in found.findings.values()])
    assert found.mean["auc"].value == pytest.approx(mean)


def test_a_model_that_sees_the_finding_is_near_perfect(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_zero_shot(model, cohort, settings=FEW)
    assert found.mean["auc"].value == 1
    assert found.mean["mcc"].value > 0.8  # a threshold from validation studies misses a few
    assert found.mean["f1"].value > 0.8
    assert found.settings["names_in_the_data"]["pleural effusion"] == ["Effusion"]


def test_thresholds_come_from_validation_studies_alone(
    model: BrightnessModel, cohort: Manifest
) -> None:
    noisy = BrightnessModel(noise=2.0)
    found = evaluate_zero_shot(noisy, cohort, settings=FEW)
    rows = found.validation_predictions.filter(pl.col("query") == "nodule")
    assert {int(study[1:]) % 4 for study in rows["study"]} == {1}
    assert found.thresholds["nodule"].value in rows["score"].to_list()
    swapped = cohort.with_studies(
        [replace(s, findings=()) if s.split == "test" else s for s in cohort.studies]
    )
    again = evaluate_zero_shot(noisy, swapped, settings=FEW)
    assert again.thresholds["nodule"] == found.thresholds["nodule"]


def test_threshold_may_be_chosen_by_f1(cohort: Manifest) -> None:
    settings = replace(FEW, threshold_rate=f1)
    found = evaluate_zero_shot(BrightnessModel(noise=3.0), cohort, settings=settings)
    assert found.settings["threshold_rate"] == "f1"
    assert found.thresholds["nodule"].value is not None


def test_without_validation_part_thresholds_are_undefined_and_never_from_test(
    model: BrightnessModel, cohort: Manifest
) -> None:
    tested = cohort.with_studies([s for s in cohort.studies if s.split == "test"])
    found = evaluate_zero_shot(model, tested, settings=FEW)
    reason = "no study in the split 'validate' to choose it on"
    assert found.thresholds["nodule"].value is None
    assert found.thresholds["nodule"].reason == reason
    assert found.findings["nodule"]["mcc"].value is None
    assert found.findings["nodule"]["mcc"].reason == f"no threshold: {reason}"
    assert found.findings["nodule"]["auc"].value == 1
    assert found.mean["mcc"].value is None
    assert found.validation_predictions is None


def test_finding_that_no_test_image_has_is_undefined_with_its_reason(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_zero_shot(model, cohort, ["nodule", "hernia"], FEW)
    assert found.findings["hernia"]["auc"].value is None
    assert found.findings["hernia"]["auc"].reason == "no positive image"
    assert found.findings["hernia"]["specificity"].reason == (
        "no threshold: no positive image in the validation part"
    )
    assert found.thresholds["hernia"].reason == "no positive image in the validation part"
    assert found.mean["auc"].value == found.findings["nodule"]["auc"].value
    assert found.settings["names_in_the_data"]["hernia"] == []


def test_queries_reach_the_model_with_their_descriptions(
    model: BrightnessModel, cohort: Manifest
) -> None:
    found = evaluate_zero_shot(model, cohort, [Query("nodule", "a round opacity")], FEW)
    assert {query.text for query in model.asked} == {"nodule: a round opacity"}
    assert found.settings["queries"] == {"nodule": "nodule: a round opacity"}


def test_unreadable_image_is_named_and_left_out(model: BrightnessModel, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path, 32)
    (tmp_path / "002.png").write_bytes(b"")
    found = evaluate_zero_shot(model, cohort, settings=FEW)
    assert found.images == 15
    assert [item["image"] for item in found.settings["unreadable"]] == ["002.png"]
    assert "002.png" in found.settings["unreadable"][0]["message"]


def test_nothing_readable_is_an_error(model: BrightnessModel, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path, 8)
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(EvaluationError, match="None of the 4 radiographs can be read"):
        evaluate_zero_shot(model, cohort, settings=FEW)


def test_lateral_views_are_not_scored(model: BrightnessModel, cohort: Manifest) -> None:
    lateral = [
        replace(s, radiographs=(*s.radiographs, replace(s.radiographs[0], view="LATERAL")))
        for s in cohort.studies
    ]
    assert evaluate_zero_shot(model, cohort.with_studies(lateral), settings=FEW).images == 48
    only = [
        replace(s, radiographs=(Radiograph(path=s.radiographs[0].path, view="LATERAL"),))
        for s in cohort.studies
    ]
    with pytest.raises(EvaluationError, match="none of the 48 studies has a frontal radiograph"):
        evaluate_zero_shot(model, cohort.with_studies(only), settings=FEW)


def test_studies_with_two_radiographs_count_once_where_asked_for(
    model: BrightnessModel, cohort: Manifest
) -> None:
    # Each test study also gets the next one's picture, so its greatest score may be foreign.
    paths = [s.radiographs[0] for s in cohort.studies]
    doubled = cohort.with_studies(
        [
            replace(s, radiographs=(s.radiographs[0], paths[(i + 1) % len(paths)]))
            for i, s in enumerate(cohort.studies)
        ]
    )
    every = evaluate_zero_shot(model, doubled, settings=FEW)
    mean = evaluate_zero_shot(model, doubled, settings=replace(FEW, aggregation=mean_of_study))
    most = evaluate_zero_shot(model, doubled, settings=replace(FEW, aggregation=greatest_of_study))
    assert every.images == mean.images == 96
    assert every.positives["nodule"] == 2 * mean.positives["nodule"]
    assert every.settings["aggregation"] == "image"
    assert mean.settings["aggregation"] == "study-mean"
    wide = most.predictions.filter(pl.col("query") == "nodule")
    by_study = wide.group_by("study").agg(pl.col("score").max(), pl.col("truth").first())
    assert most.findings["nodule"]["auc"].value == pytest.approx(
        roc_auc_score(by_study["truth"], by_study["score"])
    )


def test_images_of_a_store_are_read_from_it(
    model: BrightnessModel, cohort: Manifest, tmp_path: Path
) -> None:
    items = [
        (radiograph.path, cohort.absolute(radiograph.path))
        for study in cohort.studies
        for radiograph in study.radiographs
    ]
    build_store(items, tmp_path / "store", 40, processes=1)
    elsewhere = Manifest(cohort.path, tmp_path / "nowhere", studies=cohort.studies)
    store = ImageStore.open(tmp_path / "store")
    found = evaluate_zero_shot(model, elsewhere, settings=FEW, store=store)
    assert found.images == 48
    assert found.mean["auc"].value == 1
    assert found.settings["pixels"] == "image store"


def test_patients_in_both_parts_are_counted(model: BrightnessModel, cohort: Manifest) -> None:
    one = cohort.with_studies([replace(s, patient_id="everyone") for s in cohort.studies])
    found = evaluate_zero_shot(model, one, settings=FEW)
    assert found.settings["patients_in_both_parts"] == 1


def test_saved_evaluation_reads_back_as_it_was(cohort: Manifest, out: Path) -> None:
    found = evaluate_zero_shot(BrightnessModel(noise=3.0), cohort, ["nodule", "hernia"], FEW)
    found.save(out, "<html></html>")
    plain = json.loads((out / "evaluation.json").read_text())
    assert list(plain) == [
        *("task", "model", "data", "split", "studies", "images", "positives", "findings"),
        *("mean", "thresholds", "settings"),
    ]
    assert plain["findings"]["hernia"]["auc"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no positive image",
    }
    again = Evaluation.read(out)
    assert again.to_json() == found.to_json()
    assert again.predictions.equals(found.predictions)
    assert again.predictions.columns[:5] == ["study", "image", "query", "score", "truth"]
    assert Evaluation.read(out / "evaluation.json").positives == found.positives
    found.save(out)  # an earlier evaluation is replaced
    assert not (out / "index.html").exists()


def test_uncertain_truth_is_null_in_the_predictions(
    model: BrightnessModel, cohort: Manifest
) -> None:
    from carina.study import Assertion

    unsure = cohort.with_studies(
        [
            replace(s, findings=tuple(replace(f, value=Assertion.UNCERTAIN) for f in s.findings))
            if s.study_id == "s003"
            else s
            for s in cohort.studies
        ]
    )
    found = evaluate_zero_shot(model, unsure, ["pleural effusion"], FEW)
    row = found.predictions.filter(pl.col("study") == "s003")
    assert row["truth"].to_list() == [None]
    assert found.settings["known_truth"]["pleural effusion"] == 47


def test_folder_that_holds_something_else_is_refused(
    model: BrightnessModel, cohort: Manifest, out: Path
) -> None:
    found = evaluate_zero_shot(model, cohort, settings=FEW)
    out.mkdir()
    (out / "thesis.docx").write_text("")
    with pytest.raises(EvaluationError, match=r"holds 'thesis.docx', which is no part"):
        found.save(out)
    with pytest.raises(EvaluationError, match="is a file, expected a folder"):
        found.save(out / "thesis.docx")


def test_reading_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="there is no such file"):
        Evaluation.read(tmp_path / "nothing")
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(EvaluationError, match="is no evaluation"):
        Evaluation.read(tmp_path)
    (tmp_path / "evaluation.json").write_text("scores: 1")
    with pytest.raises(EvaluationError, match="is no evaluation"):
        Evaluation.read(tmp_path)


def test_same_part_for_thresholds_and_scores_is_refused() -> None:
    with pytest.raises(ConfigError, match="Thresholds would be chosen on the scored part, 'test'"):
        ZeroShotSettings(threshold_split="test")


def test_settings_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"replicates must be at least 1, got 0\."):
        ZeroShotSettings(replicates=0)


def test_manifest_without_findings_cannot_be_measured(
    model: BrightnessModel, cohort: Manifest
) -> None:
    bare = cohort.with_studies([replace(s, findings=()) for s in cohort.studies])
    with pytest.raises(EvaluationError, match="lists no findings"):
        evaluate_zero_shot(model, bare, settings=FEW)


def test_two_queries_of_one_finding_are_refused(model: BrightnessModel, cohort: Manifest) -> None:
    with pytest.raises(QueryError, match="twice"):
        evaluate_zero_shot(model, cohort, ["Effusion", "pleural effusion"], FEW)


def test_part_that_does_not_exist_is_an_error(
    model: BrightnessModel, cohort: Manifest, tmp_path: Path
) -> None:
    trained = write_manifest(
        [s for s in cohort.studies if s.split == "train"], tmp_path / "t.parquet", cohort.root
    )
    with pytest.raises(ManifestError, match="no study is in the split 'test'"):
        evaluate_zero_shot(model, trained, settings=FEW)
    whole = evaluate_zero_shot(model, trained, settings=replace(FEW, split=None))
    assert (whole.split, whole.images) == ("all", 24)
