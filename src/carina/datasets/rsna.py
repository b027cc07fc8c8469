"""The RSNA pneumonia challenge of 2018: radiographs of NIH with boxes around lung opacities.

Source: Shih et al., Radiology: Artificial Intelligence 2019, doi:10.1148/ryai.2019180041. An
image is a study and a patient: the challenge tells no more, but the file in which RSNA published
which films of NIH they are does. Papers split it in ways that cannot be compared; each is a
dataset of its own name here.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from carina.datasets.declaration import Dataset, Release
from carina.datasets.dicom_files import patient_in
from carina.datasets.drawn_splits import ShuffledSplit
from carina.datasets.found_images import check_found, images_below, measured_square
from carina.datasets.pixel_boxes import Corners, box_on, checked_corners
from carina.datasets.rsna_layout import (
    BENCHX,
    CLASS_COLUMNS,
    CLASSES,
    COLUMNS,
    EXAMPLE,
    LOVT,
    MRM,
    NORMAL,
    OPACITY,
    OTHER,
    PATTERN,
    SIDE,
    TABLE,
    TEST_IMAGES,
    TRAIN_IMAGES,
    write_benchx,
    write_lovt,
    write_mrm,
    write_rsna,
)
from carina.datasets.split_lists import Parted, PublishedLists, count_strangers
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Box, Finding, Radiograph, Study

SOURCE = "rsna"
"""Of all declarations: they are the same images, so that leaks between them are seen."""

LICENCE = "RSNA challenge terms and NIH Clinical Center: no restrictions; name both"
WHOLE = 26_684
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
NIH_IMAGE = r"\d{8}_\d{3}\.png"
PNEUMONIA = "Pneumonia"
_WORDS = {True: Assertion.PRESENT, False: Assertion.ABSENT}


@dataclass
class Marked:
    """What the tables say of an image. `kind` is its class, None where there is no class file."""

    target: bool
    corners: list[Corners] = field(default_factory=list)
    kind: str | None = None


Splits = Callable[[Release, Mapping[str, Marked], Tally], Parted]


def unsplit(release: Release, marked: Mapping[str, Marked], tally: Tally) -> Parted:
    """No splits: the challenge has none."""
    return Parted(splits={}, labels={})


def shuffled(
    held_out: float, release: Release, marked: Mapping[str, Marked], tally: Tally
) -> Parted:
    """Splits by a published rule, which gives the published parts for the whole table only."""
    if len(marked) != WHOLE:
        tally.note(
            f"The table names {len(marked):,} images, the whole one {WHOLE:,}: this split is made "
            "by the published rule but is not the published split."
        )
    return Parted(splits=ShuffledSplit(held_out=held_out).parts(list(marked)), labels={})


def listed(
    lists: PublishedLists, release: Release, marked: Mapping[str, Marked], tally: Tally
) -> Parted:
    """Splits by published lists, in the second folder.

    Raises:
        DatasetError: a list cannot be used, or labels an image otherwise than the table.
    """
    assert release.second_root is not None
    parted = lists.read(release.second_root, tally)
    for name, label in parted.labels.items():
        if name in marked and marked[name].target != label:
            raise DatasetError(
                f"{release.second_root}: the lists of {lists.name} label {name} as {int(label)}, "
                f"{TABLE} as {int(marked[name].target)}; they are of different versions. Take "
                "both anew."
            )
    count_strangers(parted, {*marked, *parted.labels}, tally)
    return parted


def read_rsna(splits_of: Splits, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the table in its order, then those that only labelled lists name.

    Raises:
        DatasetError: a file is not the challenge's, no image is there, or a row contradicts
            itself.
    """
    marked = marked_in(release.root / TABLE, tally)
    add_classes(release.root / CLASSES, marked, tally)
    parted = splits_of(release, marked, tally)
    asked = marked | {
        name: Marked(target=label) for name, label in parted.labels.items() if name not in marked
    }
    if len(asked) > len(marked):
        tally.add(
            "images labelled by the lists alone: no boxes",
            min(asked.keys() - marked.keys()),
            len(asked) - len(marked),
        )
    places = images_below(release.root, (TRAIN_IMAGES, TEST_IMAGES), depth=1)
    people = patients_in(release.root / MAPPING, tally)
    found = 0
    for name, said in asked.items():
        if name not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        study = _study(release.root, name, places[name], said, parted.splits.get(name), tally)
        yield replace(study, patient_id=people.get(name, name))
    check_found(release.root, found, len(asked), next(iter(asked), ""))
    unlabelled = places.keys() - asked.keys()
    if unlabelled:
        tally.add("images without a label, left out", min(unlabelled), len(unlabelled))


def patients_in(path: Path, tally: Tally) -> dict[str, str]:
    """Image -> NIH's number of its patient, from the published mapping; nothing where it is not.

    Raises:
        DatasetError: the file is of something else.
    """
    if not path.exists():
        tally.note(f"{path.name} is not there: each image is a patient of its own.")
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
        names = {str(row["subset_img_id"]): str(row["img_id"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: cannot be read as a mapping ({type(error).__name__}: {error}); expected "
            "subset_img_id and img_id of each image. Download it again."
        ) from error
    wrong = next((name for name in names.values() if not re.fullmatch(NIH_IMAGE, name)), None)
    if wrong is not None:
        raise DatasetError(
            f"{path}, img_id: found {wrong!r}, expected such as 00000061_012.png. Download it "
            "again."
        )
    return {image: name[:8] for image, name in names.items()}


def marked_in(path: Path, tally: Tally) -> dict[str, Marked]:
    """Image -> what the table says of it.

    Raises:
        DatasetError: it is another table, or a row cannot be understood.
    """
    marked: dict[str, Marked] = {}
    for row in read_table_of(path, COLUMNS, "the RSNA challenge").rows:
        name, target, corners = name_of(row), target_of(row), corners_of(row)
        said = marked.get(name)
        if said is None:
            said = marked[name] = Marked(target=target)
        elif said.target != target:
            raise row.error("Target", f"differs from an earlier row of {name}", "Correct one.")
        elif corners is None:
            raise row.error("patientId", "is listed a second time without a box", "Remove the row.")
        if target != (corners is not None):
            found = "has a box" if corners is not None else "has no box"
            raise row.error("Target", f"is {int(target)}, but the row {found}", "Correct the row.")
        if corners in said.corners:
            tally.add("rows that repeat a box, left out", f"row {row.number}")
        elif corners is not None:
            said.corners.append(corners)
    return marked


def name_of(row: Row) -> str:
    """The name of a row's image.

    Raises:
        DatasetError: it is of another form.
    """
    name = row.get("patientId")
    if not re.fullmatch(PATTERN, name):
        raise row.error(
            "patientId",
            f"found {name!r}, expected a name such as {EXAMPLE}",
            "Names are text: take the table that came with the images.",
        )
    return name


def target_of(row: Row) -> bool:
    """Whether pneumonia is suspected.

    Raises:
        DatasetError: the cell says neither.
    """
    cell = row.get("Target").removesuffix(".0")
    if cell not in ("0", "1"):
        raise row.error("Target", f"found {cell!r}, expected 0 or 1", "Take the table as it came.")
    return cell == "1"


def corners_of(row: Row) -> Corners | None:
    """The corners of a row's box on a square of `SIDE`; None where its cells are empty.

    Raises:
        DatasetError: a cell is no number, or the box has no area or lies outside.
    """
    cells = [row.get(column) for column in ("x", "y", "width", "height")]
    if not any(cells):
        return None
    try:
        x, y, width, height = (float(cell) for cell in cells)
    except ValueError:
        x = y = width = height = math.nan
    try:
        return checked_corners((x, y, x + width, y + height), SIDE)
    except DatasetError as error:
        raise row.error("x, y, width, height", str(error), "Correct or remove the row.") from error


def add_classes(path: Path, marked: dict[str, Marked], tally: Tally) -> None:
    """Adds the three classes, where their file is there.

    Raises:
        DatasetError: it is another file, or differs from the table.
    """
    if not path.exists():
        tally.note(f"{CLASSES} is not there: lung opacity and normal are not told.")
        return
    strangers: list[str] = []
    for row in read_table_of(path, CLASS_COLUMNS, "the RSNA challenge").rows:
        name, kind = name_of(row), row.get("class")
        if kind not in (OPACITY, NORMAL, OTHER):
            raise row.error(
                "class", f"found {kind!r}, expected {OPACITY}, {NORMAL} or {OTHER}", "Correct it."
            )
        if name not in marked:
            strangers.append(name)
        elif marked[name].target != (kind == OPACITY):
            raise row.error(
                "class",
                f"is {kind}, but {TABLE} has the Target {int(marked[name].target)} for {name}",
                "The two files are of different versions: take both from one.",
            )
        else:
            marked[name].kind = kind
    missing = [name for name, said in marked.items() if said.kind is None]
    for what, names in (
        (f"images of {CLASSES} that {TABLE} has not", strangers),
        (f"images that {CLASSES} lacks", missing),
    ):
        if names:
            tally.add(what, names[0], len(names))


def _study(
    root: Path, name: str, path: str, said: Marked, split: str | None, tally: Tally
) -> Study:
    patient = patient_in(root / path)
    if patient.patient_id not in (None, name):
        raise DatasetError(
            f"{root / path}: the file is of patient {patient.patient_id}, expected {name} as it is "
            "named. Copy the image again."
        )
    radiograph: Radiograph | None = Radiograph(path=path)
    boxes: tuple[Box, ...] = ()
    findings = findings_of(said)
    if said.corners:
        radiograph = measured_square(root, Radiograph(path=path), tally)
        scale = (radiograph.width or SIDE) / SIDE if radiograph is not None else None
        labels = [item.name for item in findings if item.value is Assertion.PRESENT]
        boxes = () if scale is None else boxes_of(said, labels, scale)
    return Study(
        study_id=name,
        patient_id=name,
        source=SOURCE,
        radiographs=(radiograph or Radiograph(path=path),),
        findings=findings,
        boxes=boxes,
        split=split,
        sex=patient.sex,
        age_years=patient.age_years,
        licence=LICENCE,
    )


def boxes_of(said: Marked, labels: list[str], scale: float) -> tuple[Box, ...]:
    """Each box under each name of what it shows: papers ask for either."""
    return tuple(
        box_on(corners, label, scale, reader="rsna") for label in labels for corners in said.corners
    )


def findings_of(said: Marked) -> tuple[Finding, ...]:
    """Pneumonia from the target; lung opacity and "No Finding" from the class."""
    findings = [Finding(name=PNEUMONIA, value=_WORDS[said.target])]
    if said.kind is not None:
        findings.append(Finding(name=OPACITY, value=_WORDS[said.kind == OPACITY]))
    if said.kind == NORMAL:
        findings.append(Finding(name="No Finding", value=Assertion.PRESENT))
    return tuple(findings)


RSNA = Dataset(
    name="rsna",
    source="Shih et al., Radiol Artif Intell 2019, doi:10.1148/ryai.2019180041",
    licence=LICENCE,
    layout=(TABLE, f"{TRAIN_IMAGES}/"),
    read=partial(read_rsna, unsplit),
    write=write_rsna,
    counts={"studies": WHOLE, "radiographs": WHOLE},
    labels={"studies with Pneumonia": 6_012, "boxes of Pneumonia": 9_555},
)

RSNA_GLORIA = replace(
    RSNA,
    name="rsna-gloria",
    source=f"{RSNA.source}; split 70 / 15 / 15 by the rule of GLoRIA and MGCA",
    read=partial(read_rsna, partial(shuffled, 0.3)),
)
RSNA_MGCA = replace(
    RSNA,
    name="rsna-mgca",
    source=f"{RSNA.source}; split 60 / 20 / 20 by MGCA's rule for detection and segmentation",
    read=partial(read_rsna, partial(shuffled, 0.4)),
)


def _by_lists(
    lists: PublishedLists, name: str, what: str, write: Callable[..., None], extra: int = 0
) -> Dataset:
    """The release split by lists; `extra` of its images are in the lists alone."""
    return replace(
        RSNA,
        name=name,
        source=f"{RSNA.source}; split {what}",
        read=partial(read_rsna, partial(listed, lists)),
        write=write,
        second_root=f"the folder with {', '.join(lists.files.values())} of {lists.name}",
        counts={what: number + extra for what, number in RSNA.counts.items()},
        labels={} if extra else RSNA.labels,
    )


RSNA_LOVT = _by_lists(
    LOVT, "rsna-lovt", "60 / 20 / 20 by the lists of LoVT, as MedKLIP tests", write_lovt
)
RSNA_BENCHX = _by_lists(BENCHX, "rsna-benchx", "70 / 15 / 15 by the lists of BenchX", write_benchx)
RSNA_MRM = _by_lists(
    MRM,
    "rsna-mrm",
    "25,184 / 1,500 / 3,000 by the lists of MRM, MaCo and ECAMP",
    write_mrm,
    extra=3_000,
)
RSNA_ALL = (RSNA, RSNA_GLORIA, RSNA_MGCA, RSNA_LOVT, RSNA_BENCHX, RSNA_MRM)
