"""The best step of a training."""

from pathlib import Path

import pytest
import torch
from torch import nn

from carina.errors import CheckpointError, TrainingError
from carina.finetuning.best import BEST, BestByValidation


def watched(folder: Path, scores: list[float]) -> tuple[nn.Linear, BestByValidation]:
    """A model of one weight, which is the number of the look that is to come."""
    model = nn.Linear(1, 1, bias=False)
    remaining = iter(scores)
    return model, BestByValidation(model, lambda: next(remaining), folder)


def looked(model: nn.Linear, best: BestByValidation, steps: list[int]) -> None:
    for step in steps:
        nn.init.constant_(model.weight, step)
        best.look(step)


def test_the_weights_of_the_best_step_are_put_back_the_first_of_equal_ones(tmp_path: Path) -> None:
    model, best = watched(tmp_path, [0.5, 0.8, 0.8, 0.6])
    looked(model, best, [10, 20, 30, 40])
    best.restore()
    assert model.weight.item() == 20


def test_a_look_that_a_stop_has_undone_does_not_count(tmp_path: Path) -> None:
    model, best = watched(tmp_path, [0.5, 0.9, 0.7, 0.6])
    looked(model, best, [10, 20])
    looked(model, best, [20, 30])  # as after a stop between step 10's checkpoint and step 20's
    best.restore()
    assert model.weight.item() == 20
    rows = (tmp_path / "validation.csv").read_text().split()
    assert rows == ["step,score", "10,0.5", "20,0.7", "30,0.6"]


def test_a_score_that_is_no_number_is_told(tmp_path: Path) -> None:
    model, best = watched(tmp_path, [float("nan")])
    with pytest.raises(TrainingError, match="After step 10: the validation part has no score"):
        looked(model, best, [10])


def test_weights_that_are_gone_or_damaged_are_told(tmp_path: Path) -> None:
    model, best = watched(tmp_path, [0.5])
    with pytest.raises(CheckpointError, match=r"best.safetensors: cannot be read"):
        best.restore()
    looked(model, best, [10])
    (tmp_path / BEST).write_bytes(b"12")
    with pytest.raises(CheckpointError, match=r"best.safetensors: cannot be read"):
        best.restore()
    assert torch.isfinite(model.weight).all()
