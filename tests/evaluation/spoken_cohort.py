"""Radiographs with a bright square in one quarter, reports that say which, and a model of both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from carina.imaging.preprocessing import Preprocessing, Squash
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Box, Radiograph, Report, Study
from carina.zeroshot.protocol import Answers, EncodedPhrases, EncodedQueries, Query

SIDE = 64  # of a quarter 32; the square has 16 and lies in the middle of its quarter
QUARTERS = {"upper left": (8, 8), "upper right": (40, 8), "lower left": (8, 40)}


class QuarterModel(nn.Module):
    """Places and texts are one-hot in the quarter that is bright, or that is named.

    With `shift` it looks for what is said in the next quarter instead.
    """

    preprocessing = Preprocessing(size=SIDE, resize=Squash(), mean=(0.0,), std=(1.0,))
    weight_temperature = 1.0

    def __init__(self, shift: int = 0) -> None:
        super().__init__()
        self.shift = shift
        self.embedded: list[str] = []

    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        self.embedded.extend(texts)
        named = [[name in text.lower() for name in QUARTERS] for text in texts]
        return torch.tensor(named).float().roll(self.shift, dims=1)

    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        return self.quarters(radiographs).flatten(1)[:, :3]

    def quarters(self, radiographs: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(radiographs[:, 0], 2)

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        return EncodedPhrases(phrases=tuple(phrases), vectors=self.embed_reports(phrases))

    def patch_weights(self, temperature: float) -> Float[Tensor, "rows cols"]:
        """At a low temperature only the upper half counts."""
        rows = torch.tensor([1.0] * 4 + [0.0] * 4) / temperature
        return rows.softmax(0)[:, None].expand(8, 8) / 8

    def patch_likeness(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        cells = nn.functional.adaptive_avg_pool2d(radiographs[:, 0], 8)
        looked = torch.cat([phrases.vectors, torch.zeros(len(phrases.phrases), 1)], dim=1)
        where = looked.unflatten(1, (2, 2)).repeat_interleave(4, 1).repeat_interleave(4, 2)
        return cells[:, None] * where

    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        return self.patch_likeness(radiographs, phrases)

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        return EncodedQueries(queries=tuple(queries), features={})

    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        scores = torch.zeros(len(radiographs), len(queries.queries))
        return Answers(scores=scores, grids=None)


def write_study(folder: Path, number: int) -> Study:
    """Every study has a square in one quarter; the label goes by the side."""
    quarter = list(QUARTERS)[number % 3]
    x, y = QUARTERS[quarter]
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[y : y + 16, x : x + 16] = 255
    Image.fromarray(picture).save(folder / f"{number}.png")
    return Study(
        study_id=f"s{number}",
        patient_id=f"p{number // 2}",
        source="made for a test",
        split="test",
        radiographs=(Radiograph(path=f"{number}.png", view="PA", width=SIDE, height=SIDE),),
        report=Report(text=f"FINDINGS: Opacity in the {quarter} quarter."),
        boxes=(
            Box(
                radiograph=0,
                label="Edema" if "left" in quarter else "Lung_Opacity",
                x1=float(x),
                y1=float(y),
                x2=float(x + 16),
                y2=float(y + 16),
                phrase=f"Opacity in the {quarter} quarter",
            ),
        ),
    )


def write_spoken(folder: Path, studies: int = 6) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [write_study(folder, number) for number in range(studies)]
    return write_manifest(rows, folder / "spoken.parquet", folder)
