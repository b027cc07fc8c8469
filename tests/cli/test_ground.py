"""`carina ground`: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.cli.main import main


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(path)
    return path


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ground", *map(str, words)])
    return int(ended.value.code or 0)


def test_a_trained_model_draws_phrases(
    tiny_run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "where"
    words = ("--phrase", "small left effusion", "--phrase", "mass", "--out", out, "--smooth", "1")
    assert run(tiny_run, film, *words) == 0
    printed = capsys.readouterr().out
    assert "small left effusion" in printed
    assert str(out / "index.html") in "".join(printed.split("\n"))
    written = json.loads((out / "phrases.json").read_text())
    assert len(written["images"][0]["maps"]) == 2
    assert written["model"].startswith("KADModel of ")
    assert f"Model: {written['model']}" in (out / "index.html").read_text()


def test_a_word_that_nobody_knows_is_told_with_what_may_be_meant(
    tiny_run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "where"
    assert run(tiny_run, film, "--phrase", "left plural effusion", "--out", out) == 0
    assert "lists know of it: plural (is 'pleural' meant?)" in capsys.readouterr().err


def test_an_image_that_cannot_be_read_is_told_at_the_end(
    tiny_run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "where"
    assert run(tiny_run, film, tmp_path / "none.png", "--phrase", "mass", "--out", out) == 1
    assert "Not grounded: 1 of the images." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--phrase", " "), "A phrase is empty"),
        (("--phrase", "气胸"), "has no word that this model's text encoder knows"),
        (("--phrase", "mass", "--smooth", "-1"), "smoothing must be 0 or more"),
    ],
)
def test_what_cannot_be_grounded_is_wrong_usage(
    tiny_run: Path,
    film: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    assert run(tiny_run, film, *words, "--out", tmp_path / "where") == 2
    assert message in capsys.readouterr().err
