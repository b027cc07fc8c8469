"""What reports teach MedKLIP: the triplets of each study, kept sparse, and a draw of positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8
from numpy.typing import NDArray

from carina.errors import ConfigError
from carina.losses.position import NO_CHOICE
from carina.pretraining.medklip_objective import Drawn
from carina.pretraining.report_targets import Label, LabelPolicy
from carina.report.triplets import (
    TripletVocabulary,
    frequent_vocabulary,
    paper_vocabulary,
)
from carina.studies.batches import ImageBatch
from carina.study import Assertion, Entity, Triplet

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
                f"left_out names {unknown[0]!r}, which is none of MedKLIP's 75 entities. Leave it "
                "away, or write it as they are written."
            )

    def vocabulary(self, reports: Sequence[Sequence[Entity]]) -> TripletVocabulary:
        """The lists of the paper."""
        return paper_vocabulary()


@dataclass(frozen=True, kw_only=True)
class FrequentTriplets:
    """The entities and positions that the user's own reports name most often.

    Entities in `left_out` are never asked in training, so that they can be asked as unseen.
    """

    entities: int = 75
    positions: int = 51
    left_out: tuple[str, ...] = ()

    def vocabulary(self, reports: Sequence[Sequence[Entity]]) -> TripletVocabulary:
        """The most frequent ones.

        Raises:
            ConfigError: no report calls anything present.
        """
        found = frequent_vocabulary(reports, self.entities + len(self.left_out), self.positions)
        kept = tuple(name for name in found.entities if name not in self.left_out)
        return TripletVocabulary(entities=kept[: self.entities], positions=found.positions)


@dataclass(frozen=True, kw_only=True)
class TripletMatrix:
    """Studies x entities x positions: which entity is where, as far as reports say.

    Only the cells that are there are kept: `cells[starts[i]:starts[i + 1]]` are those of report
    i, each entity x (number of positions) + position. `labels` has a row a report.
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
    reports: Sequence[Sequence[Triplet]], vocabulary: TripletVocabulary, policy: LabelPolicy
) -> TripletMatrix:
    """The matrix of some reports.

    An entity is present where any of its triplets is, else absent where any is; what is only
    called uncertain, or not mentioned, is as `policy` says.
    """
    entity_row = {name: row for row, name in enumerate(vocabulary.entities)}
    position_row = {name: row for row, name in enumerate(vocabulary.positions)}
    places = len(position_row)
    labels = np.full((len(reports), len(entity_row)), policy.unmentioned, dtype=np.int8)
    cells: list[int] = []
    starts = [0]
    for row, triplets in enumerate(reports):
        for entity, said in by_entity(triplets).items():
            labels[row, entity_row[entity]] = policy.label(strongest(said))
        cells += sorted(
            entity_row[t.entity] * places + position_row[t.position]
            for t in triplets
            if t.exists is Assertion.PRESENT
        )
        starts.append(len(cells))
    return TripletMatrix(
        labels=labels,
        cells=np.array(cells, dtype=np.int32),
        starts=np.array(starts, dtype=np.int64),
        positions=places,
    )


def by_entity(triplets: Sequence[Triplet]) -> dict[str, set[Assertion]]:
    """What is said of each entity, wherever it is."""
    said: dict[str, set[Assertion]] = {}
    for triplet in triplets:
        said.setdefault(triplet.entity, set()).add(triplet.exists)
    return said


def strongest(said: set[Assertion]) -> Assertion:
    """Present before absent before uncertain: uncertain says nothing beside the others."""
    order = (Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN)
    return next(assertion for assertion in order if assertion in said)


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
