"""Reading radiographs for a network: in threads, ahead of it, broken ones named."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.errors import ConfigError, RadiographError
from carina.imaging.preprocessing import Placement, Preprocessing, prepare
from carina.zeroshot.images import Pixels, read_pixels

LOGGER = logging.getLogger(__name__)
READERS = min(4, os.cpu_count() or 1)  # threads; decoders and resizing let go of Python's lock
DARK = 2**-4  # of white: 12-bit values in a file of 16 bits stay below
SMALLEST_SIDE = 16  # pixels: one patch of a transformer, half of a network's coarsest cell


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """An image of a batch job that could not be answered, and why."""

    index: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One radiograph as the network wants it; `dark` if it stays below a sixteenth of white."""

    index: int
    dark: bool
    pixels: Float[Tensor, "channels height width"]
    placement: Placement


def read_ahead(
    images: Iterable[Path | Pixels], preprocessing: Preprocessing, batch_size: int
) -> Iterator[list[Prepared | Unreadable]]:
    """Reads batches of images in threads, one batch ahead of the caller.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    readers = ThreadPoolExecutor(READERS)
    try:
        waiting: list[Future[Prepared | Unreadable]] = []
        numbered = iter(enumerate(images))
        while batch := list(islice(numbered, batch_size)):
            begun = [readers.submit(read_one, i, image, preprocessing) for i, image in batch]
            if waiting:
                yield [future.result() for future in waiting]
            waiting = begun
        if waiting:
            yield [future.result() for future in waiting]
    finally:
        readers.shutdown(cancel_futures=True)


def read_one(
    index: int, image: Path | Pixels, preprocessing: Preprocessing
) -> Prepared | Unreadable:
    """Reads and prepares one image."""
    try:
        picture = read_pixels(image)
        check_side(picture.shape[0], picture.shape[1], image, index)
        pixels, placement = prepare(picture, preprocessing)
    except RadiographError as error:
        return Unreadable(index=index, message=str(error))
    dark = 0 < float(picture.max()) < DARK  # a black one is no question of bits
    return Prepared(index=index, dark=dark, pixels=pixels, placement=placement)


def warn_of_dark(dark: Sequence[int], images: int) -> None:
    """Says how many images are so dark that their levels were hardly meant so.

    Args:
        dark: which, counted from 0.
        images: how many there are.
    """
    if dark:
        LOGGER.warning(
            "Nowhere brighter than a sixteenth of white: %d of %d images (the first: number %d). "
            "So look values of 12 bits in a file of 16. They were taken as they are; if they are "
            "of 12 bits, name each file as FILE#bits=12.",
            len(dark),
            images,
            dark[0] + 1,
        )


def check_side(height: int, width: int, image: Path | Pixels, index: int) -> None:
    """Refuses a picture smaller than one patch: a network would answer about its blurred pixels.

    Raises:
        RadiographError: a side is below `SMALLEST_SIDE`.
    """
    if min(height, width) < SMALLEST_SIDE:
        name = str(image) if isinstance(image, Path) else f"image {index + 1}"
        raise RadiographError(
            f"{name}: is {width} x {height} pixels, expected at least {SMALLEST_SIDE} on each "
            "side: it is smaller than one patch of the network. Give the radiograph itself, not "
            "a thumbnail."
        )


def none_readable(unreadable: Sequence[Unreadable]) -> RadiographError:
    """The error of a call that got no answer at all: the one message, or the first of them."""
    if len(unreadable) == 1:
        return RadiographError(unreadable[0].message)
    return RadiographError(
        f"None of the {len(unreadable)} images can be read. The first: {unreadable[0].message}"
    )


@contextmanager
def evaluating(model: object) -> Iterator[torch.device]:
    """Turns dropout and gradients off for a while, and tells where the model's weights are."""
    module = model if isinstance(model, nn.Module) else nn.Module()
    was_training = module.training
    weight = next(module.parameters(), torch.empty(0))
    module.eval()
    try:
        with torch.no_grad():
            yield weight.device
    finally:
        module.train(was_training)
