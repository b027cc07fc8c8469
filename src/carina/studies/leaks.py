"""Patients and pictures that stand on both sides of a line.

A side is a split, or a whole manifest where no study of it has one. Studies without a split in
a manifest that has splits are on no side.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from carina.imaging.likeness import SURE
from carina.studies.check_report import CheckReport, NearlyShared, Overlap, Place, Shared
from carina.studies.duplicates import Alike
from carina.studies.examination import Examined
from carina.studies.kinship import Related, family_of, kinships_of
from carina.studies.manifest import Manifest
from carina.study import Study

_Stands = tuple[str | None, Place]


def shared_patients(manifests: Sequence[Manifest]) -> Iterator[Shared]:
    """Patients on more than one side, with the first study on each.

    Within a manifest a patient is one by `patient_id`; across manifests by source and patient_id,
    since every release counts its patients from 1. Sources that go by the names of another are
    one with it: see `kinship.FAMILY`.
    """
    across: dict[Hashable, list[_Stands]] = defaultdict(list)
    for manifest in manifests:
        within: dict[str, list[_Stands]] = defaultdict(list)
        for side, study in _sides(manifest):
            stands = (side, place_of(manifest, study))
            within[study.patient_id].append(stands)
            across[family_of(study.source), study.patient_id].append(stands)
        yield from _on_several_sides(within.values())
    several = (found for found in across.values() if len({p.manifest for _, p in found}) > 1)
    yield from _on_several_sides(several)


def shared_pictures(standing: Mapping[str, Sequence[_Stands]]) -> Iterator[Shared]:
    """Pictures whose bytes stand in several places, of one study or of several.

    Args:
        standing: from `places_by_digest`.
    """
    for found in standing.values():
        if len(found) > 1:
            yield Shared(places=tuple(place for _, place in found), leak=_apart(found))


def shared_nearly(
    alike: Iterable[Alike],
    standing: Mapping[str, Sequence[_Stands]],
    examined: Mapping[str, Examined],
) -> Iterator[NearlyShared]:
    """Pictures that seem to be one though their bytes differ, with one place of each.

    Places on two sides are named first where there are such.
    """
    for pair in alike:
        first = standing[examined[pair.first].digest]
        second = standing[examined[pair.second].digest]
        one, other = next(
            ((one, other) for one in first for other in second if _apart((one, other))),
            (first[0], second[0]),
        )
        apart = _apart((*first, *second))
        yield NearlyShared(
            places=(one[1], other[1]),
            leak=apart and pair.likeness >= SURE,
            apart=apart,
            likeness=round(pair.likeness, 3),
            inverted=pair.inverted,
        )


def places_by_digest(
    manifests: Sequence[Manifest], examined: Mapping[str, Examined]
) -> dict[str, list[_Stands]]:
    """Where each radiograph that could be read stands, by its digest."""
    places: dict[str, list[_Stands]] = defaultdict(list)
    for manifest in manifests:
        for side, study in _sides(manifest):
            for radiograph in study.radiographs:
                digest = examined[str(manifest.absolute(radiograph.path))].digest
                if digest:
                    places[digest].append((side, place_of(manifest, study, radiograph.path)))
    return places


def overlaps(
    standing: Mapping[str, Sequence[_Stands]],
    alike: Iterable[NearlyShared],
    counts: Mapping[str, int],
) -> Iterator[Overlap]:
    """How many radiographs of each manifest stand, as they are or nearly, in each other one.

    Args:
        standing: from `places_by_digest`.
        alike: from `shared_nearly`.
        counts: how many radiographs each manifest holds.
    """
    groups = [[place for _, place in found] for found in standing.values()]
    shared: dict[tuple[str, str], set[Place]] = defaultdict(set)
    for group in (*groups, *(pair.places for pair in alike)):
        held = {place.manifest for place in group}
        for place in group if len(held) > 1 else ():
            for other in held - {place.manifest}:
                shared[place.manifest, other].add(place)
    for (inner, outer), places in sorted(shared.items()):
        yield Overlap(inner=inner, outer=outer, shared=len(places), radiographs=counts[inner])


def related(manifests: Sequence[Manifest], found: Iterable[Overlap]) -> Iterator[Related]:
    """The pairs of manifests whose releases hold films of one another, and what was found of it.

    Args:
        manifests: of which any two are looked at, either way round.
        found: from `overlaps`.
    """
    pictures = {(each.inner, each.outer): each.shared for each in found}
    for manifest in manifests:
        for other in manifests:
            for kinship in kinships_of(manifest, other) if manifest is not other else ():
                yield Related(
                    inner=str(manifest.path),
                    outer=str(other.path),
                    kinship=kinship,
                    radiographs=pictures.get((str(manifest.path), str(other.path)), 0),
                    patients=len(people(manifest) & people(other)),
                    asked=sum(
                        len(study.radiographs)
                        for study in manifest.studies
                        if study.source == kinship.inner
                    ),
                )


def people(manifest: Manifest) -> set[tuple[str, str]]:
    """Everybody in a manifest, by the source that names them, and name."""
    return {(family_of(study.source), study.patient_id) for study in manifest.studies}


def studies_shared(manifests: Sequence[Manifest], report: CheckReport) -> tuple[Study, ...]:
    """The studies of the first manifest whose patients, by name or by picture, stand in others.

    Whatever side they are on. Near duplicates that are only suspected count too: whoever leaves
    out one film too many loses little.

    Args:
        manifests: those that were checked.
        report: what was found.
    """
    first, *others = manifests
    own = str(first.path)
    pictures: set[str] = set()
    for shared in (*report.pictures, *report.near_duplicates):
        if len({place.manifest for place in shared.places}) > 1:
            pictures |= {place.study_id for place in shared.places if place.manifest == own}
    for shared in report.pictures:  # one of several equal pictures stands for all of them
        equal = {place.study_id for place in shared.places if place.manifest == own}
        pictures |= equal if pictures & equal else set()
    known = {person for other in others for person in people(other)} & people(first)
    meant = {study.patient_id for study in first.studies if study.study_id in pictures}
    return tuple(
        study
        for study in first.studies
        if study.patient_id in meant or (family_of(study.source), study.patient_id) in known
    )


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


def _apart(stands: Iterable[_Stands]) -> bool:
    """Whether there are two sides; what is on no side is with everybody."""
    return len({side for side, _ in stands if side is not None}) > 1


def _on_several_sides(groups: Iterable[Sequence[_Stands]]) -> Iterator[Shared]:
    for found in groups:
        first: dict[str, Place] = {}
        for side, place in found:
            if side is not None:
                first.setdefault(side, place)
        if len(first) > 1:
            yield Shared(places=tuple(first.values()), leak=True)
