"""What reports teach MedKLIP: the triplets of each study, kept sparse, and a draw of positions."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8
from numpy.typing import NDArray

from carina.errors import ConfigError
from carina.losses.position import NO_CHOICE
from carina.pretraining.medklip_objective import Drawn
from carina.pretraining.report_targets import Label, LabelPolicy, label_table
from carina.report.sides import SIDES, most_frequent_sided
from carina.report.triplets import (
    TripletVocabulary,
    frequent_vocabulary,
    paper_vocabulary,
)
from carina.studies.batches import ImageBatch
from carina.study import Assertion, Entity, Triplet

LOGGER = logging.getLogger(__name__)
EVERY = 10_000  # more than a lexicon has terms
STREAM = 5  # of random numbers, beside those of augmentation


@dataclass(frozen=True, kw_only=True)
class PaperTriplets:
    """The paper's 75 entities and 51 positions.

    No loss is taken for the entities in `left_out`, although they are asked with the others:
    the published code's way to keep diseases unseen.
    """

    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the names."""
        unknown = [name for name in self.left_out if name not in paper_vocabulary().entities]
        if unknown:
            raise ConfigError(
                f"left_out names {unknown[0]!r}, none of MedKLIP's 75 entities. Leave it "
                "away, or write it as they are written."
            )

    def vocabulary(
        self, reports: Sequence[Sequence[Entity]], can_be_asked: Callable[[str], bool]
    ) -> TripletVocabulary:
        """The lists of the paper, whatever can be asked."""
        return paper_vocabulary()


@dataclass(frozen=True, kw_only=True)
class FrequentTriplets:
    """The entities and positions that the user's own reports name most often.

    Entities in `left_out` are never asked in training, so that they can be asked as unseen.
    """

    entities: int = 75
    positions: int = 51
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the counts."""
        if self.entities < 1 or self.positions < 2:
            raise ConfigError(
                "entities must be at least 1 and positions at least 2 (unspecified and other are "
                f"always there), got {self.entities} and {self.positions}."
            )

    def vocabulary(
        self, reports: Sequence[Sequence[Entity]], can_be_asked: Callable[[str], bool]
    ) -> TripletVocabulary:
        """The most frequent ones that can be asked; a warning names those that cannot.

        Raises:
            ConfigError: no report calls anything present, or nothing of it can be asked.
        """
        found = frequent_vocabulary(reports, EVERY, self.positions)
        wanted = [name for name in found.entities if name not in self.left_out]
        kept = [name for name in wanted if can_be_asked(name)][: self.entities]
        if not kept:
            raise ConfigError(
                f"none of the {len(wanted)} findings of the reports has a description; expected "
                "some. Write what they look like into a file, and --set descriptions=FILE."
            )
        more = [name for name in wanted[: wanted.index(kept[-1])] if name not in kept]
        if more:
            LOGGER.warning(
                "%d frequent findings are not asked, because they have no description: %s. Write "
                "what they look like into a file, and --set descriptions=FILE.",
                len(more),
                ", ".join(more),
            )
        return TripletVocabulary(entities=tuple(kept), positions=found.positions)


@dataclass(frozen=True, kw_only=True)
class LabelsOfTriplets:
    """Triplets alone say what is there: the paper's rule.

    An entity is present where any of its triplets is, else absent where any is. What is not
    mentioned, or only called uncertain, is ignored.
    """

    def names(
        self, vocabulary: TripletVocabulary, reports: Sequence[Sequence[Entity]]
    ) -> tuple[str, ...]:
        """What is asked: the entities."""
        return vocabulary.entities

    def table(
        self,
        names: Sequence[str],
        reports: Sequence[Sequence[Entity]],
        triplets: Sequence[Sequence[Triplet]],
    ) -> Int8[np.ndarray, "reports names"]:
        """The label of every name in every report."""
        column = {name: place for place, name in enumerate(names)}
        labels = np.full((len(triplets), len(names)), Label.IGNORED, dtype=np.int8)
        for row, said in enumerate(triplets):
            for entity, assertions in by_entity(said).items():
                if Assertion.PRESENT in assertions:
                    labels[row, column[entity]] = Label.PRESENT
                elif Assertion.ABSENT in assertions:
                    labels[row, column[entity]] = Label.ABSENT
        return labels


@dataclass(frozen=True, kw_only=True)
class LabelsOfFindings:
    """What a report says of a finding, or of a kind of it; what it does not mention is absent.

    Our own, for few studies: of much that is there, such as a pacemaker, no report ever says
    that it is not. `sided` more names are the most frequent findings with a side.
    """

    sided: int = 0
    policy: LabelPolicy = LabelPolicy(uncertain=Label.IGNORED, unmentioned=Label.ABSENT)

    def __post_init__(self) -> None:
        """Checks the count."""
        if self.sided < 0:
            raise ConfigError(f"sided must be at least 0, got {self.sided}.")

    def names(
        self, vocabulary: TripletVocabulary, reports: Sequence[Sequence[Entity]]
    ) -> tuple[str, ...]:
        """What is asked: the entities, and some of them with a side."""
        wanted = {f"{side} {name}" for side in SIDES for name in vocabulary.entities}
        sided = [name for name in most_frequent_sided(reports, EVERY) if name in wanted]
        return (*vocabulary.entities, *sided[: self.sided])

    def table(
        self,
        names: Sequence[str],
        reports: Sequence[Sequence[Entity]],
        triplets: Sequence[Sequence[Triplet]],
    ) -> Int8[np.ndarray, "reports names"]:
        """The label of every name in every report."""
        return label_table(reports, names, self.policy)


@dataclass(frozen=True, kw_only=True)
class TripletMatrix:
    """Studies x entities x positions: which entity is where, as far as reports say.

    Only the cells that are there are kept: `cells[starts[i]:starts[i + 1]]` are those of report
    i, each entity x (number of positions) + position. `labels` has a row a report, and a column
    for each entity and for what else is asked.
    """

    labels: Int8[np.ndarray, "reports entities"]
    cells: NDArray[np.int32]
    starts: NDArray[np.int64]
    positions: int

    def there(self, reports: Sequence[int]) -> Bool[np.ndarray, "batch entities positions"]:
        """The rows of some reports, dense."""
        entities = self.labels.shape[1]
        dense = np.zeros((len(reports), entities * self.positions), dtype=bool)
        for row, report in zip(dense, reports, strict=True):
            row[self.cells[self.starts[report] : self.starts[report + 1]]] = True
        return dense.reshape(len(reports), entities, self.positions)


def triplet_matrix(
    reports: Sequence[Sequence[Triplet]],
    vocabulary: TripletVocabulary,
    labels: Int8[np.ndarray, "reports entities"],
) -> TripletMatrix:
    """The matrix of some reports, whose labels have a column for each entity, or more columns."""
    entity_row = {name: row for row, name in enumerate(vocabulary.entities)}
    position_row = {name: row for row, name in enumerate(vocabulary.positions)}
    cells: list[int] = []
    starts = [0]
    for triplets in reports:
        cells += sorted(
            entity_row[t.entity] * len(position_row) + position_row[t.position]
            for t in triplets
            if t.exists is Assertion.PRESENT
        )
        starts.append(len(cells))
    return TripletMatrix(
        labels=labels,
        cells=np.array(cells, dtype=np.int32),
        starts=np.array(starts, dtype=np.int64),
        positions=len(position_row),
    )


def by_entity(triplets: Sequence[Triplet]) -> dict[str, set[Assertion]]:
    """What is said of each entity, wherever it is."""
    said: dict[str, set[Assertion]] = {}
    for triplet in triplets:
        said.setdefault(triplet.entity, set()).add(triplet.exists)
    return said


class TripletTargets:
    """The targets of a training set; fulfils `Targets`."""

    def __init__(self, matrix: TripletMatrix, report_of: Int[np.ndarray, "images"]) -> None:
        """Takes what the reports say, and which report each image has."""
        self._matrix = matrix
        self._report_of = report_of

    def labels(self) -> Int8[np.ndarray, "images entities"]:
        """The label of every finding of every image."""
        labels: NDArray[np.int8] = self._matrix.labels[self._report_of]
        return labels

    def draw(self, batch: ImageBatch) -> Drawn:
        """One of its positions for each finding that is there, the others in a drawn order."""
        reports = self._report_of[batch.rows.cpu().numpy()]
        labels = self._matrix.labels[reports]
        there = self._matrix.there(reports.tolist())
        chance = self._chance(batch, there.shape[1:])
        row, entity = np.nonzero(there.any(2) & (labels == Label.PRESENT))
        choices = drawn_choices(there[row, entity], chance[row, entity])
        return Drawn(
            labels=torch.from_numpy(labels.astype(np.int64)),
            row=torch.from_numpy(row),
            finding=torch.from_numpy(entity),
            choices=torch.from_numpy(choices),
        )

    def _chance(
        self, batch: ImageBatch, shape: tuple[int, ...]
    ) -> Float[np.ndarray, "batch entities positions"]:
        """Numbers in [0, 1) that depend on seed, step and place in the global batch alone."""
        drawn = [
            np.random.default_rng([batch.seed, batch.step, place, STREAM]).random(shape)
            for place in batch.places
        ]
        return np.stack(drawn)


def drawn_choices(
    there: Bool[np.ndarray, "present places"], chance: Float[np.ndarray, "present places"]
) -> Int[np.ndarray, "present places"]:
    """Puts positions in order of `chance`: one that is right, those that are wrong, `NO_CHOICE`."""
    right = np.where(there, chance, np.inf).argmin(1)
    wrong = np.argsort(np.where(there, np.inf, chance), axis=1)[:, :-1]
    left = np.arange(wrong.shape[1]) < (~there).sum(1)[:, None]
    return np.concatenate([right[:, None], np.where(left, wrong, NO_CHOICE)], axis=1)
