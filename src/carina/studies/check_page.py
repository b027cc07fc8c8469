"""The page of `check`: what it found, with the pictures in question, in one self-contained file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TypeVar

from carina.errors import CarinaError
from carina.files import progress, write_text
from carina.imaging.reader import read_grey8
from carina.imaging.store import ImageStore
from carina.pages.html import contents, document, paragraph, section
from carina.pages.overlay import jpeg_data_uri
from carina.studies.check_report import (
    CheckReport,
    Contradiction,
    DoubtfulPicture,
    NearlyShared,
    Place,
    Problem,
    Shared,
    imbalance_line,
    overlap_line,
)
from carina.studies.counts import NO_SPLIT, Counts
from carina.studies.manifest import Manifest
from carina.study import Assertion, Study

PRIVATE_NOTE = (
    "This page shows pictures, identifiers and sentences of reports of the patients in these "
    "manifests. Keep it where the data may be kept, and send it to nobody who may not see them."
)
_PICTURE_SIDE = 220
_MOST_PICTURES = 60
_MOST_LINES = 200

_Show = Callable[[Place], str]
ItemT = TypeVar("ItemT")
SharedT = TypeVar("SharedT", bound=Shared)


def write_check_page(
    report: CheckReport,
    manifests: Sequence[Manifest],
    path: Path,
    stores: Sequence[ImageStore] = (),
) -> None:
    """Writes the page; it loads nothing from anywhere.

    Args:
        report: what was found.
        manifests: those that were checked, for reports and pictures.
        path: of the page.
        stores: pictures are taken from these where they hold them, as in `check`.

    Raises:
        OutputError: the disk is full, or the file may not be written.
    """
    write_text(path, check_page(report, manifests, stores))


def check_page(
    report: CheckReport, manifests: Sequence[Manifest], stores: Sequence[ImageStore] = ()
) -> str:
    """The page as HTML; see `write_check_page`."""
    show = _thumbnails(report, manifests, stores)
    studies = {
        (str(manifest.path), study.study_id): study
        for manifest in manifests
        for study in manifest.studies
    }
    sections = [
        _patients(report),
        _same_pictures(report, show),
        _near_duplicates(report, show),
        _overlaps(report),
        _doubtful(report, show),
        _files(report),
        _contradicted(report, studies),
        _balance(report),
    ]
    top = [f'<p class="note synthetic">{escape(PRIVATE_NOTE)}</p>', _headlines(report)]
    return document("Check of a manifest", "\n".join([*top, contents(sections), *sections]))


def _thumbnails(
    report: CheckReport, manifests: Sequence[Manifest], stores: Sequence[ImageStore]
) -> _Show:
    """Reads the pictures that the page shows, once each."""
    held = dict(zip([str(m.path) for m in manifests], stores, strict=False))
    roots = {str(manifest.path): manifest for manifest in manifests}
    wanted = dict.fromkeys((place.manifest, place.path) for place in _shown_places(report))
    drawn: dict[tuple[str, str], str] = {}
    for name, path in progress(wanted, "Drawing pictures", len(wanted)):
        store = held.get(name)
        try:
            levels = (
                store[path]
                if store is not None and path in store
                else read_grey8(roots[name].absolute(path), short_side=_PICTURE_SIDE)
            )
        except CarinaError:
            drawn[name, path] = '<p class="small soft">cannot be shown</p>'
            continue
        source = jpeg_data_uri(levels, _PICTURE_SIDE)
        drawn[name, path] = f'<img src="{source}" alt="radiograph {escape(path)}"/>'
    return lambda place: drawn[place.manifest, place.path]


def _shown_places(report: CheckReport) -> Iterable[Place]:
    for picture in _most(_by_kind(report.doubtful)):
        yield picture.place
    nearly, equal = _leaks_first(_of_two_studies(report)), _leaks_first(report.pictures)
    for shared in (*_most(nearly), *_most(equal)):
        yield from shared.places[:2]


def _headlines(report: CheckReport) -> str:
    leaks = sum(item.leak for item in (*report.pictures, *report.near_duplicates))
    numbers = (
        ("Patients on two sides", len(report.patients), "leaks"),
        ("Pictures on two sides", leaks, "leaks, near duplicates included"),
        ("Near duplicates", len(_of_two_studies(report)), "pairs that seem to be one picture"),
        ("Doubtful pictures", len(report.doubtful), "to be looked at"),
        ("Files", len(report.missing) + len(report.unreadable), "missing or not readable"),
        ("Contradictions", len(report.contradictions), "of findings and reports"),
    )
    cards = "\n".join(
        f'<div class="headline"><div class="small soft">{label}</div>'
        f'<div class="value">{number:,}</div><div class="small soft">{note}</div></div>'
        for label, number, note in numbers
    )
    verdict = (
        "There are leaks: a model tested on what it has seen looks better than it is."
        if report.leaks
        else "No patient and no picture stands on both sides of a line."
    )
    return f"{paragraph(verdict)}\n<div class='headlines'>{cards}</div>"


def _patients(report: CheckReport) -> str:
    lines = [
        [escape(shared.places[0].patient_id), "; ".join(_where(p) for p in shared.places)]
        for shared in report.patients
    ]
    return section("patients", "Patients on two sides", _table(("patient", "stands in"), lines))


def _same_pictures(report: CheckReport, show: _Show) -> str:
    shared = _leaks_first(report.pictures)
    note = paragraph("The files of each group are equal, byte by byte.", "soft") if shared else ""
    cases = [_pair(item, show, f"{len(item.places)} places") for item in _most(shared)]
    return section("same", "The same picture", note, _cases(cases, len(shared)))


def _near_duplicates(report: CheckReport, show: _Show) -> str:
    shared = _leaks_first(_of_two_studies(report))
    exposures = len(report.near_duplicates) - len(shared)
    more = f"{exposures} pairs of one study are nearly one picture, as two exposures are."
    note = paragraph(
        "Pictures that seem to be one though their files differ: cropped, resized, toned, "
        "compressed again or inverted. Likeness is up to 1; two films of one person on two days "
        "stay below 0.5. From 0.68 on a pair on two sides counts as a leak. Look for ribs and "
        "markers that are the same.",
        "soft",
    )
    cases = [
        _pair(item, show, f"likeness {item.likeness:.2f}{', inverted' if item.inverted else ''}")
        for item in _most(shared)
    ]
    return section(
        "alike",
        "Near duplicates",
        note if shared else "",
        paragraph(more, "soft") if exposures else "",
        _cases(cases, len(shared)),
    )


def _of_two_studies(report: CheckReport) -> tuple[NearlyShared, ...]:
    return tuple(item for item in report.near_duplicates if not item.of_one_study)


def _pair(item: Shared, show: _Show, title: str) -> str:
    places = "<br/>".join(_where(place) for place in item.places)
    apart = item.apart if isinstance(item, NearlyShared) else item.leak
    leak = ", <strong>on two sides</strong>" if apart else ""
    return (
        f'<figure class="case"><div class="pair">{"".join(map(show, item.places[:2]))}</div>'
        f'<figcaption class="small"><strong>{escape(title)}</strong>{leak}<br/>{places}'
        "</figcaption></figure>"
    )


def _overlaps(report: CheckReport) -> str:
    lines = [paragraph(overlap_line(overlap)) for overlap in report.overlaps]
    return section("overlaps", "Sets that share pictures", *lines)


def _doubtful(report: CheckReport, show: _Show) -> str:
    note = paragraph(
        "A suspicion, not an error: look at each. How often films that are right are suspected, "
        "and films that are wrong are missed, is measured in benchmarks/check.csv.",
        "soft",
    )
    ordered = _by_kind(report.doubtful)
    cases = [_doubtful_case(picture, show) for picture in _most(ordered)]
    shown = _cases(cases, len(ordered), "curves")
    return section("doubtful", "Pictures that look wrong", note if shown else "", shown)


def _doubtful_case(picture: DoubtfulPicture, show: _Show) -> str:
    doubts = "<br/>".join(
        f"<strong>{escape(doubt.kind.value)}</strong>: {escape(doubt.reason)}"
        for doubt in picture.doubts
    )
    return (
        f'<figure class="case"><div class="one">{show(picture.place)}</div>'
        f'<figcaption class="small">{doubts}<br/>{_where(picture.place)}</figcaption></figure>'
    )


def _files(report: CheckReport) -> str:
    problems: tuple[Problem, ...] = (*report.missing, *report.unreadable, *report.annotations)
    lines = [[_where(problem.place), escape(problem.message)] for problem in problems]
    return section("files", "Files and annotations", _table(("where", "what is wrong"), lines))


def _contradicted(report: CheckReport, studies: Mapping[tuple[str, str], Study]) -> str:
    note = paragraph(
        "Findings that the source gives, against the sentence that says otherwise, as the reader "
        "of reports understood it. Either may be wrong.",
        "soft",
    )
    lines = [
        [
            _where(item.place),
            f"{escape(item.finding)} {item.source_says.value}",
            f"{escape(item.entity)} {item.report_says.value}",
            _sentence(item, studies),
        ]
        for item in report.contradictions
    ]
    heads = ("study", "source", "report", "sentence")
    return section(
        "contradictions", "Findings against reports", note if lines else "", _table(heads, lines)
    )


def _sentence(item: Contradiction, studies: Mapping[tuple[str, str], Study]) -> str:
    study = studies[item.place.manifest, item.place.study_id]
    return escape(" ".join(study.report.text[item.start : item.end].split()))


def _balance(report: CheckReport) -> str:
    uneven = [paragraph(imbalance_line(item)) for item in report.imbalances]
    heading = paragraph("Spread further than by chance:") if uneven else ""
    tables = [_balance_table(counts) for counts in report.counts]
    return section("balance", "Findings in each split", heading, *uneven, *tables)


def _balance_table(counts: Counts) -> str:
    splits = list(counts.splits)
    rows = [
        [escape(finding), *(_share(counts, values.get(split, {}), split) for split in splits)]
        for finding, values in sorted(counts.findings.items())
    ]
    heads = ["finding", *(f"{split} ({counts.splits[split]:,})" for split in splits)]
    return _table(heads, rows, f"{counts.manifest}: studies in which a finding is present")


def _share(counts: Counts, values: Mapping[str, int], split: str) -> str:
    present = values.get(Assertion.PRESENT, 0)
    return f"{present:,} ({present / counts.splits[split]:.1%})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table of cells that are HTML already; nothing where there are no rows."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col" class="name">{escape(head)}</th>' for head in heads)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[:_MOST_LINES]
    )
    return (
        f'<div class="scroll"><table class="facts"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{_left_out(len(rows) - _MOST_LINES)}"
    )


def _cases(cases: Sequence[str], count: int, grid: str = "cases") -> str:
    if not cases:
        return ""
    return f'<div class="{grid}">{"".join(cases)}</div>{_left_out(count - len(cases))}'


def _left_out(count: int) -> str:
    return paragraph(f"{count:,} more are in the JSON.", "soft") if count > 0 else ""


def _where(place: Place) -> str:
    words = (place.split or NO_SPLIT, place.study_id, place.path)
    return escape(", ".join(filter(None, words)))


def _most(items: Sequence[ItemT]) -> Sequence[ItemT]:
    return items[:_MOST_PICTURES]


def _by_kind(pictures: Sequence[DoubtfulPicture]) -> list[DoubtfulPicture]:
    return sorted(pictures, key=lambda picture: picture.doubts[0].kind)


def _leaks_first(items: Sequence[SharedT]) -> list[SharedT]:
    return sorted(items, key=lambda item: not item.leak)
