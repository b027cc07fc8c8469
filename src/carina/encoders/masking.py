"""Which patches of a picture are seen, and which are removed to be guessed."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PatchMasks:
    """A choice of patches for each picture of a batch; patches count row after row.

    `kept` are the patches that are seen, in the order in which they are; `restore` says for each
    patch which token it is once the removed ones are appended to the kept ones; `removed` is 1
    for a removed patch, 0 for one that is kept.
    """

    kept: Int[Tensor, "batch kept"]
    restore: Int[Tensor, "batch patches"]
    removed: Float[Tensor, "batch patches"]

    @classmethod
    def lowest(cls, noise: Float[Tensor, "batch patches"], kept: int) -> "PatchMasks":
        """Keeps the `kept` patches of least noise, as He et al., CVPR 2022, draw them."""
        order = noise.argsort(dim=1, stable=True)
        removed = torch.ones(noise.shape, device=noise.device)
        removed.scatter_(1, order[:, :kept], 0.0)
        return cls(kept=order[:, :kept], restore=order.argsort(dim=1), removed=removed)

    def part(self, rows: slice) -> "PatchMasks":
        """The masks of some pictures."""
        return PatchMasks(
            kept=self.kept[rows], restore=self.restore[rows], removed=self.removed[rows]
        )

    def to(self, device: torch.device) -> "PatchMasks":
        """Copies the tensors to a device."""
        return PatchMasks(
            kept=self.kept.to(device),
            restore=self.restore.to(device),
            removed=self.removed.to(device),
        )


def draw_masks(*, seed: int, step: int, places: range, patches: int, kept: int) -> PatchMasks:
    """Masks of the rows `places` of a global batch, each a function of (seed, step, place).

    So a row has the same mask however many processes or pieces share the batch.
    """
    key = np.array([seed, step], dtype=np.uint64)
    raw = [
        np.random.Philox(key=key, counter=[0, place, 0, 2]).random_raw(patches) for place in places
    ]
    noise = torch.from_numpy((np.stack(raw) >> np.uint64(11)) * 2.0**-53)
    return PatchMasks.lowest(noise.float(), kept)
