"""Several processes train as one does."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

STEP = Path(__file__).parent / "one_step.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def steps(
    tiny_cohort: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, Any]]:
    """What `one_step.py` finds with one process and with two, for each way of batch norms."""
    folder = tmp_path_factory.mktemp("steps")
    words = [folder / "meeting", tiny_cohort, tiny_run / "store" / "72", folder / "found.pt"]
    running = [
        subprocess.Popen([sys.executable, str(STEP), str(rank), *map(str, words)], env=ENVIRONMENT)
        for rank in range(2)
    ]
    assert [process.wait(timeout=480) for process in running] == [0, 0]
    found: dict[str, tuple[Any, Any]] = torch.load(folder / "found.pt", weights_only=True)
    return found


@pytest.mark.parametrize("norms", ["frozen", "synchronised"])
def test_two_processes_give_the_losses_and_gradients_of_one(
    norms: str, steps: dict[str, tuple[Any, Any]]
) -> None:
    one, two = steps[norms]
    assert set(one["values"]) == {"loss", "existence", "contrast"}
    assert two["values"] == pytest.approx(one["values"], abs=1e-6)
    assert one["gradients"].keys() == two["gradients"].keys()
    assert {"head", "image_encoder", "decoder"} <= {n.split(".")[1] for n in one["gradients"]}
    for kind in ("gradients", "statistics"):
        for name, value in one[kind].items():
            torch.testing.assert_close(two[kind][name], value, atol=1e-6, rtol=0, msg=name)
    assert max(float(value.abs().max()) for value in one["gradients"].values()) > 0.01


def test_devices_starts_processes_that_train_as_one(
    tiny_cohort: Path, tiny_run: Path, tiny_settings: tuple[str, ...], tmp_path: Path
) -> None:
    settings = [word for setting in tiny_settings for word in ("--set", setting)]
    words = ["pretrain", "kad_small", "--data", str(tiny_cohort), *settings, "--devices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "carina", *words, "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model: ") == 1
    assert "distributed" not in done.stderr
    assert (tmp_path / "run" / "process1.log").exists()
    one, two = (logged_losses(run) for run in (tiny_run, tmp_path / "run"))
    assert len(two) == 6
    # AdamW turns a gradient of nearly nothing into a whole step, one way or the other, so that
    # single weights may differ after some steps; the losses may not.
    assert two == pytest.approx(one, rel=2e-3)


def logged_losses(run: Path) -> list[float]:
    """The loss of every step of the second stage."""
    with (run / "alignment" / "metrics.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]
