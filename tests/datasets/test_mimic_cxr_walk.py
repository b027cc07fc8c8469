"""The walk of docs/prepare.md, from the downloads to a model that was measured, as written."""

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


def test_the_walk_takes_every_step() -> None:
    steps = [words[0] for words in commands()]
    assert list(dict.fromkeys(steps)) == [
        *("phantom", "index", "check", "annotate", "pack", "pretrain", "evaluate", "ask")
    ]


@pytest.mark.slow
def test_the_walk_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands():
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, f"carina {shlex.join(words)}"
    assert (tmp_path / "evaluation" / "small" / "evaluation.json").exists()
    assert (tmp_path / "answer" / "index.html").exists()
