"""Where in a radiograph a phrase of a report holds: a coarse map a phrase.

Source: phrase grounding of Boecking et al. (BioViL), ECCV 2022, and Huang et al. (MaCo), Nat
Commun 2024.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError, ModelError
from carina.imaging.preprocessing import Placement, Preprocessing
from carina.zeroshot.answer import AskedImage
from carina.zeroshot.grounded import Grounded, on_pixels
from carina.zeroshot.images import Pixels, gather_images
from carina.zeroshot.phrases import check_phrases, readable_phrase
from carina.zeroshot.protocol import PhraseGrounder, Query, WeightedGrounder, ZeroShotModel
from carina.zeroshot.reading import (
    Prepared,
    Unreadable,
    evaluating,
    none_readable,
    read_ahead,
    warn_of_dark,
)

Ground = Callable[
    [Float[Tensor, "batch channels height width"]], Float[Tensor, "batch phrases rows cols"]
]
"""Maps of phrases that were embedded before, for any number of radiographs."""


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """The maps of one radiograph.

    `index` counts the images that were given, from 0. `grids` are coarse maps over the model's
    input, of any range; `placement` puts them back on the radiograph's own pixels. `dark` as of
    `Prepared`.
    """

    index: int
    dark: bool
    grids: Float[np.ndarray, "phrases rows cols"]
    placement: Placement

    def heatmap(self, phrase: int, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """The map of one phrase on the radiograph resized to [height, width]; its least is 0."""
        return on_pixels(self.grids[phrase], self.placement, height, width)


def ground(
    model: object,
    images: Sequence[str | Path | Pixels],
    phrases: Sequence[str],
    *,
    smoothing: float = 0.0,
    batch_size: int = 16,
) -> Grounded:
    """Maps of phrases on radiographs.

    Args:
        model: a `PhraseGrounder`, or a `ZeroShotModel` that makes maps, which is asked each
            phrase as if it were the name of a finding.
        images: files (DICOM, PNG, JPEG), folders of them, or arrays [height, width].
        phrases: words as a report has them.
        smoothing: deviation of a Gaussian blur of the maps, in patches; 0 for none.
        batch_size: radiographs that go through the network at once.

    Raises:
        QueryError: a phrase is blank, given twice, or of words that the model does not know.
        RadiographError: not one of the images can be read.
        ModelError: the model makes no maps.
        ConfigError: `smoothing` is negative.
    """
    read = tuple(readable_phrase(model, phrase) for phrase in check_phrases(phrases))
    maps = grounding_of(model, [phrase.read for phrase in read])
    given = gather_images(images)
    grounded: list[Mapped] = []
    unreadable: list[Unreadable] = []
    for result in ground_in_batches(model, given, maps, smoothing, batch_size=batch_size):
        if isinstance(result, Mapped):
            grounded.append(result)
        else:
            unreadable.append(result)
    if not grounded:
        raise none_readable(unreadable)
    warn_of_dark([one.index for one in grounded if one.dark], len(given))
    return Grounded(
        images=tuple(
            AskedImage(source=given[one.index], number=one.index, placement=one.placement)
            for one in grounded
        ),
        phrases=read,
        grids=np.stack([one.grids for one in grounded]),
        unreadable=tuple(one.message for one in unreadable),
    )


def grounding_of(model: object, phrases: Sequence[str]) -> Ground:
    """Embeds phrases, and gives the function that makes their maps.

    Raises:
        ModelError: the model cannot ground phrases.
    """
    with evaluating(model):
        if isinstance(model, PhraseGrounder):
            encoded = model.encode_phrases(phrases)
            return lambda radiographs: model.ground(radiographs, encoded)
        if isinstance(model, ZeroShotModel):
            # A description that is the name keeps models from looking another one up.
            queries = model.encode_queries([Query(phrase, phrase) for phrase in phrases])
            return lambda radiographs: checked_grids(model.answer(radiographs, queries).grids)
    raise ModelError(
        f"A {type(model).__name__} cannot ground phrases; expected a model of radiographs and "
        "texts. Name the folder of a whole run."
    )


def likeness_of(model: WeightedGrounder, phrases: Sequence[str]) -> Ground:
    """The same without the weights of the patches, for `patch_weights` of any temperature."""
    with evaluating(model):
        encoded = model.encode_phrases(phrases)
    return lambda radiographs: model.patch_likeness(radiographs, encoded)


def checked_grids(
    grids: Float[Tensor, "batch phrases rows cols"] | None,
) -> Float[Tensor, "batch phrases rows cols"]:
    """The maps of an answer.

    Raises:
        ModelError: the model made none.
    """
    if grids is None:
        raise ModelError(
            "This model makes no heat-maps, so it cannot ground phrases. Use a model with maps."
        )
    return grids


def ground_in_batches(
    model: object,
    images: Iterable[Path | Pixels],
    maps: Ground,
    smoothing: float = 0.0,
    *,
    batch_size: int = 16,
) -> Iterator[Mapped | Unreadable]:
    """Grounds in the order given; an image that cannot be read comes out in its place.

    Raises:
        ModelError: a map holds a value that is not finite.
        ConfigError: `smoothing` is negative.
    """
    for batch in read_ahead(images, preprocessing_of(model), batch_size):
        readable = [one for one in batch if isinstance(one, Prepared)]
        grids = iter(grids_of(model, readable, maps, smoothing) if readable else ())
        for one in batch:
            if isinstance(one, Prepared):
                yield Mapped(
                    index=one.index,
                    dark=one.dark,
                    grids=next(grids),
                    placement=one.placement,
                )
            else:
                yield one


def preprocessing_of(model: object) -> Preprocessing:
    """What the image side of a model wants.

    Raises:
        ModelError: it has no image side.
    """
    found = getattr(model, "preprocessing", None)
    if not isinstance(found, Preprocessing):
        raise ModelError(f"A {type(model).__name__} takes no radiographs.")
    return found


def grids_of(
    model: object, batch: Sequence[Prepared], maps: Ground, smoothing: float
) -> Float[np.ndarray, "batch phrases rows cols"]:
    """Lets the network make the maps of one batch."""
    with evaluating(model) as device:
        grids = maps(torch.stack([one.pixels for one in batch]).to(device))
    values = grids.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise ModelError(
            "The model made a map with a value that is not a number; its weights are damaged or "
            "its training diverged. Load an earlier model."
        )
    return smoothed(values, smoothing)


def smoothed(
    grids: Float[np.ndarray, "*batch rows cols"], deviation: float
) -> Float[np.ndarray, "*batch rows cols"]:
    """Maps after a Gaussian blur, mirrored at the edges (the edge's cell is met twice).

    Args:
        grids: coarse maps.
        deviation: in cells; the kernel is cut off at four deviations.

    Raises:
        ConfigError: the deviation is negative or no number.
    """
    if not 0 <= deviation < np.inf:
        raise ConfigError(f"smoothing must be 0 or more patches, got {deviation}.")
    if deviation == 0:
        return grids
    reach = int(4 * deviation + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    blurred = grids.astype(np.float64)
    for axis in (-2, -1):
        around = [(0, 0)] * grids.ndim
        around[axis] = (reach, reach)
        mirrored = np.pad(blurred, around, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(mirrored, len(kernel), axis=axis)
        blurred = windows @ kernel
    return blurred.astype(grids.dtype)
