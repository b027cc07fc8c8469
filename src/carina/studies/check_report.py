"""What `check` found, as data, JSON and a few lines of text."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from carina.studies.counts import Counts

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands: manifest, split, study, patient and, for a picture, its file."""

    manifest: str
    split: str | None
    study_id: str
    patient_id: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with one file, or with what a study says of it."""

    place: Place
    message: str


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A patient or a picture that stands in several places.

    `leak` is true where it joins what must be apart: two splits, or two sets without splits.
    """

    places: tuple[Place, ...]
    leak: bool


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """All that `check` found, in full; `summary` names only the first of each kind."""

    counts: tuple[Counts, ...]
    missing: tuple[Problem, ...]
    unreadable: tuple[Problem, ...]
    annotations: tuple[Problem, ...]
    patients: tuple[Shared, ...]
    pictures: tuple[Shared, ...]

    @property
    def leaks(self) -> bool:
        """Whether a patient or a picture stands on both sides of a line."""
        return any(shared.leak for shared in (*self.patients, *self.pictures))

    @property
    def healthy(self) -> bool:
        """Whether there are no leaks, and every file and annotation can be used."""
        return not (self.leaks or self.missing or self.unreadable or self.annotations)

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(
            {"healthy": self.healthy, "leaks": self.leaks, **asdict(self)},
            indent=1,
            ensure_ascii=False,
        )

    def summary(self) -> str:
        """A few lines of plain text on what is wrong, or that nothing is."""
        return "\n".join(_summary(self))


def _summary(report: CheckReport) -> Iterator[str]:
    for kind, problems in (
        ("files are missing", report.missing),
        ("files cannot be read", report.unreadable),
        ("annotations do not fit their picture", report.annotations),
    ):
        if problems:
            yield f"{len(problems)} {kind}:"
            yield from _first(_line(problem) for problem in problems)
    for counts in report.counts:
        if counts.empty_reports:
            yield f"{counts.empty_reports} of {counts.studies} reports are empty: {counts.manifest}"
        if counts.unknown_views:
            yield (
                f"{counts.unknown_views} of {counts.radiographs} views are not known and are "
                f"taken as frontal: {counts.manifest}"
            )
    for kind, shared in (
        ("LEAK: patients stand in more than one split or set", report.patients),
        ("LEAK: pictures stand in more than one split or set", _leaks(report.pictures)),
        ("pictures are there more than once, on one side", _harmless(report.pictures)),
    ):
        if shared:
            yield f"{len(shared)} {kind}:"
            yield from _first(_shared_line(item) for item in shared)
    if report.leaks:
        yield "A model tested on what it has seen looks better than it is: take the leaks out."
    elif report.healthy:
        yield "No leaks, and every file can be read."
    else:
        yield "No leaks."


def _leaks(items: Iterable[Shared]) -> tuple[Shared, ...]:
    return tuple(item for item in items if item.leak)


def _harmless(items: Iterable[Shared]) -> tuple[Shared, ...]:
    return tuple(item for item in items if not item.leak)


def _line(problem: Problem) -> str:
    place = problem.place
    return f"{place.study_id}, {place.path}: {problem.message}".replace(", :", ":")


def _shared_line(item: Shared) -> str:
    first = item.places[0]
    kind = "the same picture" if first.path else f"patient {first.patient_id}"
    places = "; ".join(
        ", ".join(filter(None, (place.split, place.study_id, place.path))) for place in item.places
    )
    return f"{kind}: {places}"


def _first(lines: Iterator[str]) -> Iterator[str]:
    everything = list(lines)
    yield from (f"  {line}" for line in everything[:_NAMED])
    if len(everything) > _NAMED:
        yield f"  ... and {len(everything) - _NAMED} more (all of them with --json)"
