"""A small objective with a contrast over the global batch, and batches made by formula."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.training.distributed import gather_rows, place
from carina.training.objective import Losses, Place, Term


@dataclass(frozen=True)
class ToyBatch:
    images: Tensor
    reports: Tensor
    labels: Tensor
    names: tuple[str, ...]

    def to(self, device: torch.device) -> Self:
        return self


@dataclass
class ToyBatches:
    batch_size: int = 8
    seed: int = 0
    steps_per_epoch: int = 4
    poison: int = -1  # the step whose images are not numbers

    def batch(self, step: int, place: Place) -> ToyBatch:
        generator = torch.Generator().manual_seed(self.seed * 1000 + step)
        images, reports = torch.randn(2, self.batch_size, 6, generator=generator)
        labels = (images[:, 0] > 0).float()
        labels[::3] = torch.nan  # rows without a label: the processes hold different counts
        if step == self.poison:
            images = images * torch.nan
        rows = list(place.rows(self.batch_size))
        names = tuple(f"study-{step}-{row}" for row in rows)
        return ToyBatch(images[rows], reports[rows], labels[rows], names)


class ToyObjective(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Linear(6, 32), nn.Tanh(), nn.Dropout(dropout), nn.Linear(32, 4)
        )
        self.report = nn.Linear(6, 4)
        self.head = nn.Linear(4, 1)

    def losses(self, batch: ToyBatch) -> Losses:
        image, report = self.image(batch.images), self.report(batch.reports)
        logits = F.normalize(image, dim=1) @ F.normalize(gather_rows(report), dim=1).T / 0.1
        target = torch.arange(len(image)) + place().rank * len(image)
        contrast = F.cross_entropy(logits, target, reduction="sum")
        known = ~torch.isnan(batch.labels)
        finding = F.binary_cross_entropy_with_logits(
            self.head(image)[known, 0], batch.labels[known], reduction="sum"
        )
        return {
            "contrast": Term(sum=contrast, count=torch.tensor(float(len(image)))),
            "finding": Term(sum=finding, count=known.sum().float(), weight=0.5),
        }
