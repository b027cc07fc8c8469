"""A run that is stopped, by Ctrl-C or by force, and goes on as if it had not been."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest

LONGER = ("alignment.training.steps=40", "knowledge.training.steps=30", "checkpoint_every=10")
PATIENCE = 480  # seconds until a process counts as hanging; busy machines are slow


@pytest.fixture
def settings(tiny_settings: tuple[str, ...]) -> tuple[str, ...]:
    """Steps enough for a signal to come before the last, and few checkpoints."""
    return (*tiny_settings, *LONGER)


@pytest.fixture
def words(tiny_cohort: Path, settings: tuple[str, ...]) -> tuple[str, ...]:
    """The command, but for its --out."""
    given = [word for setting in settings for word in ("--set", setting)]
    return ("pretrain", "kad_small", "--data", str(tiny_cohort), *given)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as the processes that are stopped: the order of sums depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def started(words: tuple[str, ...], out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "carina", *words, "--out", str(out), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def stop_when(process: subprocess.Popen[str], path: Path, number: int) -> str:
    """Sends a signal as soon as a file is there; gives what was printed as an error."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    return process.communicate(timeout=PATIENCE)[1]


def test_a_run_that_was_stopped_twice_ends_with_the_very_bytes_of_one_that_was_not(
    words: tuple[str, ...],
    settings: tuple[str, ...],
    tiny_cohort: Path,
    tmp_path: Path,
    one_thread: None,
) -> None:
    out = tmp_path / "stopped"
    first = started(words, out)
    told = stop_when(first, out / "knowledge" / "checkpoint.safetensors", signal.SIGINT)
    assert first.returncode == 1
    assert told.strip().splitlines()[-1].startswith("carina: stopped.")
    assert "Traceback" not in told
    assert not (out / "knowledge" / "model").exists()

    second = started(words, out, "--resume")
    stop_when(second, out / "alignment" / "checkpoint.safetensors", signal.SIGKILL)
    assert second.returncode == -signal.SIGKILL
    assert (out / "knowledge" / "model" / "config.json").exists()
    assert not (out / "model").exists()

    recipe = with_settings(find_recipe("kad_small"), settings)
    pretrain(recipe, Manifest.read(tiny_cohort), out, RunOptions(resume=True))
    pretrain(recipe, Manifest.read(tiny_cohort), tmp_path / "whole")
    for name in ("model/model.safetensors", "model/config.json", "model/tokenizer.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    logs = [(path / "alignment" / "metrics.csv").read_text() for path in (out, tmp_path / "whole")]
    assert logs[0] == logs[1]
    assert not [path for path in out.rglob(".*") if path.name.endswith((".tmp", ".old"))]
