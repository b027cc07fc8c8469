"""`carina finetune`: what it writes, prints and refuses."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from carina.cli.main import main
from carina.studies.manifest import write_manifest
from carina.study import Assertion, Finding, Radiograph, Study


def exit_code(words: list[str]) -> object:
    with pytest.raises(SystemExit) as exited:
        main(words)
    return exited.value.code


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """30 pictures that are bright where the finding is present."""
    generator = np.random.default_rng(0)
    studies = []
    for number in range(30):
        value = Assertion.PRESENT if number % 2 else Assertion.ABSENT
        picture = generator.integers(0, 90, (72, 72)) + 100 * (number % 2)
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"{number}.png")
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=f"{number}.png", view="PA"),),
                findings=(Finding(name="opacity", value=value),),
                split=("train", "validate", "test")[number // 2 % 3],
            )
        )
    write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    return tmp_path / "m.parquet"


def test_a_table_a_page_and_models_that_can_be_asked(
    tiny_run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["finetune", "linear-probe", str(tiny_run), str(manifest), "--out", str(tmp_path / "o")]
    words += ["--fraction", "0.5", "--fraction", "1", "--seeds", "2", "--beside", "random"]
    assert exit_code(words) == 0
    printed = capsys.readouterr().out
    assert "mean AUC" in printed
    frame = pl.read_csv(tmp_path / "o" / "efficiency.csv")
    mean = frame.filter((pl.col("finding") == "mean") & (pl.col("metric") == "auc"))
    assert mean["start"].to_list() == ["run", "run", "random", "random"]
    assert mean["seeds"].to_list() == [2] * 4
    assert mean["patients"].to_list() == [5, 10, 5, 10]
    page = (tmp_path / "o" / "index.html").read_text()
    assert "Label efficiency" in page
    assert "run: was pre-trained on none of the 10 test patients." in page
    model = tmp_path / "o" / "run" / "1" / "seed0"
    assert (model / "evaluation" / "index.html").is_file()
    assert exit_code(["ask", str(model), str(tmp_path / "1.png"), "--query", "opacity"]) == 0
    before = (model / "evaluation" / "evaluation.json").stat().st_mtime_ns
    assert exit_code([*words, "--resume"]) == 0
    assert (model / "evaluation" / "evaluation.json").stat().st_mtime_ns == before


def test_classification_of_a_given_length(tiny_run: Path, manifest: Path, tmp_path: Path) -> None:
    words = ["finetune", "classification", str(tiny_run), str(manifest)]
    assert exit_code([*words, "--out", str(tmp_path / "o"), "--steps", "2"]) == 0
    rows = (tmp_path / "o" / "run" / "1" / "seed0" / "validation.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]


def test_a_task_that_there_is_not_is_wrong_usage(
    tiny_run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["finetune", "regression", str(tiny_run), str(manifest), "--out", str(tmp_path / "o")]
    assert exit_code(words) == 2
    assert "expected one of classification, " in capsys.readouterr().err


def test_cross_validation_scores_every_patient_once(
    tiny_run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    words = ["finetune", "linear-probe", str(tiny_run), str(manifest), "--out", str(out)]
    words += ["--folds", "3", "--seeds", "2"]
    assert exit_code(words) == 0
    assert "carina ask" in capsys.readouterr().out
    frame = pl.read_csv(out / "efficiency.csv")
    mean = frame.filter((pl.col("finding") == "mean") & (pl.col("metric") == "auc"))
    assert mean["seeds"].to_list() == [2]
    assert mean["patients"].to_list() == [10]  # of 30, with 10 validated on and 10 tested
    seed = out / "run" / "1" / "seed0"
    tested = []
    for fold in range(3):
        rows = pl.read_parquet(seed / f"fold{fold}" / "evaluation" / "predictions.parquet")
        trained = (seed / f"fold{fold}" / "patients.csv").read_text().split()[1:]
        assert not set(rows["patient"]) & set(trained)
        tested += rows["patient"].to_list()
    assert sorted(tested) == sorted(f"p{number}" for number in range(30))
    together = pl.read_parquet(seed / "evaluation" / "predictions.parquet")
    assert len(together) == 30
    assert "3 folds" in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "4"), "--steps is of classification"),
        (("--frozen",), "--frozen is of classification"),
        (("--decoder", "pyramid"), "--decoder is of segmentation; linear-probe has no use of it"),
        (("--mask-loss", "focal"), "--mask-loss is of segmentation"),
        (("--class-weights", "0.5"), "--class-weights is of classification, multiclass"),
        (("--decoder", "fpn"), "--decoder is 'fpn', expected one of unet, progressive, pyramid"),
        (("--mask-loss", "dice"), "--mask-loss is 'dice', expected one of entropy, focal"),
        (("--unmentioned", "no"), "--unmentioned is 'no', expected one of auto"),
        (("--folds", "2"), "folds is 2, expected 3 or more"),
        (("--seeds", "0"), "Invalid value for '--seeds'"),
        (("--finding", "opacities"), "lists no findings called 'opacities'"),
    ],
)
def test_options_that_would_do_nothing_are_wrong_usage(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    words = ["finetune", "linear-probe", "nowhere", str(manifest), "--out", str(tmp_path / "o")]
    assert exit_code([*words, *options]) == 2
    shown = "".join(character for character in capsys.readouterr().err if character not in "│╭╰")
    assert message in " ".join(shown.split())
