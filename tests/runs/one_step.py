"""Loss and gradients of one step of kad_small's second stage, by one process and by two.

Words: rank, meeting point, manifest, store, file to write. The first process works alone before
it meets the other one.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from carina.encoders.modes import batch_norms
from carina.imaging.store import ImageStore
from carina.knowledge.chest import chest_graph
from carina.pretraining.image_side import FrozenStatistics, SynchronisedStatistics
from carina.pretraining.stage import StageInputs
from carina.pretraining.text_source import BertText
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.studies.manifest import Manifest
from carina.training.loop import reduce_losses
from carina.training.objective import Place

SETTINGS = ("batch_size=8", "alignment.queries.count=5", "preprocessing.size=64", "store_size=72")
STATISTICS = {"frozen": FrozenStatistics(), "synchronised": SynchronisedStatistics()}


def one_step(norms: str, place: Place, inputs: StageInputs) -> dict[str, Any]:
    """What the step gives, from the same first weights each time."""
    stage = with_settings(find_recipe("kad_small"), SETTINGS).stages[1]
    losses = replace(stage.losses, batch_norm=STATISTICS[norms])
    torch.manual_seed(0)
    prepared = replace(stage, text=BertText(), losses=losses).prepare(inputs)
    objective = prepared.objective.double()
    encoder = prepared.trained.image_encoder
    encoder.register_forward_pre_hook(lambda module, given: (given[0].double(),))
    for number, norm in enumerate(batch_norms(encoder)):  # so that statistics matter
        norm.running_mean += 0.1 * number
    objective.forward = objective.losses
    module = DistributedDataParallel(objective) if place.processes > 1 else objective
    total, values = reduce_losses(module(prepared.batches.batch(3, place)), place.processes)
    total.backward()
    return {
        "values": values,
        "gradients": {n: p.grad for n, p in objective.named_parameters() if p.grad is not None},
        "statistics": {f"mean{i}": n.running_mean for i, n in enumerate(batch_norms(encoder))},
    }


def main(rank: int, meeting: str, manifest: str, store: str, out: str) -> None:
    folder = Path(f"{out}.{rank}")
    folder.mkdir()
    inputs = StageInputs(
        manifest=Manifest.read(Path(manifest)).split("train"),
        store=lambda size: ImageStore.open(Path(store)),
        graph=chest_graph(),
        finished={},
        load=lambda path: nn.Identity(),
        folder=folder,
        seed=0,
        device=torch.device("cpu"),
    )
    alone = Place(rank=0, processes=1)
    one = {norms: one_step(norms, alone, inputs) for norms in STATISTICS if rank == 0}
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    shared = Place(rank=rank, processes=2)
    two = {norms: one_step(norms, shared, inputs) for norms in STATISTICS}
    if rank == 0:
        torch.save({norms: (one[norms], two[norms]) for norms in STATISTICS}, out)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
