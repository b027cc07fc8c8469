"""Images and the reports that they came with, which every system is pre-trained on."""

import logging
from dataclasses import dataclass

from carina.errors import ManifestError
from carina.imaging.store import ImageStore
from carina.pretraining.report_targets import EntitySource
from carina.studies.manifest import Manifest
from carina.studies.views import is_frontal
from carina.study import Entity, Report

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Images and the report that each came with: one row an image."""

    keys: tuple[str, ...]
    names: tuple[str, ...]
    reports: tuple[Report, ...]
    entities: tuple[tuple[Entity, ...], ...]


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
