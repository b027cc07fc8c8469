"""`carina demo`: from nothing to a page, once; and what it refuses."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

import carina
from carina.cli import demo
from carina.cli.main import main
from carina.evaluation.result import Evaluation
from carina.evaluation.run import EvaluationRequest
from carina.phantom.findings import FOCAL, SEEN, UNSEEN
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import Query

TINY = ("--studies", "60", "--set", "steps=1", "--set", "batch_size=8")
STEPS = [f"{number}/9  " for number in range(1, 10)]


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *map(str, words)])
    return int(ended.value.code or 0)


def texts(page: Path) -> str:
    return " ".join(" ".join(ET.parse(page).getroot().itertext()).split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "out"
    assert run("--out", out, *TINY) == 0
    return out


def test_a_demo_leaves_a_model_evaluations_and_a_page(finished: Path) -> None:
    carina.load(finished / "run")
    scores = Evaluation.read(finished / "evaluation" / "zero-shot")
    assert list(scores.findings) == [*SEEN, *UNSEEN]
    assert scores.split == "test"
    assert scores.settings["replicates"] == 1000
    assert scores.settings["resampled"] == "whole patients"
    assert scores.settings["patients_in_both_parts"] == 0
    described = Evaluation.read(finished / "evaluation" / "described").settings["queries"]
    assert set(described) == set(UNSEEN)
    assert "air-fluid level" in described["lung abscess"]
    pointing = Evaluation.read(finished / "evaluation" / "grounding")
    assert set(pointing.findings) == set(FOCAL) & set(SEEN)


def test_the_page_shows_every_part_of_the_job(finished: Path) -> None:
    shown = texts(finished / "index.html")
    for heading in (
        *("Findings that occurred in training", "Findings that never occurred in training"),
        *("Cases", "A real radiograph", "Do heat-maps point at the finding?", "Training"),
        *("What the text encoder learnt", "How this was made"),
    ):
        assert heading in shown
    assert "lung abscess, described" in shown
    assert "knowledge: losses" in shown
    assert "alignment: losses" in shown
    assert "not to be believed" in shown


def test_a_second_call_trains_and_measures_nothing_again(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [
        *finished.rglob("checkpoint.safetensors"),
        *finished.glob("evaluation/*/evaluation.json"),
        *finished.glob("*.parquet"),
    ]
    before = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 7
    assert run("--out", finished, *TINY) == 0
    assert [path.stat().st_mtime_ns for path in kept] == before
    printed = capsys.readouterr().out
    assert all(step in printed for step in STEPS)
    assert "Mean AUC" in printed
    assert str(finished / "index.html") in printed


def test_an_evaluation_of_another_model_is_made_again(finished: Path, tmp_path: Path) -> None:
    model = carina.load(finished / "run")
    manifest = Manifest.read(finished / "annotated.parquet", finished / "cohort")
    request = EvaluationRequest(queries=(Query("mass"),), replicates=2)
    first = demo.evaluated(model, manifest, request, tmp_path)
    file = tmp_path / "evaluation.json"
    written = file.stat().st_mtime_ns
    assert demo.evaluated(model, manifest, request, tmp_path).model == first.model
    assert file.stat().st_mtime_ns == written
    file.write_text(json.dumps({**json.loads(file.read_text()), "model": "kad_small of yesterday"}))
    assert demo.evaluated(model, manifest, request, tmp_path).model == first.model
    assert json.loads(file.read_text())["model"] == first.model


def test_without_the_package_the_demo_says_that_no_real_radiograph_was_asked(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pydicom.data, "get_testdata_file", lambda name, download: None)
    scores = Evaluation.read(finished / "evaluation" / "zero-shot")
    asked = demo.asked_about_real(carina.load(finished / "run"), scores, tmp_path / "real")
    assert asked.image is None
    assert "pip install 'carina[demo]'" in asked.text
    assert asked.text in capsys.readouterr().out
    assert not (tmp_path / "real").exists()


def test_a_demo_of_other_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo.json").write_text('{"studies": 60, "seed": 0, "settings": []}')
    assert run("--out", tmp_path, "--studies", "60", "--seed", "3") == 1
    message = capsys.readouterr().err
    assert '"seed": 0' in message
    assert '"seed": 3' in message
    assert "--out" in message


def test_a_folder_that_holds_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").touch()
    assert run("--out", tmp_path) == 1
    assert "'thesis.tex'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("mine")
    assert run("--out", tmp_path / "out") == 1
    assert "is a file" in capsys.readouterr().err


def test_a_wrong_setting_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--out", tmp_path / "out", "--set", "stepz=3") == 2
    assert "steps" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_cohort_with_damage_stops_the_demo(tmp_path: Path) -> None:
    from PIL import Image

    from carina.errors import ManifestError
    from carina.studies.manifest import write_manifest
    from carina.study import Radiograph, Study

    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    studies = [
        Study(
            study_id=split,
            patient_id="one patient",
            source="test",
            radiographs=(Radiograph(path="a.png"),),
            split=split,
        )
        for split in ("train", "test")
    ]
    manifest = write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    with pytest.raises(ManifestError, match="LEAK"):
        demo.check_once(manifest, tmp_path / "check.json")
    assert not (tmp_path / "check.json").exists()
