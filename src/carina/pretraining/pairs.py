"""Images and the reports that they came with, which every system is pre-trained on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from carina.errors import ManifestError
from carina.imaging.store import ImageStore
from carina.pretraining.report_targets import EntitySource
from carina.studies.batches import ImageBatches
from carina.studies.manifest import Manifest
from carina.studies.views import is_frontal
from carina.study import Entity, Report

LOGGER = logging.getLogger(__name__)
ReadT = TypeVar("ReadT")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Images and the report that each came with: one row an image."""

    keys: tuple[str, ...]
    names: tuple[str, ...]
    reports: tuple[Report, ...]
    entities: tuple[tuple[Entity, ...], ...]

    def of_rows(self, rows: Sequence[int]) -> "Pairs":
        """Some of the images."""
        return Pairs(
            keys=tuple(self.keys[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            reports=tuple(self.reports[row] for row in rows),
            entities=tuple(self.entities[row] for row in rows),
        )

    def read(self, reading: Callable[[Report, Sequence[Entity]], ReadT]) -> tuple[ReadT, ...]:
        """What a reading makes of each image's report; a report of several images is read once."""
        made: dict[int, ReadT] = {}
        for report, entities in zip(self.reports, self.entities, strict=True):
            if id(report) not in made:
                made[id(report)] = reading(report, entities)
        return tuple(made[id(report)] for report in self.reports)

    def batches(self, store: ImageStore, batch_size: int, seed: int) -> ImageBatches:
        """The stored pictures in an order drawn from the seed."""
        return ImageBatches(self.keys, self.names, store, batch_size, seed)


def training_pairs(
    manifest: Manifest,
    store: ImageStore,
    source: EntitySource,
) -> Pairs:
    """The frontal images that are stored and have a report.

    Raises:
        ManifestError: there are none.
    """
    studies = manifest.studies
    told = [study for study in studies if study.report.text.strip() or study.report.entities]
    entities = source.of([study.report for study in told])
    rows = [
        (radiograph.path, study, found)
        for study, found in zip(told, entities, strict=True)
        for radiograph in study.radiographs
        if radiograph.path in store and is_frontal(radiograph.view) is not False
    ]
    if not rows:
        raise ManifestError(
            f"{manifest.path}: no image to train on. Of {len(studies)} studies {len(told)} have a "
            "report; expected some with a stored frontal radiograph. Index reports, or pack."
        )
    LOGGER.info("%d images of %d studies with a report", len(rows), len(told))
    return Pairs(
        keys=tuple(path for path, _, _ in rows),
        names=tuple(study.study_id for _, study, _ in rows),
        reports=tuple(study.report for _, study, _ in rows),
        entities=tuple(found for _, _, found in rows),
    )
