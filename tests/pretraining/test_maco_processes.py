"""Several processes contrast as one does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

STEP = Path(__file__).parent / "maco_step.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """What `maco_step.py` finds with one process and with two, for each way of contrast."""
    folder = tmp_path_factory.mktemp("steps")
    words = [str(folder / "meeting"), str(folder / "found.pt")]
    running = [
        subprocess.Popen([sys.executable, str(STEP), str(rank), *words], env=ENVIRONMENT)
        for rank in range(2)
    ]
    assert [process.wait(timeout=480) for process in running] == [0, 0]
    found: dict[str, tuple[Any, Any]] = torch.load(folder / "found.pt", weights_only=True)
    return found


@pytest.mark.parametrize("way", ["weighted", "plain", "draws_in_micro_batches"])
def test_two_processes_give_the_losses_and_gradients_of_one(
    way: str, steps: dict[str, tuple[Any, Any]]
) -> None:
    one, two = steps[way]
    assert two["values"] == pytest.approx(one["values"], abs=1e-6)
    assert one["gradients"].keys() == two["gradients"].keys()
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-6, rtol=0, msg=name)
