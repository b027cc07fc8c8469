"""Lets a model score every frontal radiograph of a part of a manifest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from carina.errors import EvaluationError
from carina.files import progress
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.studies.views import frontal_images
from carina.study import Study
from carina.zeroshot.ask import Answered, answer_in_batches
from carina.zeroshot.protocol import EncodedQueries, ZeroShotModel
from carina.zeroshot.reading import Unreadable


@dataclass(frozen=True, kw_only=True)
class Frontal:
    """One frontal radiograph: its study, and its place in the study and in the manifest."""

    study: Study
    radiograph: int

    @property
    def path(self) -> str:
        """The path as the manifest has it."""
        return self.study.radiographs[self.radiograph].path


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The radiographs that could be scored, and those that could not.

    `scores` is [images, queries]; `unreadable` are (path in the manifest, message).
    """

    images: tuple[Frontal, ...]
    scores: Float[np.ndarray, "images queries"]
    unreadable: tuple[tuple[str, str], ...]


def part_of(manifest: Manifest, split: str | None) -> Manifest:
    """The studies of a split; all of them for None."""
    return manifest if split is None else manifest.split(split)


def has_split(manifest: Manifest, split: str | None) -> bool:
    """Whether any study is in the split."""
    return any(study.split == split for study in manifest.studies) if split else False


def frontals_of(manifest: Manifest) -> tuple[Frontal, ...]:
    """Every frontal radiograph, in the manifest's order.

    Raises:
        EvaluationError: there is none.
    """
    frontals = tuple(
        Frontal(study=manifest.studies[study], radiograph=place)
        for study, place in frontal_images(manifest)
    )
    if not frontals:
        raise EvaluationError(
            f"{manifest.path}: none of the {len(manifest)} studies has a frontal radiograph; "
            "expected views such as PA or AP. Check the view column with `carina check`."
        )
    return frontals


def every_view_of(manifest: Manifest) -> tuple[Frontal, ...]:
    """Every radiograph, lateral ones too, in the manifest's order: as KAD scores PadChest."""
    return tuple(
        Frontal(study=study, radiograph=place)
        for study in manifest.studies
        for place in range(len(study.radiographs))
    )


Views = Callable[[Manifest], tuple[Frontal, ...]]
"""Which radiographs of a manifest are scored."""


def answers_of(
    model: ZeroShotModel,
    manifest: Manifest,
    frontals: Sequence[Frontal],
    queries: EncodedQueries,
    *,
    batch_size: int,
    store: ImageStore | None,
    title: str,
) -> Iterator[tuple[Frontal, Answered | Unreadable]]:
    """Yields each radiograph with its answer, or with why there is none.

    Images come from the store where it has them, else from their files.
    """

    def pixels() -> Iterator[Path | np.ndarray]:
        for frontal in frontals:
            if store is not None and frontal.path in store:
                yield store[frontal.path]
            else:
                yield manifest.absolute(frontal.path)

    answers = answer_in_batches(model, pixels(), queries, batch_size=batch_size)
    for answer in progress(answers, title, len(frontals)):
        yield frontals[answer.index], answer


def scored(answers: Iterator[tuple[Frontal, Answered | Unreadable]], queries: int) -> Scored:
    """Collects the scores alone; maps are let go of at once.

    Raises:
        EvaluationError: not one radiograph could be scored.
    """
    images: list[Frontal] = []
    rows: list[Float[np.ndarray, " queries"]] = []
    unreadable: list[tuple[str, str]] = []
    for frontal, answer in answers:
        if isinstance(answer, Unreadable):
            unreadable.append((frontal.path, answer.message))
        else:
            images.append(frontal)
            rows.append(answer.scores)
    check_any(images, unreadable)
    scores = np.stack(rows).astype(np.float64).reshape(len(images), queries)
    return Scored(images=tuple(images), scores=scores, unreadable=tuple(unreadable))


def check_any(read: Sequence[object], unreadable: Sequence[tuple[str, str]]) -> None:
    """Refuses an evaluation of nothing.

    Raises:
        EvaluationError: every radiograph was unreadable.
    """
    if not read and unreadable:
        raise EvaluationError(
            f"None of the {len(unreadable)} radiographs can be read. The first: {unreadable[0][1]}"
        )


Aggregation = Callable[
    [Float[np.ndarray, "images findings"], Sequence[str]],
    tuple[Float[np.ndarray, "rows findings"], list[int]],
]
"""Turns scores of images into rows that are measured; also gives the first image of each row."""


def each_radiograph(
    scores: Float[np.ndarray, "images findings"], studies: Sequence[str]
) -> tuple[Float[np.ndarray, "images findings"], list[int]]:
    """Every radiograph counts for itself, as on ChestX-ray14."""
    return scores, list(range(len(scores)))


def mean_of_study(
    scores: Float[np.ndarray, "images findings"], studies: Sequence[str]
) -> tuple[Float[np.ndarray, "rows findings"], list[int]]:
    """A study's score is the mean over its frontal radiographs."""
    return _by_study(scores, studies, lambda rows: rows.mean(axis=0))


def greatest_of_study(
    scores: Float[np.ndarray, "images findings"], studies: Sequence[str]
) -> tuple[Float[np.ndarray, "rows findings"], list[int]]:
    """A study's score is the greatest over its frontal radiographs, as on CheXpert."""
    return _by_study(scores, studies, lambda rows: rows.max(axis=0))


AGGREGATIONS: dict[str, Aggregation] = {
    "image": each_radiograph,
    "study-mean": mean_of_study,
    "study-max": greatest_of_study,
}
"""Every aggregation by the name that settings and the command line use."""


def _by_study(
    scores: Float[np.ndarray, "images findings"],
    studies: Sequence[str],
    reduce: Callable[[Float[np.ndarray, "some findings"]], Float[np.ndarray, " findings"]],
) -> tuple[Float[np.ndarray, "rows findings"], list[int]]:
    places: dict[str, list[int]] = {}
    for place, study in enumerate(studies):
        places.setdefault(study, []).append(place)
    rows = np.stack([reduce(scores[group]) for group in places.values()])
    return rows, [group[0] for group in places.values()]
