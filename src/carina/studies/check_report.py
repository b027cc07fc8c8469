"""What `check` found, as data, JSON and a few lines of text."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from carina.imaging.doubts import Doubt, DoubtKind
from carina.studies.counts import Counts
from carina.studies.kinship import Related
from carina.study import Assertion

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
class NearlyShared(Shared):
    """Two pictures that seem to be one: cropped, made smaller, toned, compressed again.

    `likeness` is up to 1, see `imaging.likeness`; `inverted` says that one is the negative.
    `apart` is true where the two stand on two sides; `leak` where they do so for sure.
    """

    apart: bool
    likeness: float
    inverted: bool

    @property
    def of_one_study(self) -> bool:
        """Whether both are radiographs of one study: two exposures look much alike."""
        return len({(place.manifest, place.study_id) for place in self.places}) == 1


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many of the radiographs of `inner` stand in `outer` too, as they are or nearly."""

    inner: str
    outer: str
    shared: int
    radiographs: int


@dataclass(frozen=True, kw_only=True)
class DoubtfulPicture:
    """A picture that looks wrong, and why it does."""

    place: Place
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """A finding of the source against what the report says.

    `start:end` are the characters of the sentence in the report; its text is kept out of here.
    """

    place: Place
    finding: str
    source_says: Assertion
    report_says: Assertion
    entity: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """A finding that is far more, or less, frequent in one split than in the others.

    `present` of `studies` are in the split, `others_present` of `others` in the rest.
    """

    manifest: str
    finding: str
    split: str
    present: int
    studies: int
    others_present: int
    others: int


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """All that `check` found, in full; `summary` names only the first of each kind."""

    counts: tuple[Counts, ...]
    missing: tuple[Problem, ...]
    unreadable: tuple[Problem, ...]
    annotations: tuple[Problem, ...]
    patients: tuple[Shared, ...]
    pictures: tuple[Shared, ...]
    near_duplicates: tuple[NearlyShared, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    related: tuple[Related, ...] = ()
    doubtful: tuple[DoubtfulPicture, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    imbalances: tuple[Imbalance, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether a patient or a picture stands on both sides of a line."""
        found = (*self.patients, *self.pictures, *self.near_duplicates)
        return any(shared.leak for shared in found)

    @property
    def healthy(self) -> bool:
        """Whether there are no leaks, and every file and annotation can be used.

        Doubtful pictures, contradictions and imbalances are for a person to look at; they
        leave a set healthy.
        """
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
        return "\n".join(
            (*_files(self), *_counted(self), *_suspected(self), *_shared(self), _verdict(self))
        )


def _files(report: CheckReport) -> Iterator[str]:
    for kind, problems in (
        ("files are missing", report.missing),
        ("files cannot be read", report.unreadable),
        ("annotations do not fit their picture", report.annotations),
    ):
        if problems:
            yield f"{len(problems)} {kind}:"
            yield from _first(_line(problem) for problem in problems)


def _counted(report: CheckReport) -> Iterator[str]:
    for counts in report.counts:
        if counts.empty_reports == counts.studies:
            yield f"no study has a report: {counts.manifest}"
        elif counts.empty_reports:
            yield f"{counts.empty_reports} of {counts.studies} reports are empty: {counts.manifest}"
        if counts.unknown_views:
            yield (
                f"{counts.unknown_views} of {counts.radiographs} views are not known and are "
                f"taken as frontal: {counts.manifest}"
            )


def _suspected(report: CheckReport) -> Iterator[str]:
    by_kind: dict[DoubtKind, list[tuple[Place, Doubt]]] = defaultdict(list)
    for picture in report.doubtful:
        for doubt in picture.doubts:
            by_kind[doubt.kind].append((picture.place, doubt))
    for kind, found in by_kind.items():
        number = "1 picture" if len(found) == 1 else f"{len(found)} pictures"
        yield f"{number} suspected of being {kind.value}, to be looked at:"
        yield from _first(_doubt_line(place, doubt) for place, doubt in found)
    if report.contradictions:
        yield f"{len(report.contradictions)} findings are contradicted by their report:"
        yield from _first(_contradiction_line(item) for item in report.contradictions)
    if report.imbalances:
        yield f"{len(report.imbalances)} findings are spread unevenly over the splits:"
        yield from _first(imbalance_line(item) for item in report.imbalances)


def _shared(report: CheckReport) -> Iterator[str]:
    for kind, shared in (
        ("LEAK: patients stand in more than one split or set", report.patients),
        ("LEAK: pictures stand in more than one split or set", _leaks(report.pictures)),
        ("LEAK: near duplicates stand in two splits or sets", _leaks(report.near_duplicates)),
        ("pairs in two splits or sets may be near duplicates, look", _maybe(report)),
        ("pictures are there more than once, on one side", _harmless(report.pictures)),
        ("pairs of near duplicates, each on one side", _together(report)),
    ):
        if shared:
            yield f"{len(shared)} {kind}:"
            yield from _first(_shared_line(item) for item in shared)
    exposures = sum(item.of_one_study for item in report.near_duplicates)
    if exposures:
        yield (
            f"{exposures} pairs of one study are nearly one picture, as two exposures are: "
            "no cause for alarm (all of them with --json)."
        )
    for overlap in report.overlaps:
        yield overlap_line(overlap)
    for each in report.related:
        yield related_line(each)


def _verdict(report: CheckReport) -> str:
    if report.leaks:
        return "A model tested on what it has seen looks better than it is: take the leaks out."
    if report.healthy:
        return "No leaks, and every file can be read."
    return "No leaks."


def overlap_line(overlap: Overlap) -> str:
    """How much of one set stands in another, in words."""
    share = overlap.shared / overlap.radiographs
    how = "lies whole inside" if share == 1 else "has a part in"
    return (
        f"{overlap.inner} {how} {overlap.outer}: {overlap.shared} of {overlap.radiographs} "
        f"radiographs ({share:.0%})"
    )


def related_line(each: Related) -> str:
    """What is known of two sets beforehand, and what was found of it, in words."""
    inner, outer = each.kinship.inner, each.kinship.outer
    found = f"{each.radiographs} of {each.asked} radiographs and {each.patients} patients"
    nothing = "" if each.radiographs or each.patients else "; this set may not have them"
    return (
        f"{each.inner} is of {inner}, which has films of {outer} ({each.kinship.told}): "
        f"{found} were found in {each.outer}{nothing}"
    )


def imbalance_line(item: Imbalance) -> str:
    """How a finding is spread, in words."""
    return (
        f"{item.finding}: {item.present} of {item.studies} in {item.split} "
        f"({item.present / item.studies:.1%}), {item.others_present} of {item.others} elsewhere "
        f"({item.others_present / item.others:.1%})"
    )


def _leaks(items: Iterable[Shared]) -> tuple[Shared, ...]:
    return tuple(item for item in items if item.leak)


def _maybe(report: CheckReport) -> tuple[Shared, ...]:
    return tuple(item for item in report.near_duplicates if item.apart and not item.leak)


def _together(report: CheckReport) -> tuple[Shared, ...]:
    together = (item for item in report.near_duplicates if not item.apart)
    return tuple(item for item in together if not item.of_one_study)


def _harmless(items: Iterable[Shared]) -> tuple[Shared, ...]:
    return tuple(item for item in items if not item.leak)


def _line(problem: Problem) -> str:
    place = problem.place
    return f"{place.study_id}, {place.path}: {problem.message}".replace(", :", ":")


def _doubt_line(place: Place, doubt: Doubt) -> str:
    return f"{place.study_id}, {place.path}: {doubt.reason}"


def _contradiction_line(item: Contradiction) -> str:
    return (
        f"{item.place.study_id}: {item.finding} is {item.source_says.value}, its report says "
        f"{item.entity} {item.report_says.value}"
    )


def _shared_line(item: Shared) -> str:
    first = item.places[0]
    kind = "the same picture" if first.path else f"patient {first.patient_id}"
    if isinstance(item, NearlyShared):
        patients = {place.patient_id for place in item.places}
        whose = ", of one patient" if len(patients) == 1 else ""
        kind = f"alike {item.likeness:.2f}{', inverted' if item.inverted else ''}{whose}"
    places = "; ".join(
        ", ".join(filter(None, (place.split, place.study_id, place.path))) for place in item.places
    )
    return f"{kind}: {places}"


def _first(lines: Iterator[str]) -> Iterator[str]:
    everything = list(lines)
    yield from (f"  {line}" for line in everything[:_NAMED])
    if len(everything) > _NAMED:
        yield f"  ... and {len(everything) - _NAMED} more (all of them with --json)"
