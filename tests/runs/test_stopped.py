"""A run that is stopped, by Ctrl-C or by force, and goes on as if it had not been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SETTINGS = ("--set", "alignment.training.steps=60", "--set", "knowledge.training.steps=30")


@pytest.fixture
def words(tiny_cohort: Path, tiny_settings: tuple[str, ...]) -> tuple[str, ...]:
    """The command, but for its --out."""
    settings = [word for setting in tiny_settings for word in ("--set", setting)]
    return ("pretrain", "kad_small", "--data", str(tiny_cohort), *settings, *SETTINGS)


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
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def finished(process: subprocess.Popen[str]) -> None:
    printed = process.communicate(timeout=240)
    assert process.returncode == 0, printed


def test_a_run_that_was_stopped_twice_ends_with_the_very_bytes_of_one_that_was_not(
    words: tuple[str, ...], tmp_path: Path
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

    finished(started(words, out, "--resume"))
    finished(started(words, tmp_path / "whole"))
    for name in ("model/model.safetensors", "model/config.json", "model/tokenizer.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    logs = [(path / "alignment" / "metrics.csv").read_text() for path in (out, tmp_path / "whole")]
    assert logs[0] == logs[1]
    assert not [path for path in out.rglob(".*") if path.name.endswith((".tmp", ".old"))]
