import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file

from carina.errors import CheckpointError, TrainingError
from carina.training.log import read_log
from carina.training.loop import CHECKPOINT, METRICS, Training, reduce_losses, train
from carina.training.objective import Place, Term
from carina.training.optimiser import AdamW
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

sys.path.insert(0, str(Path(__file__).parent))
from toy import ToyBatch, ToyBatches, ToyObjective


def settings(steps: int, checkpoint_every: int = 5) -> TrainingSettings:
    return TrainingSettings(
        batch_size=8,
        steps=steps,
        optimiser=AdamW(rate=0.01),
        schedule=WarmupCosine(warmup_share=0.0, end_rate=0.01),  # the same rate at any length
        checkpoint_every=checkpoint_every,
        log_every=1,
    )


def training(folder: Path, steps: int, poison: int = -1) -> Training:
    torch.manual_seed(0)
    return Training(
        objective=ToyObjective(dropout=0.3),
        batches=ToyBatches(poison=poison),
        settings=settings(steps),
        folder=folder,
        seed=3,
        title="toy",
    )


def run(folder: Path, steps: int, poison: int = -1) -> Training:
    made = training(folder, steps, poison)
    train(made, Fabric(accelerator="cpu", devices=1))
    return made


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run(tmp_path, 300)
    losses = [row["finding"] for row in read_log(tmp_path / METRICS)]
    assert sum(losses[-20:]) < 0.75 * sum(losses[:20])


def test_resumed_run_has_the_weights_of_one_never_stopped(tmp_path: Path) -> None:
    run(tmp_path / "whole", 20)
    run(tmp_path / "parts", 7)
    run(tmp_path / "parts", 20)
    whole = load_file(tmp_path / "whole" / CHECKPOINT)
    parts = load_file(tmp_path / "parts" / CHECKPOINT)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    logs = [read_log(tmp_path / kind / METRICS) for kind in ("whole", "parts")]
    assert [row["step"] for row in logs[1]] == list(range(20))
    assert logs[0] == logs[1]


class Noting:
    """A watcher that notes the steps at which it looks."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def look(self, step: int) -> None:
        self.steps.append(step)


class StoppedAt(ToyBatches):
    """Presses Ctrl-C while the batch of a step is made."""

    def batch(self, step: int, place: Place) -> ToyBatch:
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return super().batch(step, place)


def test_a_run_is_watched_at_the_same_steps_whether_it_was_stopped_or_not(tmp_path: Path) -> None:
    """Else the step that validation finds best would depend on when Ctrl-C was pressed."""
    fabric = Fabric(accelerator="cpu", devices=1)
    whole, cut = Noting(), Noting()
    train(replace(training(tmp_path / "whole", 12), watcher=whole), fabric)
    assert whole.steps == [5, 10, 12]
    stopped = replace(training(tmp_path / "cut", 12), watcher=cut, batches=StoppedAt())
    with pytest.raises(KeyboardInterrupt):
        train(stopped, fabric)
    assert cut.steps in ([], [5])  # batches are made ahead of the step
    train(replace(training(tmp_path / "cut", 12), watcher=cut), fabric)
    assert cut.steps == whole.steps


def test_the_last_step_is_watched_once(tmp_path: Path) -> None:
    noting = Noting()
    made = replace(training(tmp_path, 10), watcher=noting)
    train(made, Fabric(accelerator="cpu", devices=1))
    assert noting.steps == [5, 10]


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first = run(tmp_path / "a", 3)
    other = training(tmp_path / "b", 3)
    train(Training(**{**vars(other), "seed": 4}), Fabric(accelerator="cpu", devices=1))
    assert not torch.equal(first.objective.head.weight, other.objective.head.weight)


def test_loss_that_is_not_finite_names_step_and_studies_and_keeps_the_checkpoint(
    tmp_path: Path,
) -> None:
    with pytest.raises(TrainingError, match=r"Step 6: .*study-6-0, study-6-1"):
        run(tmp_path, 10, poison=6)
    weights = load_file(tmp_path / CHECKPOINT)
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_damaged_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, 5)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="no checkpoint that can be read"):
        run(tmp_path, 10)


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 5)
    made = training(tmp_path, 10)
    made.objective.head = torch.nn.Linear(4, 3)
    with pytest.raises(CheckpointError, match="another model"):
        train(made, Fabric(accelerator="cpu", devices=1))


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import test_loop, toy
slow = toy.ToyBatches.batch
def batch(self, step, place):
    time.sleep(0.02)
    return slow(self, step, place)
toy.ToyBatches.batch = batch
test_loop.run(Path(sys.argv[1]), 400)
"""


def test_run_killed_with_sigkill_and_resumed_ends_bit_identical(tmp_path: Path) -> None:
    script = KILLED.format(here=str(Path(__file__).parent))
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)])
    deadline = time.monotonic() + 60
    while not (folder / CHECKPOINT).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert process.returncode == -9
    done = len(read_log(folder / METRICS))
    assert 0 < done < 60
    run(folder, 60)
    run(tmp_path / "whole", 60)
    killed = load_file(folder / CHECKPOINT)
    whole = load_file(tmp_path / "whole" / CHECKPOINT)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_reduced_loss_divides_each_term_by_its_count() -> None:
    terms = {
        "a": Term(sum=torch.tensor(6.0), count=torch.tensor(3.0)),
        "b": Term(sum=torch.tensor(8.0), count=torch.tensor(2.0), weight=0.25),
        "none": Term(sum=torch.tensor(0.0), count=torch.tensor(0.0)),
    }
    total, values = reduce_losses(terms, processes=1)
    assert total.item() == pytest.approx(2.0 + 0.25 * 4.0)
    assert values == pytest.approx({"loss": 3.0, "a": 2.0, "b": 4.0, "none": 0.0})


TWO = """
import sys, torch, torch.distributed as dist
from pathlib import Path
sys.path.insert(0, {here!r})
from toy import ToyBatch, ToyBatches, ToyObjective
from carina.training.loop import reduce_losses
from carina.training.objective import Place
from torch.nn.parallel import DistributedDataParallel

rank, processes = int(sys.argv[1]), int(sys.argv[2])
if processes > 1:
    meeting = "file://" + sys.argv[4]
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
torch.manual_seed(0)
objective = ToyObjective(dropout=0.0).double()
objective.forward = objective.losses
module = DistributedDataParallel(objective) if processes > 1 else objective
made = ToyBatches().batch(2, Place(rank=rank, processes=processes))
tensors = (made.images.double(), made.reports.double(), made.labels.double())
batch = type(made)(*tensors, made.names)
total, values = reduce_losses(module(batch), processes)
total.backward()
if rank == 0:
    found = {{name: value.grad for name, value in objective.named_parameters()}}
    torch.save({{"values": values, **found}}, sys.argv[3])
"""


def gradients(folder: Path, processes: int) -> dict[str, torch.Tensor]:
    script = TWO.format(here=str(Path(__file__).parent))
    out, meeting = folder / f"gradients{processes}.pt", folder / f"meeting{processes}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(rank), str(processes), str(out), str(meeting)]
        )
        for rank in range(processes)
    ]
    assert [process.wait(timeout=120) for process in running] == [0] * processes
    return torch.load(out, weights_only=True)


def test_two_processes_give_the_loss_and_gradient_of_one(tmp_path: Path) -> None:
    one, two = gradients(tmp_path, 1), gradients(tmp_path, 2)
    assert one.pop("values") == pytest.approx(two.pop("values"), abs=1e-6)
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, atol=1e-6, rtol=0)
    assert math.isfinite(sum(float(value.abs().sum()) for value in one.values()))


def test_batch_that_does_not_divide_over_processes_is_refused() -> None:
    with pytest.raises(ValueError, match="does not divide"):
        Place(rank=0, processes=3).rows(8)
