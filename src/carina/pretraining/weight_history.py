"""How the weights of the patches form over a training: the picture of MaCo's Fig. 3."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from carina.files import write_text
from carina.pages.weight_maps import weight_maps
from carina.pretraining.maco_objective import MaCoObjective
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses
from carina.training.schedule import Length

PICTURE, NUMBERS = "weight_map.svg", "weight_map.json"
MOMENTS = 6


class WeightHistory(nn.Module):
    """An objective, and the weights of its patches at a few moments of the training.

    They are kept with the checkpoint, so that a run that was stopped draws the same picture.
    """

    def __init__(self, objective: MaCoObjective, steps: Sequence[int]) -> None:
        """Takes the objective and the steps before which the weights are kept."""
        super().__init__()
        self.objective = objective
        self.steps = tuple(steps)
        patches = objective.model.config.image.patches
        self.register_buffer("kept", torch.full((len(self.steps), patches), torch.nan))

    @classmethod
    def over(cls, length: Length, objective: MaCoObjective) -> "WeightHistory":
        """The objective with some moments of a training."""
        return cls(objective, moments(length.steps))

    def losses(self, batch: ImageBatch) -> Losses:
        """Those of the objective."""
        if batch.step in self.steps:
            self.get_buffer("kept")[self.steps.index(batch.step)] = self._now()
        return self.objective.losses(batch)

    def _now(self) -> Tensor:
        return self.objective.model.importance.weight.detach()[0].clone()

    def draw(self, folder: Path) -> None:
        """Writes `weight_map.svg` and its numbers as JSON; nothing where no weights are learnt."""
        if not self.objective.model.importance.weight.requires_grad:
            return
        side = self.objective.model.config.image.side
        kept = torch.cat([self.get_buffer("kept").cpu(), self._now().cpu()[None]])
        maps = kept.unflatten(1, (side, side)).numpy().astype(np.float64)
        titles = [*(f"step {step:,}" for step in self.steps), "end"]
        write_text(folder / PICTURE, weight_maps(titles, maps))
        numbers = {"steps": self.steps, "weights": maps.round(6).tolist()}
        write_text(folder / NUMBERS, json.dumps(numbers))


def moments(steps: int) -> list[int]:
    """Steps that lie evenly over a training, the first among them."""
    count = min(MOMENTS, steps)
    return [steps * number // count for number in range(count)]
