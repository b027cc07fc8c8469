"""What systems that guess removed patches have in common: which are seen, and in which pieces."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from carina.encoders.chunks import contexts
from carina.encoders.masking import PatchMasks, draw_masks
from carina.errors import ConfigError
from carina.studies.batches import ImageBatch

PieceT = TypeVar("PieceT")


def check_masking(mask_ratio: float, micro_batches: int) -> None:
    """Refuses a share of removed patches, or a number of pieces, that cannot be.

    Raises:
        ConfigError: the share is not in (0, 1), or there is no piece.
    """
    if not 0 < mask_ratio < 1:
        raise ConfigError(
            f"mask_ratio must be in (0, 1), got {mask_ratio}: some patches are seen, the others "
            "are guessed."
        )
    if micro_batches < 1:
        raise ConfigError(f"micro_batches must be at least 1, got {micro_batches}.")


def kept_patches(mask_ratio: float, patches: int) -> int:
    """How many patches of a picture are seen.

    Raises:
        ConfigError: none, or all.
    """
    kept = int(patches * (1 - mask_ratio))
    if not 0 < kept < patches:
        raise ConfigError(
            f"mask_ratio {mask_ratio} of {patches} patches keeps {kept}; expected at least one to "
            "see and one to guess."
        )
    return kept


def masks_of(batch: ImageBatch, *, patches: int, kept: int) -> PatchMasks:
    """The masks of this process's share of a batch, where its pictures are."""
    masks = draw_masks(
        seed=batch.seed, step=batch.step, places=batch.places, patches=patches, kept=kept
    )
    return masks.to(batch.pixels.device)


def pieces_of(rows: int, pieces: int) -> Iterator[slice]:
    """Rows one after another, in at most so many pieces of about one size."""
    for part in torch.arange(rows).chunk(pieces):
        yield slice(int(part[0]), int(part[-1]) + 1)


def encoded_piece(
    encode: Callable[..., PieceT], given: tuple[Any, ...], encoder: nn.Module, pieces: int
) -> PieceT:
    """One of so many pieces of a batch, its activations kept only where it is the only one.

    Args:
        encode: is called with `given`, and once more for the gradient.
        given: the piece.
        encoder: its batch norms do not count a piece twice.
        pieces: of the batch.
    """
    if pieces == 1:
        return encode(*given)
    # The state of the random numbers is kept: dropout is the same the second time.
    encoded: PieceT = checkpoint(
        encode, *given, use_reentrant=False, context_fn=partial(contexts, encoder)
    )
    return encoded
