"""A model whose answers can be worked out by eye."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from carina.imaging.preprocessing import Preprocessing, Squash
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

PREPROCESSING = Preprocessing(size=64, resize=Squash(), mean=(0.0,), std=(1.0,))


class BrightnessModel(nn.Module):
    """Scores mean brightness, divided by the length of the query; maps the brightest cell."""

    def __init__(self, preprocessing: Preprocessing = PREPROCESSING, cells: int = 8) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.cells = cells
        self.encoded = 0
        self.batches: list[int] = []
        self.trained_while_asked = False

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        self.encoded += 1
        lengths = torch.tensor([float(len(query.text)) for query in queries])
        return EncodedQueries(queries=tuple(queries), features={"lengths": lengths})

    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        self.batches.append(len(radiographs))
        self.trained_while_asked |= self.training or torch.is_grad_enabled()
        scores = radiographs.mean((1, 2, 3))[:, None] / queries.features["lengths"]
        if self.cells == 0:
            return Answers(scores=scores, grids=None)
        grid = nn.functional.adaptive_avg_pool2d(radiographs, self.cells) ** 8
        grids = grid.repeat(1, len(queries.queries), 1, 1)
        return Answers(scores=scores, grids=grids)


@pytest.fixture
def model() -> BrightnessModel:
    return BrightnessModel()


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Five radiographs of one grey each: 0, 51, 102, 153, 204."""
    paths = [tmp_path / "films" / f"film{i}.png" for i in range(5)]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        Image.fromarray(np.full((40, 50), 51 * i, np.uint8)).save(path)
    return paths


@pytest.fixture
def make_model() -> type[BrightnessModel]:
    return BrightnessModel
