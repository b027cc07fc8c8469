"""MIMIC-CXR-JPG and the reports of MIMIC-CXR, as PhysioNet has them in two downloads.

Source: Johnson et al., Sci Data 2019, doi:10.1038/s41597-019-0322-0; arXiv:1901.07042.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from carina.datasets.declaration import Dataset, Release
from carina.datasets.mimic_cxr_exceptions import open_exceptions
from carina.datasets.mimic_cxr_layout import write_mimic_cxr
from carina.datasets.mimic_cxr_reports import open_reports
from carina.datasets.mimic_cxr_tables import (
    LABELS,
    STUDY,
    SUBJECT,
    image_table,
    label_table,
    split_table,
)
from carina.datasets.presence import hint_at_spelling, is_there
from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.imaging.reader import probe
from carina.study import Assertion, Finding, Radiograph, Report, Study

NAME = "mimic-cxr"
LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
PROBED = 8
_OF_IMAGES = ("path", "view", "width", "height", "split")
_FINDINGS = {
    (label, word): Finding(name=label, value=value)
    for label in LABELS
    for word, value in (
        ("1", Assertion.PRESENT),
        ("0", Assertion.ABSENT),
        ("-1", Assertion.UNCERTAIN),
    )
}

Cells = Mapping[str, Any]


def read_mimic_cxr(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies whose images are there, in the order of the metadata.

    A part of the release is read as far as it goes: images that are listed but not on disk are
    left out and counted, and so are studies that have none left. Studies without a report are
    kept, with an empty one, and counted.

    Raises:
        DatasetError: a table or an archive cannot be used, no image is there, or the reports
            are of other studies.
    """
    assert release.second_root is not None
    roots = (release.root, release.second_root)
    images = split_table(roots, image_table(roots, tally), tally)
    yield from studies_there(release, images, label_table(roots, tally), tally)


def studies_there(
    release: Release, images: pl.DataFrame, labels: pl.DataFrame | None, tally: Tally
) -> Iterator[Study]:
    """The studies of a table of images, as far as these are there, with labels and reports.

    Raises:
        DatasetError: no image is there, or the reports are of other studies.
    """
    assert release.second_root is not None
    images = _with_true_sizes(release.root, images, tally)
    rows = _studies(images, labels, tally)
    read_report = open_reports(release.second_root)
    correct = open_exceptions(release.second_root, tally)
    found = told = 0
    for cells in rows.iter_rows(named=True):
        radiographs = _radiographs(release.root, cells, tally)
        if not radiographs:
            tally.add("studies left out: none of their images is there", cells[STUDY])
            continue
        text = read_report(cells[SUBJECT], cells[STUDY], tally)
        if text is None:
            tally.add("studies without a report", cells[STUDY])
        found, told = found + 1, told + (text is not None)
        yield _study(cells, radiographs, correct(cells[STUDY], text or "", tally))
    _check_found(release, images, found, told)


def _studies(images: pl.DataFrame, labels: pl.DataFrame | None, tally: Tally) -> pl.DataFrame:
    """One row a study: lists of what its images have, and its labels."""
    ids = (SUBJECT, STUDY)
    studies = images.group_by(ids, maintain_order=True).agg(*_OF_IMAGES)
    torn = studies.filter(pl.col("split").list.drop_nulls().list.n_unique() > 1)
    if len(torn):
        raise DatasetError(
            f"{len(torn)} studies have images in two splits, such as {torn[STUDY][0]}; expected "
            "one split a study. Download the split table again."
        )
    studies = studies.with_columns(pl.col("split").list.drop_nulls().list.first())
    if labels is None:
        return studies.with_columns(pl.lit(None, pl.String).alias(name) for name in LABELS)
    for name, ours, theirs in (
        ("studies that the label table lacks", studies, labels),
        ("rows of the label table without images in the metadata", labels, studies),
    ):
        alone = ours.join(theirs, on=ids, how="anti", maintain_order="left")
        if len(alone):
            tally.add(name, alone[STUDY][0], len(alone))
    return studies.join(labels, on=ids, how="left", maintain_order="left")


def _radiographs(root: Path, cells: Cells, tally: Tally) -> tuple[Radiograph, ...]:
    """The images of a study that are on disk."""
    found = []
    columns = (cells[name] for name in ("path", "view", "width", "height"))
    for path, view, width, height in zip(*columns, strict=True):
        if is_there(root, path, tally):
            found.append(Radiograph(path=path, view=view, width=width, height=height))
    return tuple(found)


def _study(cells: Cells, radiographs: tuple[Radiograph, ...], text: str) -> Study:
    labels = ((name, cells[name]) for name in LABELS if cells[name] is not None)
    return Study(
        study_id=cells[STUDY],
        patient_id=cells[SUBJECT],
        source=NAME,
        radiographs=radiographs,
        report=Report(text=text),
        findings=tuple(_FINDINGS[label] for label in labels),
        split=cells["split"],
        licence=LICENCE,
    )


def _with_true_sizes(root: Path, images: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """The table's sizes if a few files bear them out, else none: `index` reads them then.

    Many keep the release at a smaller size than it was published in.
    """
    sized = images.filter(pl.col("width").is_not_null())
    checked = 0
    for cells in sized.gather_every(max(len(sized) // 1000, 1)).iter_rows(named=True):
        try:
            header = probe(root / cells["path"])
        except RadiographError:
            continue
        if (header.width, header.height) != (cells["width"], cells["height"]):
            tally.note("The files are not of the sizes in the metadata: sizes are read from them.")
            none = pl.lit(None, pl.Int64)
            return images.with_columns(none.alias("width"), none.alias("height"))
        checked += 1
        if checked == PROBED:
            break
    return images


def _check_found(release: Release, images: pl.DataFrame, found: int, told: int) -> None:
    if not found:
        raise DatasetError(
            f"{release.root}: none of the {len(images):,} images is there, such as "
            f"{images['path'][0]}. Name the folder that holds `files/` as downloaded."
            f"{hint_at_spelling(release.root, images['path'][0])}"
        )
    if not told:
        raise DatasetError(
            f"{release.second_root}: holds reports, but none of the {found:,} studies whose "
            "images are there. Download the reports of the same patients."
        )


MIMIC_CXR = Dataset(
    name=NAME,
    source="Johnson et al., Sci Data 2019, doi:10.1038/s41597-019-0322-0 (JPG: arXiv:1901.07042)",
    licence=LICENCE,
    layout=("files/",),
    read=read_mimic_cxr,
    write=write_mimic_cxr,
    counts={"studies": 227_835, "radiographs": 377_110, "patients": 65_379},
    second_root="the reports (a folder, or mimic-cxr-reports.zip)",
)
