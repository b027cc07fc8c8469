"""Fills the reports of studies with their entities and triplets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from carina.annotation.places import names_places, with_places
from carina.annotation.source import Problem, Source, check_reports
from carina.report.findings import findings_from_entities
from carina.report.triplets import triplets_of
from carina.studies.manifest import Manifest
from carina.study import Assertion, Entity, Report, Study

BY_RULES = "The source names no places: those of its entities were read by the rules."


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """Studies whose reports a source has read, and what it says of doing so.

    Attributes:
        studies: with `report.entities` and `report.triplets` filled; None where the source could
            not read a report.
        problems: what the source could not use, most frequent first.
        remarks: sentences on the reading as a whole.
    """

    studies: tuple[Study, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...]


def annotate_manifest(manifest: Manifest, source: Source) -> Annotated:
    """Fills entities and triplets of every report; the findings of the release stay as they are.

    A study without a report gets empty tuples: it was read, and nothing was found. Triplets are
    in standard terms and places; a system puts the entities into a vocabulary of its own. A
    source that names no place at all is helped out: the rules read the places at its words.

    Raises:
        AnnotationError: no study has a report.
        CarinaError: whatever the source raises.
    """
    check_reports(manifest)
    reading = source.read(manifest.studies)
    found, remarks = reading.entities, reading.remarks
    if not names_places(found):
        found = with_places(manifest.studies, found)
        remarks = (*remarks, BY_RULES) if names_places(found) else remarks
    return Annotated(
        studies=with_entities(manifest.studies, found), problems=reading.problems, remarks=remarks
    )


def with_entities(
    studies: Iterable[Study], found: Iterable[tuple[Entity, ...] | None]
) -> tuple[Study, ...]:
    """Puts entities, and the triplets that they make, into their studies."""
    return tuple(
        replace(study, report=annotated_report(study.report, entities))
        for study, entities in zip(studies, found, strict=True)
    )


def annotated_report(report: Report, entities: tuple[Entity, ...] | None) -> Report:
    """A report with its entities and triplets; with neither if it could not be read."""
    triplets = None if entities is None else triplets_of(entities, report.text)
    return replace(report, entities=entities, triplets=triplets)


@dataclass(frozen=True, kw_only=True)
class ObservationCount:
    """How many reports call an observation present, absent and uncertain."""

    name: str
    present: int
    absent: int
    uncertain: int


@dataclass(frozen=True, kw_only=True)
class AnnotationSummary:
    """What annotating did: counts of reports, and observations, most often mentioned first.

    `empty` reports have no text, `unread` ones the source could not read, in `silent` ones it
    found nothing. `untold` studies have no triplet at all, for whichever of these reasons, or
    because their reports name nothing but anatomy: nothing can be learned from them.
    """

    studies: int
    empty: int
    unread: int
    silent: int
    entities: int
    triplets: int
    untold: int
    observations: tuple[ObservationCount, ...]


def summarise(studies: Sequence[Study]) -> AnnotationSummary:
    """Counts studies, reports without text or without entities, and observations by report."""
    counts: dict[Assertion, Counter[str]] = {value: Counter() for value in Assertion}
    for name, value in stated(studies):
        counts[value][name] += 1
    mentioned = sum(counts.values(), Counter[str]())
    ranked = sorted(mentioned, key=lambda name: (-mentioned[name], name))
    return AnnotationSummary(
        studies=len(studies),
        empty=sum(not study.report.text.strip() for study in studies),
        unread=sum(study.report.entities is None for study in studies),
        silent=sum(bool(s.report.text.strip()) and s.report.entities == () for s in studies),
        entities=sum(len(study.report.entities or ()) for study in studies),
        triplets=sum(len(study.report.triplets or ()) for study in studies),
        untold=sum(not study.report.triplets for study in studies),
        observations=tuple(
            ObservationCount(
                name=name,
                present=counts[Assertion.PRESENT][name],
                absent=counts[Assertion.ABSENT][name],
                uncertain=counts[Assertion.UNCERTAIN][name],
            )
            for name in ranked
        ),
    )


def stated(studies: Iterable[Study]) -> Iterator[tuple[str, Assertion]]:
    """What each report as a whole says of each observation in it."""
    for study in studies:
        yield from findings_from_entities(study.report.entities or ()).items()
