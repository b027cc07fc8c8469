"""Patients and pictures that stand on both sides of a line.

A side is a split, or a whole manifest where no study of it has one. Studies without a split in
a manifest that has splits are on no side.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from carina.studies.check_report import Place, Shared
from carina.studies.examination import Examined
from carina.studies.manifest import Manifest
from carina.study import Study

_Stands = tuple[str | None, Place]


def shared_patients(manifests: Sequence[Manifest]) -> Iterator[Shared]:
    """Patients on more than one side, with the first study on each.

    Within a manifest a patient is one by `patient_id`; across manifests by source and patient_id,
    since every release counts its patients from 1.
    """
    across: dict[Hashable, list[_Stands]] = defaultdict(list)
    for manifest in manifests:
        within: dict[str, list[_Stands]] = defaultdict(list)
        for side, study in _sides(manifest):
            stands = (side, place_of(manifest, study))
            within[study.patient_id].append(stands)
            across[study.source, study.patient_id].append(stands)
        yield from _on_several_sides(within.values())
    several = (found for found in across.values() if len({p.manifest for _, p in found}) > 1)
    yield from _on_several_sides(several)


def shared_pictures(
    manifests: Sequence[Manifest], examined: Mapping[Path, Examined]
) -> Iterator[Shared]:
    """Pictures whose bytes stand in several places, of one study or of several."""
    places: dict[str, list[_Stands]] = defaultdict(list)
    for manifest in manifests:
        for side, study in _sides(manifest):
            for radiograph in study.radiographs:
                digest = examined[manifest.absolute(radiograph.path)].digest
                if digest:
                    places[digest].append((side, place_of(manifest, study, radiograph.path)))
    for found in places.values():
        if len(found) > 1:
            sides = {side for side, _ in found if side is not None}
            yield Shared(places=tuple(place for _, place in found), leak=len(sides) > 1)


def place_of(manifest: Manifest, study: Study, path: str = "") -> Place:
    """Where a study, or a file of it, stands."""
    return Place(
        manifest=str(manifest.path),
        split=study.split,
        study_id=study.study_id,
        patient_id=study.patient_id,
        path=path,
    )


def _sides(manifest: Manifest) -> Iterator[tuple[str | None, Study]]:
    has_splits = any(study.split for study in manifest.studies)
    for study in manifest.studies:
        yield (study.split if has_splits else str(manifest.path)), study


def _on_several_sides(groups: Iterable[Sequence[_Stands]]) -> Iterator[Shared]:
    for found in groups:
        first: dict[str, Place] = {}
        for side, place in found:
            if side is not None:
                first.setdefault(side, place)
        if len(first) > 1:
            yield Shared(places=tuple(first.values()), leak=True)
