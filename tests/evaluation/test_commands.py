"""`carina evaluate` and `carina compare`: what they write and print, and how they end."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from bright_cohort import BrightnessModel

import carina
from carina.cli.main import main
from carina.studies.manifest import Manifest


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders called good and poor, as models."""
    noise = {"good": 0.0, "poor": 9.0}
    found = {name: SimpleNamespace(model=BrightnessModel(noise=noise[name])) for name in noise}
    monkeypatch.setitem(vars(carina), "load", lambda folder, prompts=None: found[folder.name])


@pytest.mark.usefixtures("models")
def test_two_models_are_evaluated_and_compared(
    cohort: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "poor"):
        out = str(tmp_path / name)
        words = ("evaluate", name, str(cohort.path), "--out", out, "--replicates", "30")
        assert ended(*words) == 0
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == [
            *("evaluation.json", "index.html"),
            *("predictions.parquet", "predictions_validate.parquet"),
        ]
    assert "zero-shot, test: 48 radiographs" in capsys.readouterr().out
    difference = tmp_path / "difference.json"
    sides = (str(tmp_path / "good"), str(tmp_path / "poor" / "evaluation.json"))
    assert ended("compare", *sides, "--out", str(difference), "--replicates", "50") == 0
    assert "good minus poor" in capsys.readouterr().out
    assert json.loads(difference.read_text())["mean"]["auc"]["difference"] > 0


@pytest.mark.usefixtures("models")
def test_grounding_is_a_task_and_options_reach_it(cohort: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "where"
    words = ("--task", "grounding", "--query", "nodule=a round spot", "--margin", "0.1")
    more = ("--by-image", "--threshold-split", "none", "--split", "all", "--replicates", "20")
    assert ended("evaluate", "good", str(cohort.path), "--out", str(out), *words, *more) == 0
    plain = json.loads((out / "evaluation.json").read_text())
    assert (plain["task"], plain["split"]) == ("grounding", "all")
    assert plain["settings"]["queries"] == {"nodule": "nodule: a round spot"}
    assert plain["settings"]["margin"] == 0.1
    assert plain["settings"]["resampled"] == "single radiographs"
    assert plain["thresholds"]["nodule"]["reason"] == "not asked for"


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--task", "guess"), 2, "task is 'guess', expected one of zero-shot, grounding"),
        (("--split", "validate"), 2, "Thresholds would be chosen on the scored part"),
        (("--query", ""), 2, "query is empty"),
        (("--split", "other"), 1, "no study is in the split 'other'"),
        (("--threshold-split", "valid"), 1, "no study is in the split 'valid'; splits found: test"),
    ],
)
def test_wrong_calls_end_with_one_message(
    words: tuple[str, ...],
    code: int,
    message: str,
    cohort: Manifest,
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended("evaluate", "good", str(cohort.path), "--out", str(out), *words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


def test_comparing_what_is_not_there_ends_with_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("compare", str(tmp_path / "a"), str(tmp_path / "b")) == 1
    assert "there is no such file; expected the folder of an evaluation" in capsys.readouterr().err
