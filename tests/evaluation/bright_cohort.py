"""A small cohort whose answers are known, and a model that looks at brightness alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from carina.imaging.preprocessing import Preprocessing, Squash
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Assertion, Box, Finding, Mask, Radiograph, Study
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

HEIGHT, WIDTH = 40, 60
LESION = 16  # side in pixels
HALVES = {"pleural effusion": slice(0, 32), "nodule": slice(32, 64)}  # of 64 columns


class BrightnessModel(nn.Module):
    """Answers with the brightness of one half of the picture; the map is the picture there.

    With `maps=False` it makes no maps; `noise` spoils its scores.
    """

    preprocessing = Preprocessing(size=64, resize=Squash(), mean=(0.0,), std=(1.0,))

    def __init__(self, maps: bool = True, noise: float = 0.0) -> None:
        super().__init__()
        self.maps, self.noise = maps, noise
        self.asked: list[Query] = []

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        self.asked.extend(queries)
        return EncodedQueries(queries=tuple(queries), features={})

    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        scores, grids = [], []
        for query in queries.queries:
            seen = torch.zeros_like(radiographs[:, 0])
            half = HALVES.get(query.name, slice(0, 64))
            seen[:, :, half] = radiographs[:, 0, :, half]
            scores.append(seen.amax(dim=(1, 2)))
            grids.append(nn.functional.avg_pool2d(seen[:, None], 8)[:, 0])
        spoiled = torch.stack(scores, 1)
        if self.noise:
            generator = torch.Generator().manual_seed(round(float(radiographs.sum()) * 100))
            spoiled = spoiled + self.noise * torch.rand(spoiled.shape, generator=generator)
        clipped = (spoiled / (1 + self.noise)).clamp(0, 1)
        return Answers(scores=clipped, grids=torch.stack(grids, 1) if self.maps else None)


def draw(study: int, present: Sequence[str]) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """A dark picture with a bright square for each finding; also their corners (x, y)."""
    generator = np.random.default_rng(study)
    picture = generator.integers(10, 60, (HEIGHT, WIDTH)).astype(np.uint8)
    corners = {}
    for name in present:
        x = 2 if name == "pleural effusion" else 40
        y = int(generator.integers(2, HEIGHT - LESION - 2))
        picture[y : y + LESION, x : x + LESION] = 200 + int(generator.integers(0, 50))
        corners[name] = (x, y)
    return picture, corners


def split_of(study: int) -> str:
    return ("train", "validate", "test", "test")[study % 4]


def write_study(folder: Path, number: int) -> Study:
    """Every third has an effusion (a box), every fifth a nodule (a mask)."""
    present = [n for n, every in (("pleural effusion", 3), ("nodule", 5)) if number % every == 0]
    picture, corners = draw(number, present)
    Image.fromarray(picture).save(folder / f"{number:03}.png")
    boxes, masks = [], []
    if "pleural effusion" in corners:
        x, y = corners["pleural effusion"]
        x1, y1 = float(x), float(y)
        corners_xy = {"x1": x1, "y1": y1, "x2": x1 + LESION, "y2": y1 + LESION}
        boxes.append(Box(radiograph=0, label="Effusion", **corners_xy))
    if "nodule" in corners:
        x, y = corners["nodule"]
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        mask[y : y + LESION, x : x + LESION] = 255
        Image.fromarray(mask).save(folder / f"{number:03}_mask.png")
        masks.append(Mask(radiograph=0, label="nodule", path=f"{number:03}_mask.png"))
    said = {"pleural effusion": "Effusion", "nodule": "nodule"}
    return Study(
        study_id=f"s{number:03}",
        patient_id=f"p{number // 8:03}{split_of(number)}",
        source="made for a test",
        split=split_of(number),
        radiographs=(Radiograph(path=f"{number:03}.png", view="PA"),),
        findings=tuple(Finding(name=said[name], value=Assertion.PRESENT) for name in present),
        boxes=tuple(boxes),
        masks=tuple(masks),
    )


def write_cohort(folder: Path, studies: int = 96) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [write_study(folder, number) for number in range(studies)]
    return write_manifest(rows, folder / "cohort.parquet", folder)
