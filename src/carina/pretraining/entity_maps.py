"""Where the entities of reports are: one coarse map an image, made once, kept in a file.

A map covers the whole stored picture, and moves with it when that is cropped or flipped. What a
loss makes of it is a window: a weight for each pixel.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float16, Float32, Int
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from carina.errors import StoreError
from carina.files import atomic_path, progress
from carina.imaging.augmentation import BatchShare, Moving
from carina.imaging.entry_table import KeyList
from carina.imaging.geometry import sampling_grid, warp_coarse
from carina.imaging.preprocessing import Placement, Preprocessing, prepare_levels
from carina.imaging.store import ImageStore
from carina.pretraining.pairs import Pairs
from carina.study import Entity, Report

BATCH = 64
FLAT = 1e-3  # a map whose values differ less, relative to their mean, points nowhere
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EntityText:
    """What a report says, and which of its entities' places are wanted.

    `entities` are words of `text`, each as it stands there; the first place where it does counts.
    """

    text: str
    entities: tuple[str, ...]


@runtime_checkable
class EntityTexts(Protocol):
    """Makes of a report the text that a model of maps reads."""

    def of(self, report: Report, entities: Sequence[Entity]) -> EntityText:
        """The text and the entities that are looked for."""
        ...


@runtime_checkable
class EntityMapper(Protocol):
    """A model that says where in a radiograph the entities of its report are."""

    preprocessing: Preprocessing

    def entity_maps(
        self,
        radiographs: Float[Tensor, "batch channels height width"],
        texts: Sequence[EntityText],
    ) -> Float[Tensor, "batch rows cols"]:
        """The mean over the entities of each text of their maps, over the whole input.

        Values are >= 0 and sum to 1; a text without entities has a flat map.
        """
        ...


class EntityMaps:
    """The maps of the images of a store, open for reading.

    Attributes:
        keys: of the images, sorted.
        pointless: how many images have no entity: their map is flat.
    """

    keys: KeyList
    pointless: int

    def __init__(
        self,
        keys: Sequence[str],
        maps: Float16[np.ndarray, "images rows cols"],
        found: Bool[np.ndarray, " images"],
    ) -> None:
        """Takes over maps of mean 1 in the order of the sorted keys, and which of them point."""
        self.keys = keys if isinstance(keys, KeyList) else KeyList(keys)
        self._maps = maps
        self._found = found
        self.pointless = int((~found).sum())

    @classmethod
    def open(cls, path: Path) -> "EntityMaps":
        """Reads a file of maps.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        try:
            tensors = load_file(path)
            keys = tensors["keys"].tobytes().decode().split("\n")
            maps, found = tensors["maps"], tensors["found"]
        except (OSError, SafetensorError, KeyError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{path}: cannot be read as entity maps ({error}). Delete the file; the stage "
                "that needs the maps writes it again."
            ) from error
        if not len(keys) == len(maps) == len(found):
            raise StoreError(
                f"{path}: has {len(maps)} entity maps for {len(keys)} images. Delete the file; "
                "the stage that needs the maps writes it again."
            )
        return cls(keys, maps, found)

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, keys: Sequence[str]) -> Float[Tensor, "batch 1 rows cols"]:
        """The maps of some images; each covers the whole picture, its mean is 1.

        Raises:
            StoreError: an image has no map.
        """
        places = [self.keys.place_in_order(key) for key in keys]
        missing = [key for key, place in zip(keys, places, strict=True) if place is None]
        if missing:
            raise StoreError(
                f"There is no entity map of {len(missing)} of {len(keys)} images, such as "
                f"{missing[0]!r}. Delete the file of maps; the stage that needs them writes it "
                "again."
            )
        return torch.from_numpy(self._maps[np.array(places, dtype=np.int64)].astype(np.float32))[
            :, None
        ]


def moved(
    maps: Float[Tensor, "batch 1 rows cols"],
    augmentation: Moving,
    sizes: Int[Tensor, "batch 2"],
    share: BatchShare,
    side: int,
) -> Float[Tensor, "batch 1 side side"]:
    """Lets maps follow the crop, turn and flip of their pictures.

    Args:
        maps: as `EntityMaps.of` gives them.
        augmentation: that of the pictures.
        sizes: (height, width) of the stored pictures.
        share: the same as for the pictures.
        side: of the result in cells or pixels; need not be that of the pictures.
    """
    return warp_coarse(maps, augmentation.warps(sizes, side, share), sizes, (side, side))


@runtime_checkable
class Window(Protocol):
    """What a loss makes of a map: how much each pixel counts."""

    def __call__(
        self, maps: Float[Tensor, "batch 1 rows cols"], size: int
    ) -> Float[Tensor, "batch 1 size size"]:
        """The weights of size x size pixels, >= 0."""
        ...


@dataclass(frozen=True, kw_only=True)
class SoftWindow:
    """Pixels count by the map itself, scaled to mean 1: ECAMP's paper, Eq. 6."""

    def __call__(
        self, maps: Float[Tensor, "batch 1 rows cols"], size: int
    ) -> Float[Tensor, "batch 1 size size"]:
        """The weights of size x size pixels; a map of zeros gives 1 everywhere."""
        fine = F.interpolate(maps.float(), (size, size), mode="bilinear", align_corners=False)
        mean = fine.mean((2, 3), keepdim=True)
        return torch.where(mean > 0, fine / mean.clamp_min(1e-12), 1.0)


@dataclass(frozen=True, kw_only=True)
class SquareWindow:
    """Pixels in a square of 12 x 12 of 14 x 14 cells count, no others: ECAMP's published code.

    That code reads the corner of each square from a table that was never released. Here it is
    the square that holds most of the map: the first of equals, the central one of a flat map.
    """

    cells: int = 14
    square: int = 12

    def __call__(
        self, maps: Float[Tensor, "batch 1 rows cols"], size: int
    ) -> Float[Tensor, "batch 1 size size"]:
        """1 in the square and 0 outside; `size` is a multiple of the cells."""
        return self.at(self.corners(maps), size)

    def sums(
        self, maps: Float[Tensor, "batch 1 rows cols"]
    ) -> Float[Tensor, "batch corners corners"]:
        """How much of the map each square holds, by row and column of its corner."""
        side = (self.cells, self.cells)
        coarse = F.interpolate(maps.float(), side, mode="bilinear", align_corners=False)
        return F.avg_pool2d(coarse, self.square, 1)[:, 0] * self.square**2

    def corners(self, maps: Float[Tensor, "batch 1 rows cols"]) -> Int[Tensor, "batch 2"]:
        """Row and column of the upper left cell of each image's square."""
        sums = self.sums(maps)
        best = sums.flatten(1).argmax(1)
        across = sums.shape[2]
        corners = torch.stack([best // across, best % across], 1)
        spread = maps.amax((1, 2, 3)) - maps.amin((1, 2, 3))
        flat = spread <= FLAT * maps.mean((1, 2, 3))
        return torch.where(flat[:, None], (self.cells - self.square) // 2, corners)

    def at(self, corners: Int[Tensor, "batch 2"], size: int) -> Float[Tensor, "batch 1 size size"]:
        """The squares with these corners, on size x size pixels."""
        assert size % self.cells == 0
        cell = torch.arange(size, device=corners.device) // (size // self.cells)
        within = (cell >= corners[..., None]) & (cell < corners[..., None] + self.square)
        inside: Tensor = (within[:, 0, :, None] & within[:, 1, None, :]).float()
        return inside[:, None]


def write_entity_maps(
    model: EntityMapper,
    pairs: Pairs,
    texts: EntityTexts,
    store: ImageStore,
    path: Path,
) -> EntityMaps:
    """Makes the maps of images with their reports and keeps them in a file.

    Args:
        model: computes where its weights are.
        pairs: the images, which the store holds, and their reports.
        texts: makes of a report what the model reads.
        store: the pictures.
        path: of the file, safetensors.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = {key: row for row, key in enumerate(pairs.keys)}
    keys = sorted(rows)
    said = [texts.of(pairs.reports[rows[key]], pairs.entities[rows[key]]) for key in keys]
    batches = [slice(first, first + BATCH) for first in range(0, len(keys), BATCH)]
    made = [
        _maps_of(model, keys[part], said[part], store)
        for part in progress(batches, "Entity maps", len(batches))
    ]
    maps = np.concatenate(made).astype(np.float16)
    found = np.array([bool(text.entities) for text in said])
    content = {
        "keys": np.frombuffer("\n".join(keys).encode(), dtype=np.uint8),
        "maps": maps,
        "found": found,
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(content))
    result = EntityMaps(keys, maps, found)
    LOGGER.info(
        "entity maps of %d images; %d of them name no entity and have a flat map",
        len(result),
        result.pointless,
    )
    return result


def _maps_of(
    model: EntityMapper, keys: Sequence[str], texts: Sequence[EntityText], store: ImageStore
) -> Float32[np.ndarray, "batch rows cols"]:
    """The maps of one batch, each over its whole stored picture, of mean 1."""
    prepared = [prepare_levels(store[key], model.preprocessing) for key in keys]
    pixels = torch.stack([picture for picture, _ in prepared]).to(_device_of(model))
    maps = model.entity_maps(pixels, texts).float().cpu().numpy()
    placed = [
        over_picture(one, placement) for one, (_, placement) in zip(maps, prepared, strict=True)
    ]
    return np.stack(placed)


def over_picture(
    grid: Float32[np.ndarray, "rows cols"], placement: Placement
) -> NDArray[np.float32]:
    """A map over a model's input as a map of as many cells over the whole picture, of mean 1.

    Where the picture was cropped away the map goes on with what its edge says.
    """
    rows, cols = grid.shape
    warp = torch.tensor(  # from cells over the picture to the input, whose sides are 1
        [
            [placement.scaled_width / cols, 0.0, placement.left],
            [0.0, placement.scaled_height / rows, placement.top],
        ]
    )
    places = sampling_grid(warp[None] / placement.size, (1, 1), (rows, cols), warp.device)
    source = torch.from_numpy(grid)[None, None]
    sampled = F.grid_sample(source, places, "bilinear", "border", align_corners=False)[0, 0]
    result: NDArray[np.float32] = (sampled / sampled.mean()).numpy()
    return result


def _device_of(model: EntityMapper) -> torch.device:
    module = model if isinstance(model, nn.Module) else nn.Module()
    return next(module.parameters(), torch.empty(0)).device
