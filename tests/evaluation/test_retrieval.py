"""Retrieval as a task: who is ranked for whom, and what equal texts do."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from bright_cohort import BrightnessModel
from spoken_cohort import QuarterModel, write_spoken

import carina
from carina.cli.main import main
from carina.errors import ConfigError, EvaluationError
from carina.evaluation.compare import compare
from carina.evaluation.retrieval import RetrievalSettings, evaluate_retrieval, report_text
from carina.evaluation.task_page import task_page
from carina.pages.report_page import render_report_page
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Report

FEW = RetrievalSettings(replicates=20)


@pytest.fixture
def spoken(tmp_path: Path) -> Manifest:
    return write_spoken(tmp_path / "spoken")


def test_a_model_that_knows_finds_the_right_one_first(spoken: Manifest) -> None:
    model = QuarterModel()
    evaluation = evaluate_retrieval(model, spoken, FEW)
    # Six radiographs, three different texts, each of two of them.
    assert evaluation.settings["candidate_reports"] == 3
    assert len(model.embedded) == 3
    for direction in ("image to report", "report to image"):
        assert evaluation.findings[direction]["recall_at_1"].value == 1.0
    chance = {name: scores["chance_at_1"].value for name, scores in evaluation.findings.items()}
    assert chance == pytest.approx({"image to report": 1 / 3, "report to image": 2 / 6})
    # Of the six the first five hold one of the two for sure.
    assert evaluation.findings["report to image"]["chance_at_5"].value == pytest.approx(1.0)


def test_a_model_that_takes_each_for_the_next_never_finds_it_first(spoken: Manifest) -> None:
    evaluation = evaluate_retrieval(QuarterModel(shift=1), spoken, FEW)
    assert evaluation.mean["recall_at_1"].value == 0.0


def test_equal_texts_are_right_for_one_another_whatever_case_and_space(spoken: Manifest) -> None:
    studies = [
        replace(study, report=Report(text=study.report.text.upper().replace(" ", "  ")))
        if number >= 3
        else study
        for number, study in enumerate(spoken.studies)
    ]
    manifest = write_manifest(studies, spoken.root / "loud.parquet", spoken.root)
    assert evaluate_retrieval(QuarterModel(), manifest, FEW).settings["candidate_reports"] == 3


def test_studies_without_report_are_left_out_and_counted(spoken: Manifest) -> None:
    silent = [replace(spoken.studies[0], report=Report(text=" \n"))]
    manifest = write_manifest(
        [*silent, *spoken.studies[1:]], spoken.root / "silent.parquet", spoken.root
    )
    evaluation = evaluate_retrieval(QuarterModel(), manifest, FEW)
    assert (evaluation.images, evaluation.settings["without_report"]) == (5, 1)
    nobody = write_manifest(silent, spoken.root / "nobody.parquet", spoken.root)
    with pytest.raises(EvaluationError, match="none of 1 studies of the split test has a report"):
        evaluate_retrieval(QuarterModel(), nobody, FEW)


def test_files_that_cannot_be_read_are_named(spoken: Manifest) -> None:
    first = spoken.studies[0]
    gone = replace(first, radiographs=(replace(first.radiographs[0], path="gone.png"),))
    manifest = write_manifest(
        [gone, *spoken.studies[1:]], spoken.root / "gone.parquet", spoken.root
    )
    evaluation = evaluate_retrieval(QuarterModel(), manifest, FEW)
    assert evaluation.settings["unreadable"][0]["image"] == "gone.png"
    alone = write_manifest([gone], spoken.root / "alone.parquet", spoken.root)
    with pytest.raises(EvaluationError, match="None of the 1 radiographs can be read"):
        evaluate_retrieval(QuarterModel(), alone, FEW)


def test_the_text_is_what_the_report_tells_of_the_picture() -> None:
    text = "INDICATION: Cough.\n\nFINDINGS: Lungs\nare clear.\n\nIMPRESSION: Normal."
    assert report_text(text) == "Lungs are clear. Normal."
    assert report_text("Lungs   are clear.") == "Lungs are clear."
    assert report_text("INDICATION: Cough.") == "INDICATION: Cough."
    assert report_text(" \n") == ""


def test_a_query_network_has_no_space_to_search(spoken: Manifest) -> None:
    with pytest.raises(EvaluationError, match="A BrightnessModel answers queries"):
        evaluate_retrieval(BrightnessModel(), spoken, FEW)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size must be at least 1, got 0\."):
        RetrievalSettings(batch_size=0)
    with pytest.raises(ConfigError, match=r"replicates must be at least 1, got -3\."):
        RetrievalSettings(replicates=-3)


def test_it_is_a_task_of_the_command_with_a_page(
    spoken: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    model = QuarterModel()
    loaded = SimpleNamespace(model=model)
    monkeypatch.setitem(vars(carina), "load", lambda folder, prompts=None: loaded)
    out = tmp_path / "found"
    words = ("evaluate", "m", str(spoken.path), "--task", "retrieval", "--out", str(out))
    with pytest.raises(SystemExit) as ended:
        main([*words, "--replicates", "20", "--by-image"])
    assert not ended.value.code
    assert "image to report" in capsys.readouterr().out
    page = render_report_page(task_page(evaluate_retrieval(model, spoken, FEW), model, spoken))
    assert "by chance 1.000" in page  # at 5, of three texts
    assert "Scores of each direction" in page


def test_two_of_them_cannot_be_compared_yet(spoken: Manifest) -> None:
    evaluation = evaluate_retrieval(QuarterModel(), spoken, FEW)
    with pytest.raises(EvaluationError, match="of the task retrieval cannot be compared yet"):
        compare(evaluation, evaluation)
