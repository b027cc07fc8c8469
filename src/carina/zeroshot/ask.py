"""Asking a model about findings on radiographs: files, folders or arrays in, an `Answer` out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from carina.errors import ModelError
from carina.imaging.preprocessing import Placement, Preprocessing
from carina.zeroshot.answer import Answer, AskedImage
from carina.zeroshot.ground import ground
from carina.zeroshot.grounded import Grounded
from carina.zeroshot.images import Pixels, gather_images
from carina.zeroshot.phrases import check_readable
from carina.zeroshot.prompts import PromptedModel, PromptSet
from carina.zeroshot.protocol import EncodedQueries, Query, ZeroShotModel
from carina.zeroshot.queries import check_queries, warn_of_denials
from carina.zeroshot.reading import (
    Prepared,
    Unreadable,
    evaluating,
    none_readable,
    read_ahead,
    warn_of_dark,
)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a model said of one radiograph.

    `index` counts the images that were given, from 0. `grids` are coarse maps over the model's
    input, float32, or None where the model makes none; `placement` puts them back on the
    radiograph's own pixels. `dark` as of `Prepared`.
    """

    index: int
    dark: bool
    scores: Float[np.ndarray, "queries"]
    grids: Float[np.ndarray, "queries rows cols"] | None
    placement: Placement


class LoadedModel:
    """A model that can be asked, as `carina.load` gives it.

    Attributes:
        model: the network.
        folder: the model folder that it came from, or None.
        told: who answers, as answers tell it: class, folder and digest of the weights.
    """

    def __init__(self, model: ZeroShotModel, folder: Path | None = None, told: str = "") -> None:
        self.model = model
        self.folder = folder
        self.told = told
        self._encoded: EncodedQueries | None = None
        self._asked: tuple[tuple[Query, ...], PromptSet | None] = ((), None)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side of the model wants."""
        return self.model.preprocessing

    def ask(
        self,
        images: Sequence[str | Path | Pixels],
        queries: Sequence[str | Query],
        *,
        batch_size: int = 16,
    ) -> Answer:
        """Scores and heat-maps of findings on radiographs.

        Args:
            images: files (DICOM, PNG, JPEG), folders of them, or arrays [height, width].
            queries: names of findings, or `Query` with a description for one never seen.
            batch_size: radiographs that go through the network at once.

        Raises:
            QueryError: there is no query, or one is blank, given twice, or of words that the
                model does not know.
            RadiographError: not one of the images can be read.
            ConfigError: `batch_size` is below 1.
        """
        checked = readable_queries(self.model, queries)
        # The text side costs more than one image: the same list is embedded only once.
        asked = (checked, prompts_of(self.model))
        if self._encoded is None or self._asked != asked:
            self._encoded, self._asked = encode(self.model, checked), asked
        answer = ask_encoded(self.model, images, self._encoded, batch_size)
        return replace(answer, model=self.told)

    def ground(
        self,
        images: Sequence[str | Path | Pixels],
        phrases: Sequence[str],
        *,
        smoothing: float = 0.0,
        batch_size: int = 16,
    ) -> Grounded:
        """Maps of phrases on radiographs; see `carina.zeroshot.ground.ground`."""
        grounded = ground(self.model, images, phrases, smoothing=smoothing, batch_size=batch_size)
        return replace(grounded, model=self.told)


def ask(
    model: ZeroShotModel,
    images: Sequence[str | Path | Pixels],
    queries: Sequence[str | Query],
    *,
    batch_size: int = 16,
) -> Answer:
    """Scores and heat-maps of findings on radiographs; see `LoadedModel.ask`."""
    return ask_encoded(model, images, encode(model, readable_queries(model, queries)), batch_size)


def readable_queries(model: object, queries: Sequence[str | Query]) -> tuple[Query, ...]:
    """The queries, where the model can read them; of a denial a warning says how it is read.

    Raises:
        QueryError: there is no query, or one is blank, given twice, or of words that the model
            does not know.
        KnowledgeError: a finding has no description, which is what the model reads.
    """
    checked = check_queries(queries)
    check_readable(model, checked)
    warn_of_denials(checked)
    return checked


def prompts_of(model: object) -> PromptSet | None:
    """The words that a model makes of queries, where these may be changed."""
    return model.prompts if isinstance(model, PromptedModel) else None


def ask_encoded(
    model: ZeroShotModel,
    images: Sequence[str | Path | Pixels],
    queries: EncodedQueries,
    batch_size: int,
) -> Answer:
    """Asks queries that were embedded before.

    Raises:
        RadiographError: not one of the images can be read.
    """
    given = gather_images(images)
    answered: list[Answered] = []
    unreadable: list[Unreadable] = []
    for result in answer_in_batches(model, given, queries, batch_size=batch_size):
        if isinstance(result, Answered):
            answered.append(result)
        else:
            unreadable.append(result)
    if not answered:
        raise none_readable(unreadable)
    warn_of_dark([one.index for one in answered if one.dark], len(given))
    grids = [one.grids for one in answered if one.grids is not None]
    return Answer(
        images=tuple(
            AskedImage(source=given[one.index], number=one.index, placement=one.placement)
            for one in answered
        ),
        queries=queries.queries,
        scores=np.stack([one.scores for one in answered]),
        grids=np.stack(grids) if grids else None,
        unreadable=tuple(one.message for one in unreadable),
    )


def answer_in_batches(
    model: ZeroShotModel,
    images: Iterable[Path | Pixels],
    queries: EncodedQueries,
    *,
    batch_size: int = 16,
) -> Iterator[Answered | Unreadable]:
    """Answers images in the order given, two batches of them in memory at most.

    While the network works on one batch, the next is read. An image that cannot be read comes
    out as `Unreadable` in its place; the others are still answered. Arrays of a store may be
    given as they are (uint8).
    """
    for batch in read_ahead(images, model.preprocessing, batch_size):
        readable = [one for one in batch if isinstance(one, Prepared)]
        answers = iter(answer_batch(model, readable, queries) if readable else ())
        for one in batch:
            yield next(answers) if isinstance(one, Prepared) else one


def answer_batch(
    model: ZeroShotModel, batch: Sequence[Prepared], queries: EncodedQueries
) -> Iterator[Answered]:
    """Lets the network answer one batch.

    Raises:
        ModelError: a score is not finite.
    """
    pixels = torch.stack([one.pixels for one in batch])
    with evaluating(model) as device:
        answers = model.answer(pixels.to(device), queries)
    scores = answers.scores.float().cpu().numpy()
    grids = None if answers.grids is None else answers.grids.float().cpu().numpy()
    if not np.isfinite(scores).all():
        raise ModelError(
            "The model gave a score that is not a number; its weights are damaged or its "
            "training diverged. Load an earlier model."
        )
    for i, one in enumerate(batch):
        yield Answered(
            index=one.index,
            dark=one.dark,
            scores=scores[i],
            grids=None if grids is None else grids[i],
            placement=one.placement,
        )


def encode(model: ZeroShotModel, queries: Sequence[Query]) -> EncodedQueries:
    """Embeds queries once, for any number of radiographs."""
    with evaluating(model):
        return model.encode_queries(queries)
