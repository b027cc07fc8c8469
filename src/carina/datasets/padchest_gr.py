"""PadChest-GR: sentences of PadChest's reports, each with boxes around what it speaks of.

Source: de Castro et al., arXiv:2411.05085 (NEJM AI 2025). A language model took the Spanish
reports apart into sentences of one finding each and translated them; radiologists drew the boxes.
Boxes are shares of the width and height of the picture. The images are PadChest's, so the source
is called `padchest`: patients that are in both are seen.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from carina.datasets.cells import SPLIT_NAMES, age_of, sex_of
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found, images_below
from carina.datasets.padchest import LICENCE, PADCHEST, levels_of
from carina.datasets.padchest_gr_layout import AGE, REPORTS, SPLIT, TABLE, write_padchest_gr
from carina.datasets.padchest_layout import BITS, IMAGE, NORMAL, PATIENT, PHOTOMETRIC, SEX, STUDY
from carina.datasets.padchest_layout import TABLE as PADCHEST_TABLE
from carina.datasets.presence import is_there
from carina.datasets.released_json import one_version, read_json
from carina.datasets.released_table import ROW, checked_ids, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.imaging.reader import probe
from carina.imaging.told_levels import ToldLevels
from carina.study import Assertion, Box, Finding, Radiograph, Report, Study

BEYOND = 0.002
"""By what share of the picture a box may reach over its edge."""

ADVICE = "Use the file as downloaded."
_EXAMPLE = "20536686640136348236148679891455886468"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the table says of a study."""

    patient: str
    split: str
    sex: str | None
    age_years: float | None


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence of a report: its labels and boxes where it speaks of something abnormal."""

    text: str
    abnormal: bool
    labels: tuple[str, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()


def read_padchest_gr(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the reports, in their order, an image each.

    The report is the English sentences, one after another. The labels of abnormal sentences are
    present, `normal` where there is none; nothing is said to be absent. Boxes are those of the
    first reader: where a second one drew some too, these are counted.

    Raises:
        DatasetError: a file is of something else, a study has no row in the table, or no image
            is there.
    """
    path = one_version(release.root, REPORTS)
    known = known_in(release.root / TABLE, tally)
    places = images_below(release.root, (".",), depth=3)
    found = 0
    records = records_in(path)
    levels = levels_in(release.root / PADCHEST_TABLE, [str(one[IMAGE]) for one in records], tally)
    for number, record in enumerate(records, start=1):
        where = f"{path}, study {number}"
        study_id, image = str(record.get(STUDY)), str(record.get(IMAGE))
        if study_id not in known:
            raise DatasetError(
                f"{where}: {STUDY} is {study_id}, which {TABLE} has not. Take both files from one "
                "download."
            )
        sentences = sentences_in(record, where, tally)
        place = places.get(Path(image).stem)
        if place is None:
            tally.add("images that are listed but not there, left out", image)
        elif is_there(release.root, place, tally):
            found += 1
            told = levels.get(Path(image).stem, ToldLevels()).after(place)
            study = _study(study_id, told, known[study_id], sentences)
            yield with_boxes(study, sentences, release.root / place, tally)
    check_found(release.root, found, len(records), str(records[0].get(IMAGE)) if records else "")
    tally.note("The sentences were translated into English by a language model.")


def records_in(path: Path) -> list[Mapping[str, Any]]:
    """The studies of the file.

    Raises:
        DatasetError: it is something else, or names a study or an image twice.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise DatasetError(
            f"{path}: found {type(content).__name__}, expected a list of studies with {STUDY}, "
            f"{IMAGE} and findings. Take the file of PadChest-GR."
        )
    for key in (STUDY, IMAGE):
        seen: set[str] = set()
        for number, record in enumerate(content, start=1):
            if not isinstance(record.get(key), str | int) or str(record[key]) in seen:
                raise DatasetError(
                    f"{path}, study {number}, {key}: found {record.get(key)!r}, expected one that "
                    f"no other study has. {ADVICE}"
                )
            seen.add(str(record[key]))
    return content


def known_in(path: Path, tally: Tally) -> dict[str, Known]:
    """Study -> what the rows of the table say alike.

    Raises:
        DatasetError: it is another table, or a study has two patients or splits.
    """
    table = read_columns(path, (STUDY, PATIENT, SPLIT, SEX, AGE), tally)
    for column in (STUDY, PATIENT):
        table = checked_ids(table, column, r"[0-9A-Za-z_-]+", _EXAMPLE, path, tally)
    known: dict[str, Known] = {}
    for row in table.iter_rows(named=True):
        split = SPLIT_NAMES.get((row[SPLIT] or "").lower())
        if split is None:
            raise DatasetError(
                f"{path}, row {row[ROW]}, {SPLIT}: found {row[SPLIT]!r}, expected train, "
                f"validation or test. {ADVICE}"
            )
        said = Known(
            patient=row[PATIENT],
            split=split,
            sex=sex_of(row[SEX] or ""),
            age_years=age_of(row[AGE] or ""),
        )
        first = known.setdefault(row[STUDY], said)
        if (first.patient, first.split) != (said.patient, said.split):
            raise DatasetError(
                f"{path}, row {row[ROW]}: the study {row[STUDY]} is of another patient or split "
                f"than in an earlier row. {ADVICE}"
            )
    return known


def levels_in(path: Path, images: Sequence[str], tally: Tally) -> dict[str, ToldLevels]:
    """Image -> its levels, from PadChest's own table where that lies here; else nothing.

    Raises:
        DatasetError: a cell of it cannot be understood.
    """
    if not path.exists():
        tally.note(
            f"{path.name} is not there, so bits and inversion of the pictures are not told: they "
            "are read as they are. Put PadChest's table here to have them told."
        )
        return {}
    table = read_columns(path, (IMAGE, BITS, PHOTOMETRIC), tally)
    ours = table.filter(pl.col(IMAGE).is_in(list(images)))
    return {
        Path(row[IMAGE]).stem: levels_of(row, path, tally) for row in ours.iter_rows(named=True)
    }


def sentences_in(record: Mapping[str, Any], where: str, tally: Tally) -> tuple[Sentence, ...]:
    """The sentences of a study.

    Raises:
        DatasetError: one is of another form, or a box is none.
    """
    findings = record.get("findings")
    if not isinstance(findings, list) or not all(isinstance(one, dict) for one in findings):
        raise DatasetError(f"{where}: found no list of findings. {ADVICE}")
    sentences = []
    for number, finding in enumerate(findings, start=1):
        place = f"{where}, finding {number}"
        text, abnormal = finding.get("sentence_en"), finding.get("abnormal", False)
        labels, boxes = finding.get("labels") or [], finding.get("boxes") or []
        if not isinstance(text, str) or not isinstance(abnormal, bool):
            raise DatasetError(
                f"{place}: found sentence_en {text!r} and abnormal {abnormal!r}, expected text and "
                f"true or false. {ADVICE}"
            )
        if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
            raise DatasetError(f"{place}: found labels {labels!r}, expected words. {ADVICE}")
        if finding.get("extra_boxes"):
            tally.add("sentences that a second reader boxed too: the first one's are read", place)
        sentences.append(
            Sentence(
                text=" ".join(text.split()),
                abnormal=abnormal,
                labels=tuple(dict.fromkeys(" ".join(name.lower().split()) for name in labels)),
                boxes=tuple(_corners(box, place) for box in boxes),
            )
        )
    return tuple(sentences)


def _corners(box: Any, place: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom as shares of the picture."""
    try:
        x1, y1, x2, y2 = map(float, box)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{place}: found the box {box!r}, expected four numbers. {ADVICE}"
        ) from error
    within = min(x1, y1) >= -BEYOND and max(x2, y2) <= 1 + BEYOND
    if not (x1 < x2 and y1 < y2 and within and all(map(math.isfinite, (x1, y1, x2, y2)))):
        raise DatasetError(
            f"{place}: found the box {box!r}, expected x1 < x2 and y1 < y2 in shares of the "
            f"picture from 0 to 1. {ADVICE}"
        )
    return x1, y1, x2, y2


def _study(study_id: str, path: str, known: Known, sentences: Sequence[Sentence]) -> Study:
    names = dict.fromkeys(name for each in sentences if each.abnormal for name in each.labels)
    ill = any(each.abnormal for each in sentences)
    text = " ".join(each.text for each in sentences)
    return Study(
        study_id=study_id,
        patient_id=known.patient,
        source=PADCHEST.name,
        radiographs=(Radiograph(path=path),),
        report=Report(text=f"FINDINGS: {text}" if text else ""),
        findings=tuple(
            Finding(name=name, value=Assertion.PRESENT) for name in (names if ill else (NORMAL,))
        ),
        split=known.split,
        sex=known.sex,
        age_years=known.age_years,
        licence=LICENCE,
    )


def with_boxes(study: Study, sentences: Sequence[Sentence], path: Path, tally: Tally) -> Study:
    """The study with its size, and the boxes of each sentence in pixels, under each label."""
    try:
        header = probe(path)
    except RadiographError:
        tally.add("images whose boxes are left out: they cannot be read", path.name)
        return study
    sized = replace(study.radiographs[0], width=header.width, height=header.height)
    boxes = tuple(
        Box(
            radiograph=0,
            label=label,
            x1=max(0.0, x1) * header.width,
            y1=max(0.0, y1) * header.height,
            x2=min(1.0, x2) * header.width,
            y2=min(1.0, y2) * header.height,
            phrase=sentence.text or None,
        )
        for sentence in sentences
        if sentence.abnormal
        for label in sentence.labels
        for x1, y1, x2, y2 in sentence.boxes
    )
    return replace(study, radiographs=(sized,), boxes=boxes)


PADCHEST_GR = Dataset(
    name="padchest-gr",
    source="de Castro et al., arXiv:2411.05085 (images: PadChest)",
    licence=LICENCE,
    layout=(REPORTS, TABLE),
    read=read_padchest_gr,
    write=write_padchest_gr,
    counts={"studies": 4_555, "radiographs": 4_555},
)
