"""What a run folder adds to a page."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from carina.evaluation.run_page import run_facts, similarity_of, training_logs
from carina.pretraining.similarity import SimilarityMap
from carina.training.checkpoint import Progress, save_checkpoint


def test_a_training_log_is_read_by_series_with_gaps_as_nan(tmp_path: Path) -> None:
    (tmp_path / "alignment").mkdir()
    table = "step,loss,contrast,rate\n0,2.5,2.0,0.1\n10,1.5,,0.05\n"
    (tmp_path / "alignment" / "metrics.csv").write_text(table)
    (log,) = training_logs(tmp_path, ("knowledge", "alignment"))
    assert log.stage == "alignment"
    assert list(log.steps) == [0, 10]
    assert list(log.losses["loss"]) == [2.5, 1.5]
    assert log.losses["contrast"][0] == 2.0
    assert math.isnan(log.losses["contrast"][1])
    assert list(log.learning_rate) == [0.1, 0.05]


def test_the_similarity_that_a_stage_drew_is_found(tmp_path: Path) -> None:
    before = np.array([[1, 0.25], [0.25, 1]], np.float32)
    after = np.array([[1, -0.5], [-0.5, 1]], np.float32)
    SimilarityMap(names=("edema", "nodule")).draw(before, after, tmp_path / "knowledge")
    found = similarity_of(tmp_path, ("knowledge", "alignment"))
    assert found is not None
    assert found.names == ("edema", "nodule")
    np.testing.assert_allclose(found.before, before)
    np.testing.assert_allclose(found.after, after)
    assert similarity_of(tmp_path, ("alignment",)) is None


def test_facts_tell_data_hardware_and_time_of_training(tmp_path: Path) -> None:
    record = {"studies": 7, "seed": 3, "environment": {"torch": "2.9", "cores": 2}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    module = torch.nn.Linear(1, 1)
    optimiser = torch.optim.AdamW(module.parameters())
    path = tmp_path / "alignment" / "checkpoint.safetensors"
    save_checkpoint(path, module, optimiser, Progress(step=1500, seconds=299.6))
    facts = {fact.name: fact.value for fact in run_facts(tmp_path, ("knowledge", "alignment"))}
    assert facts == {
        "studies trained on": "7",
        "seed of training": "3",
        "torch": "2.9",
        "cores": "2",
        "training, alignment": "1,500 steps in 300 s",
    }
