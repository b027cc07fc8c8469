"""The walks of docs/prepare.md, from the downloads to a model that was measured, as written."""

import json
import re
import shlex
from pathlib import Path

import pytest

from carina.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "prepare.md"


def commands() -> list[list[str]]:
    """The words of every command in the page's shell blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    assert all(line.startswith("carina ") for line in lines)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_walks_take_every_step_and_every_release() -> None:
    steps = [words[0] for words in commands()]
    assert list(dict.fromkeys(steps)) == [
        *("phantom", "index", "check", "annotate", "pack", "pretrain", "evaluate", "ask")
    ]
    layouts = [words[words.index("--layout") + 1] for words in commands() if words[0] == "phantom"]
    assert layouts == ["mimic-cxr", "iu-xray", "chexpert", "chestxray14"]


@pytest.mark.slow
def test_the_walks_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands():
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, f"carina {shlex.join(words)}"
    for name in ("small", "iu", "chexpert", "nih"):
        text = (tmp_path / "evaluation" / name / "evaluation.json").read_text(encoding="utf-8")
        assert 0 <= json.loads(text)["mean"]["auc"]["value"] <= 1, name
    assert (tmp_path / "answer" / "index.html").exists()


@pytest.mark.slow
def test_releases_without_reports_are_neither_annotated_nor_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (words for words in commands() if words[1] == "chexpert"):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
    for line in (
        "annotate chexpert.parquet --out annotated.parquet",
        "pretrain kad_small --data chexpert.parquet --out run",
    ):
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        assert ended.value.code == 1
        assert "has a report" in capsys.readouterr().err
