"""VinDr-CXR: radiographs of two hospitals in Hanoi, each read by several radiologists.

Source: Nguyen et al., Sci Data 2022, doi:10.1038/s41597-022-01498-w; PhysioNet,
doi:10.13026/3akn-b287. Of the training part three readers saw each image, and their boxes and
labels differ; of the test part there is the consensus of five. The challenge of 2020 has the
training part alone, with fewer classes.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from carina.datasets.declaration import Dataset, Release
from carina.datasets.dicom_files import patient_in
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.found_images import check_found, images_below
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.datasets.vindr_cxr_layout import (
    ANNOTATIONS,
    BOXES,
    CLASS,
    CORNERS,
    FOLDERS,
    IMAGE,
    KAGGLE_NAMES,
    KAGGLE_TABLE,
    LABELS,
    NAMES,
    NOTHING,
    OTHER,
    OTHERS,
    READER,
    write_vindr_cxr,
    write_vindr_cxr_kaggle,
)
from carina.errors import RadiographError
from carina.imaging.reader import FileKind, probe
from carina.study import Assertion, Box, Finding, Radiograph, Study

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
KAGGLE_LICENCE = "VinBigData challenge terms: non-commercial research"
SOURCE = "vindr-cxr"
"""Of both declarations: they are the same images under the same names."""

CONSENSUS = "consensus"
BEYOND = 1.0
"""By how many pixels a box may reach over the edge of its picture."""

ADVICE = "Take the tables that came with the images."


@dataclass(kw_only=True)
class Read:
    """What is said of an image: who read it, how many of these name a finding, and the boxes."""

    readers: set[str] = field(default_factory=set)
    votes: Counter[str] = field(default_factory=Counter)
    boxes: list[tuple[str, Box]] = field(default_factory=list)


def read_vindr_cxr(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the images of the training part, then of the test part, in the order of the labels.

    A finding that most readers of an image name is present, one that fewer name is uncertain,
    one that nobody names is absent. Every reader's boxes are kept under the reader's name. An
    eighth of the training images validates.

    Raises:
        DatasetError: a table is another one, a row cannot be understood, or no image is there.
    """
    folder = release.root / ANNOTATIONS
    for part in FOLDERS:
        images: dict[str, Read] = {}
        for row in read_table_of(folder / LABELS[part], (IMAGE, NOTHING), SOURCE).rows:
            add_labels(images, row)
        for row in read_table_of(folder / BOXES[part], (IMAGE, CLASS, *CORNERS), SOURCE).rows:
            add_box(images, row, NAMES)
        yield from studies_of(release.root, part, images, NAMES, LICENCE, tally)


def read_vindr_cxr_kaggle(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the images of the challenge's table; its test part has no labels and is left out.

    Raises:
        DatasetError: it is another table, a row cannot be understood, or no image is there.
    """
    images: dict[str, Read] = {}
    path = release.root / KAGGLE_TABLE
    for row in read_table_of(path, (IMAGE, CLASS, READER, *CORNERS), "the challenge").rows:
        images.setdefault(row.get(IMAGE), Read()).readers.add(row.get(READER))
        add_box(images, row, KAGGLE_NAMES)
    for read in images.values():
        read.votes = votes_of(read)
    yield from studies_of(release.root, "train", images, KAGGLE_NAMES, KAGGLE_LICENCE, tally)


def votes_of(read: Read) -> Counter[str]:
    """How many readers boxed each class; those who boxed none found nothing."""
    said = {(box.reader, name) for name, box in read.boxes}
    votes = Counter(name for _, name in said)
    votes[NOTHING] = len(read.readers - {reader for reader, _ in said if reader})
    return votes


def add_labels(images: dict[str, Read], row: Row) -> None:
    """Adds what one reader, or the consensus, labels an image.

    Raises:
        DatasetError: a label is neither 1 nor 0, a class is missing, or a reader has two rows.
    """
    read, reader = images.setdefault(row.get(IMAGE), Read()), row.get(READER) or CONSENSUS
    if reader in read.readers:
        raise row.error(IMAGE, f"{row.get(IMAGE)} was read by {reader} before", ADVICE)
    read.readers.add(reader)
    for name in NAMES:
        column = OTHERS if name == OTHER and OTHER not in row.cells else name
        value = _LABELS.get(row.get(column))
        if value is None:
            raise row.error(column, f"found {row.get(column)!r}, expected 1 or 0", ADVICE)
        read.votes[name] += value


def add_box(images: Mapping[str, Read], row: Row, names: Sequence[str]) -> None:
    """Adds the box of a row; "No finding" has none.

    Raises:
        DatasetError: the image has no labels, the class is unknown, or the corners are no box.
    """
    name = OTHER if row.get(CLASS) == OTHERS else row.get(CLASS)
    if row.get(IMAGE) not in images:
        raise row.error(IMAGE, f"{row.get(IMAGE)!r} is in no table of labels", ADVICE)
    if name not in names:
        raise row.error(CLASS, f"found {name!r}, expected one of {', '.join(names)}", ADVICE)
    if name == NOTHING:
        return
    x1, y1, x2, y2 = corners_of(row)
    reader = row.get(READER) or None
    box = Box(radiograph=0, label=name, x1=x1, y1=y1, x2=x2, y2=y2, reader=reader)
    images[row.get(IMAGE)].boxes.append((name, box))


def corners_of(row: Row) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels of the original.

    Raises:
        DatasetError: they are no numbers, or enclose nothing.
    """
    told = ", ".join(row.get(column) for column in CORNERS)
    try:
        x1, y1, x2, y2 = (float(row.get(column)) for column in CORNERS)
    except ValueError as error:
        raise row.error(CORNERS[0], f"found {told!r}, expected four numbers", ADVICE) from error
    if not (x1 < x2 and y1 < y2 and all(map(math.isfinite, (x1, y1, x2, y2)))):
        raise row.error(CORNERS[0], f"the box {told} has no area", ADVICE)
    return x1, y1, x2, y2


def studies_of(
    root: Path,
    part: str,
    images: Mapping[str, Read],
    names: Sequence[str],
    licence: str,
    tally: Tally,
) -> Iterator[Study]:
    """The studies of a part, as far as their images are there.

    Raises:
        DatasetError: not one is.
    """
    places = images_below(root, (FOLDERS[part],), depth=0)
    found = 0
    for name, read in images.items():
        if name not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        patient = patient_in(root / places[name])
        study = Study(
            study_id=name,
            patient_id=patient.patient_id or name,
            source=SOURCE,
            radiographs=(Radiograph(path=places[name], view="PA"),),
            findings=tuple(Finding(name=each, value=said_of(read, each)) for each in names),
            split="test" if part == "test" else train_or_validate(patient.patient_id or name),
            sex=patient.sex,
            age_years=patient.age_years,
            licence=licence,
        )
        yield with_boxes(study, read, root, tally)
    check_found(root, found, len(images), next(iter(images), ""))


def said_of(read: Read, name: str) -> Assertion:
    """Present where most readers name it, uncertain where some do, else absent."""
    if 2 * read.votes[name] > len(read.readers):
        return Assertion.PRESENT
    return Assertion.UNCERTAIN if read.votes[name] else Assertion.ABSENT


def with_boxes(study: Study, read: Read, root: Path, tally: Tally) -> Study:
    """The study with its size and its boxes, cut off at the edge of the picture.

    Boxes are in pixels of the DICOM file. Of a copy in another format nobody knows whether it was
    made smaller, so its boxes are left out.
    """
    path = study.radiographs[0].path
    try:
        header = probe(root / path)
    except RadiographError:
        tally.add("images whose boxes are left out: they cannot be read", path)
        return study
    sized = replace(study.radiographs[0], width=header.width, height=header.height)
    study = replace(study, radiographs=(sized,))
    if header.kind is not FileKind.DICOM:
        tally.add("images whose boxes are left out: copies that may be smaller", path)
        return study
    inside = [box for _, box in read.boxes if is_inside(box, header.width, header.height)]
    if len(inside) < len(read.boxes):
        tally.add("boxes outside of their picture, left out", path, len(read.boxes) - len(inside))
    return replace(
        study,
        boxes=tuple(
            replace(
                box,
                x1=max(0.0, box.x1),
                y1=max(0.0, box.y1),
                x2=min(float(header.width), box.x2),
                y2=min(float(header.height), box.y2),
            )
            for box in inside
        ),
    )


def is_inside(box: Box, width: int, height: int) -> bool:
    """Whether a box lies on its picture, but for a pixel."""
    low, high = min(box.x1, box.y1), max(box.x2 - width, box.y2 - height)
    return low >= -BEYOND and high <= BEYOND


_LABELS = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}

VINDR_CXR = Dataset(
    name="vindr-cxr",
    source="Nguyen et al., Sci Data 2022, doi:10.1038/s41597-022-01498-w",
    licence=LICENCE,
    layout=(
        *(f"{ANNOTATIONS}/{file}" for file in (*LABELS.values(), *BOXES.values())),
        *(f"{folder}/" for folder in FOLDERS.values()),
    ),
    read=read_vindr_cxr,
    write=write_vindr_cxr,
    counts={"studies": 18_000, "radiographs": 18_000},
)
VINDR_CXR_KAGGLE = Dataset(
    name="vindr-cxr-kaggle",
    source=f"{VINDR_CXR.source}; VinBigData challenge 2020, "
    "kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection",
    licence=KAGGLE_LICENCE,
    layout=(KAGGLE_TABLE, f"{FOLDERS['train']}/"),
    read=read_vindr_cxr_kaggle,
    write=write_vindr_cxr_kaggle,
    counts={"studies": 15_000, "radiographs": 15_000},
)
