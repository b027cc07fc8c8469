"""Batches of radiographs from an image store: a pure function of seed, step and place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from carina.errors import ConfigError
from carina.imaging.augmentation import BatchShare
from carina.imaging.store import ImageStore
from carina.training.objective import Place


@dataclass(frozen=True, kw_only=True)
class ImageBatch:
    """One process's share of a global batch of radiographs, as stored.

    `pixels` are padded with 0 at the right and the bottom to the largest picture; `sizes`
    holds each picture's own (height, width). `rows` counts the list of images from 0.
    `places` are the rows of the global batch, of `batch_size`, that this share holds: what is
    drawn for the whole batch from (seed, step) is cut by them.
    """

    pixels: UInt8[Tensor, "batch 1 height width"]
    sizes: Int[Tensor, "batch 2"]
    rows: Int[Tensor, " batch"]
    names: tuple[str, ...]
    seed: int
    step: int
    places: range
    batch_size: int

    @property
    def share(self) -> BatchShare:
        """What the random numbers of these pictures depend on."""
        return BatchShare(
            seed=self.seed, step=self.step, rows=self.places, batch_size=self.batch_size
        )

    def to(self, device: torch.device) -> "ImageBatch":
        """Copies the tensors to a device."""
        return replace(
            self,
            pixels=self.pixels.to(device, non_blocking=True),
            sizes=self.sizes.to(device, non_blocking=True),
            rows=self.rows.to(device, non_blocking=True),
        )


class ImageBatches:
    """Batches over a list of images, in an order of its own for each epoch.

    Epochs follow one another without a gap: a batch at the end of one takes its last rows from
    the next, so no image is dropped and every batch is full. A batch depends on the seed, the
    step and the place alone, not on how many processes there are or what was read before.
    """

    def __init__(
        self,
        keys: Sequence[str],
        names: Sequence[str],
        store: ImageStore,
        batch_size: int,
        seed: int,
    ) -> None:
        """Checks that the store holds every image.

        Args:
            keys: the images, as their paths in the manifest.
            names: what each is called in an error message, such as its study.
            store: the pictures, decoded once.
            batch_size: rows of the global batch, of all processes together.
            seed: of the order and of all that is drawn for a batch.

        Raises:
            ConfigError: no images, or a batch of none.
            StoreError: the store lacks some of the images.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
        if not keys:
            raise ConfigError("There are no images to make batches of; expected at least one.")
        assert len(keys) == len(names)
        store.require(keys)
        self.keys = tuple(keys)
        self.names = tuple(names)
        self.store = store
        self.batch_size = batch_size
        self.seed = seed

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen."""
        return -(-len(self.keys) // self.batch_size)

    def batch(self, step: int, place: Place) -> ImageBatch:
        """The share of `place` of the batch of `step` (from 0)."""
        places = place.rows(self.batch_size)
        rows = self.rows_of(step)[places.start : places.stop]
        pixels, sizes = _padded([self.store[self.keys[row]] for row in rows])
        return ImageBatch(
            pixels=pixels,
            sizes=sizes,
            rows=torch.from_numpy(rows),
            names=tuple(self.names[row] for row in rows),
            seed=self.seed,
            step=step,
            places=places,
            batch_size=self.batch_size,
        )

    def rows_of(self, step: int) -> NDArray[np.int64]:
        """The images of the global batch of a step, counted from 0 in the list of images."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(places, len(self.keys))
        rows = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):
            now = epochs == epoch
            rows[now] = _order(self.seed, int(epoch), len(self.keys))[within[now]]
        return rows


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """A permutation of 0 .. count - 1 from (seed, epoch).

    Sorting the raw stream of a named bit generator is the same in every version of NumPy;
    `Generator.permutation` promises that only within one.
    """
    raw = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(count)
    return np.argsort(raw, kind="stable")


def _padded(
    pictures: Sequence[NDArray[np.uint8]],
) -> tuple[UInt8[Tensor, "batch 1 height width"], Int[Tensor, "batch 2"]]:
    sizes = np.array([picture.shape for picture in pictures], dtype=np.int64)
    height, width = sizes.max(axis=0)
    pixels = np.zeros((len(pictures), 1, height, width), dtype=np.uint8)
    for row, picture in zip(pixels, pictures, strict=True):
        row[0, : picture.shape[0], : picture.shape[1]] = picture
    return torch.from_numpy(pixels), torch.from_numpy(sizes)
