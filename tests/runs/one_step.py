"""Loss and gradients of one step of kad_small's second stage, by one process of several.

Words: rank, processes, meeting point, manifest, store, "frozen" or "synchronised", file to write.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from carina.encoders.modes import batch_norms
from carina.imaging.store import ImageStore
from carina.knowledge.chest import chest_graph
from carina.pretraining.kad_objective import FrozenStatistics, SynchronisedStatistics
from carina.pretraining.stage import StageInputs
from carina.pretraining.text_source import BertText
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.studies.manifest import Manifest
from carina.training.loop import reduce_losses
from carina.training.objective import Place

SETTINGS = ("batch_size=8", "alignment.queries.count=5", "preprocessing.size=64", "store_size=72")
STATISTICS = {"frozen": FrozenStatistics(), "synchronised": SynchronisedStatistics()}


def main(
    rank: int, processes: int, meeting: str, manifest: str, store: str, norms: str, out: str
) -> None:
    if processes > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes
        )
    stage = with_settings(find_recipe("kad_small"), SETTINGS).stages[1]
    losses = replace(stage.losses, batch_norm=STATISTICS[norms])
    stage = replace(stage, text=BertText(), losses=losses)
    folder = Path(f"{out}.{rank}")
    folder.mkdir()
    torch.manual_seed(0)
    prepared = stage.prepare(
        StageInputs(
            manifest=Manifest.read(Path(manifest)).split("train"),
            store=lambda size: ImageStore.open(Path(store)),
            graph=chest_graph(),
            finished={},
            load=lambda path: nn.Identity(),
            folder=folder,
            seed=0,
        )
    )
    objective = prepared.objective.double()
    encoder = prepared.trained.image_encoder
    encoder.register_forward_pre_hook(lambda module, given: (given[0].double(),))
    for place, norm in enumerate(batch_norms(encoder)):  # so that statistics matter
        norm.running_mean += 0.1 * place
    objective.forward = objective.losses
    module = DistributedDataParallel(objective) if processes > 1 else objective
    terms = module(prepared.batches.batch(3, Place(rank=rank, processes=processes)))
    total, values = reduce_losses(terms, processes)
    total.backward()
    if rank == 0:
        found = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
        means = {f"mean{i}": n.running_mean for i, n in enumerate(batch_norms(encoder))}
        torch.save({"values": values, "gradients": found, "statistics": means}, out)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
