"""The signature of one stage of a recipe.

A stage is a frozen config that knows how to make its model, objective and batches from what
the run has: studies, a concept graph, the folders of earlier stages. The runner (`runs/`)
trains any stage the same way and never asks which system it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from carina.imaging.store import ImageStore
from carina.knowledge.graph import ConceptGraph
from carina.studies.manifest import Manifest
from carina.training.objective import Batches
from carina.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """What a run hands to a stage."""

    manifest: Manifest
    store: Callable[[int], ImageStore]  # side in pixels -> the store of that size, built if need be
    graph: ConceptGraph
    finished: Mapping[str, Path]  # name of an earlier stage -> its folder
    load: Callable[[Path], nn.Module]  # the trained module of a finished stage's folder
    folder: Path  # of this stage
    seed: int
    device: torch.device  # where this process trains


@dataclass(frozen=True, kw_only=True)
class PreparedStage:
    """A stage ready to be trained.

    `trained` is what the stage hands on: a model whose config and weights are saved as a model
    folder in `<stage folder>/model`. `finish` is called with the folder after the last step, to
    draw pictures of what was learnt.
    """

    objective: nn.Module
    batches: Batches[Any]
    trained: nn.Module
    finish: Callable[[Path], None]


def nothing_to_draw(folder: Path) -> None:
    """For `finish`, of a training that leaves no picture behind."""


@runtime_checkable
class Stage(Protocol):
    """One stage of a recipe."""

    @property
    def name(self) -> str:
        """The stage's folder in a run."""
        ...

    @property
    def training(self) -> TrainingSettings:
        """How it is trained."""
        ...

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds model, objective and batches.

        Of several processes the first one does it before the others, which find what it left in
        the stage's folder; so none may wait for another in here.
        """
        ...
