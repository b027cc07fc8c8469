"""Loss and gradients of one step of a tiny MaCo, by one process and by two.

Words: rank, meeting point, file to write. The first process works alone before it meets the
other one.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).parent))
from test_maco import LOSSES, batch_of, in_double, objective_of

from carina.pretraining.maco_objective import ImportanceContrast, PlainContrast
from carina.pretraining.report_pieces import Single
from carina.training.loop import reduce_losses
from carina.training.objective import Place

WAYS = {
    "weighted": replace(LOSSES, contrast=ImportanceContrast()),
    "plain": replace(LOSSES, contrast=PlainContrast()),
    "draws_in_micro_batches": replace(LOSSES, draw=Single(count=3), micro_batches=2),
}


def one_step(way: str, place: Place) -> dict[str, Any]:
    """What the step gives, from the same first weights each time."""
    objective: Any = in_double(objective_of(WAYS[way]))
    objective.forward = objective.losses
    module = DistributedDataParallel(objective) if place.processes > 1 else objective
    total, values = reduce_losses(module(batch_of(place)), place.processes)
    total.backward()
    gradients = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
    return {"values": values, "gradients": gradients}


def main(rank: int, meeting: str, out: str) -> None:
    one = {way: one_step(way, Place()) for way in WAYS if rank == 0}
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    two = {way: one_step(way, Place(rank=rank, processes=2)) for way in WAYS}
    if rank == 0:
        torch.save({way: (one[way], two[way]) for way in WAYS}, out)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
