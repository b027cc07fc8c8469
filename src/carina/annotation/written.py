"""An annotated manifest as a source: what was read before, by whatever means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.annotation.source import Reading, Tally
from carina.errors import AnnotationError
from carina.studies.manifest import Manifest
from carina.study import Entity, Study


@dataclass(frozen=True, kw_only=True)
class WrittenEntities:
    """The entities that a manifest holds.

    Attributes:
        manifest: written by `carina annotate`.
    """

    manifest: Path

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of the studies that the manifest holds with the same report.

        Raises:
            ManifestError: the manifest cannot be read.
            AnnotationError: it was not annotated.
        """
        held = {study.study_id: study.report for study in Manifest.read(self.manifest).studies}
        if all(report.entities is None for report in held.values()):
            raise AnnotationError(
                f"{self.manifest}: holds no entities, expected an annotated manifest. Make one "
                f"with `carina annotate {self.manifest.name} --out ...`."
            )
        tally = Tally()
        found: list[tuple[Entity, ...] | None] = []
        for study in studies:
            report = held.get(study.study_id)
            same = report is not None and report.text == study.report.text
            if report is None:
                tally.add(f"studies that {self.manifest.name} does not have", study.study_id)
            elif not same:
                tally.add(f"studies with another report in {self.manifest.name}", study.study_id)
            found.append(report.entities if report is not None and same else None)
        return Reading(entities=tuple(found), problems=tally.problems())
