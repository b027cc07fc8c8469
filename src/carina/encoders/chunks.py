"""A large batch through an encoder in pieces, to save memory."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from carina.encoders.features import ImageFeatures, join_features
from carina.encoders.modes import still_statistics


def encode_in_chunks(
    encoder: nn.Module, radiographs: Float[Tensor, "batch channels height width"], chunks: int
) -> ImageFeatures:
    """Encodes a batch piece by piece; activations are computed again for the gradient.

    Losses over the whole batch, such as a contrast, keep their exact gradient, while the
    activations of only one piece are held at a time. Batch norms in training mode see one
    piece at a time, and count its statistics once.

    Args:
        encoder: gives `ImageFeatures`.
        radiographs: the whole batch.
        chunks: number of pieces; 1 is the plain way.
    """
    if chunks == 1:
        return _features(encoder, radiographs)
    twice = partial(contexts, encoder)
    parts = []
    for piece in radiographs.chunk(chunks):
        grid, pooled = checkpoint(_plain(encoder), piece, use_reentrant=False, context_fn=twice)
        parts.append(ImageFeatures(grid=grid, pooled=pooled))
    return join_features(parts)


def _features(encoder: nn.Module, radiographs: Tensor) -> ImageFeatures:
    features: ImageFeatures = encoder(radiographs)
    return features


def _plain(encoder: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The encoder with tensors as its result, which is what checkpointing follows."""

    def encode(radiographs: Tensor) -> tuple[Tensor, Tensor]:
        features = _features(encoder, radiographs)
        return features.grid, features.pooled

    return encode


def contexts(
    encoder: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first pass, and of the second one for the gradient."""
    return nullcontext(), still_statistics(encoder)
