"""CheXpert: radiographs of Stanford Hospital, with labels mined from their reports.

The release comes in three shapes with the same tables: one folder, CheXpert-v1.0 or
CheXpert-v1.0-small, or four batches whose folders do not match the paths of the tables. So a
radiograph is found by the folder of its patient, wherever that lies below the root.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

from carina.datasets.cells import SPLIT_NAMES, age_of, sex_of, slashes
from carina.datasets.chexpert_layout import LABELS, TABLES, write_chexpert
from carina.datasets.declaration import Dataset, Release
from carina.datasets.presence import hint_at_spelling, is_there
from carina.datasets.table import Row, Table, read_table
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Study

LICENCE = "Stanford University Dataset Research Use Agreement"
VALID_TABLES = (TABLES["validate"], "val_labels.csv")
TEST_TABLES = ("test.csv", TABLES["test"], "groundtruth.csv")
INNER_FOLDERS = "CheXpert*"
"""Where the tables lie if not in the root: in a version's folder, or the first of the batches."""

VALUES = {
    **dict.fromkeys(("1.0", "1"), Assertion.PRESENT),
    **dict.fromkeys(("0.0", "0"), Assertion.ABSENT),
    **dict.fromkeys(("-1.0", "-1"), Assertion.UNCERTAIN),
}
"""What a label's cell says; an empty one says nothing, which is not absent."""

_PLACE = re.compile(
    r"(?:.*/)?(?P<folder>[a-z]+)/(?P<patient>patient\d+)/(?P<study>study\d+)"
    r"(?:/(?P<file>view\d+_(?:frontal|lateral)\.\w+))?"
)
_PATIENT = re.compile(r"patient\d+")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a table says that something is; `file` is None in a table of whole studies."""

    folder: str
    patient: str
    study: str
    file: str | None

    @property
    def study_id(self) -> str:
        """The study's id: those of patients count on through all parts of the release."""
        return f"{self.patient}_{self.study}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What every row of a study says alike: sex and age as written, and the labels."""

    sex: str
    age: str
    labels: tuple[Finding, ...]


@dataclass(kw_only=True)
class Visit:
    """A study while its rows are read; `number` is that of the first row."""

    place: Place
    number: int
    facts: Facts
    files: set[str | None] = field(default_factory=set)
    radiographs: list[Radiograph] = field(default_factory=list)


def read_chexpert(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the training, validation and test tables, in their order.

    The views of a study are joined. A label that is blank was not mentioned, so it is left out of
    the findings; -1 is uncertain. Sex "Unknown" and age 0 are not known. Ages end at 90. Images
    that are listed but not on disk are left out and counted, and so are studies without any.

    Raises:
        DatasetError: there are no images, a table is not CheXpert's, or a row contradicts itself
            or another row of its study.
    """
    visits = visits_in(release.root, tables_of(release), tally)
    yield from studies_there(release.root, visits, tally)


def visits_in(root: Path, tables: Iterable[Path], tally: Tally) -> list[Visit]:
    """The studies that tables list, their views joined, in the order of their first rows.

    Raises:
        DatasetError: there is no folder of a patient, a table is not CheXpert's, or a row
            contradicts itself or another row of its study.
    """
    opened_tables = [opened(path) for path in tables]
    patients = PatientFolders(root)
    visits: dict[str, Visit] = {}
    for row in chain.from_iterable(table.rows for table in opened_tables):
        place = place_of(row)
        visit = visit_of(visits, row, place, tally)
        visit.radiographs += radiographs_of(row, place, patients, tally)
    return list(visits.values())


def studies_there(root: Path, visits: Sequence[Visit], tally: Tally) -> Iterator[Study]:
    """The studies that have an image on disk, with those that they have.

    Raises:
        DatasetError: not one image is there.
    """
    found = 0
    for visit in visits:
        there = [each for each in visit.radiographs if is_there(root, each.path, tally)]
        found += len(there)
        if there:
            yield _study(visit, there)
        else:
            tally.add("studies left out: none of their images is there", visit.place.study_id)
    if not visits:
        raise DatasetError(
            f"{root}: the tables have no rows, expected one a study or image. They may be cut "
            "short: download them again."
        )
    if not found:
        example = next((each.path for visit in visits for each in visit.radiographs), "")
        raise DatasetError(
            f"{root}: there are folders of patients, but none of the images of the "
            f"{len(visits):,} studies in the tables is in them. Unpack the images that belong to "
            f"these tables.{hint_at_spelling(root, example)}"
        )


def tables_of(release: Release) -> tuple[Path, ...]:
    """The tables of the training, validation and test part, as far as they are there.

    Raises:
        DatasetError: the root holds a table twice, as two versions of the release do.
    """
    if release.table is None:
        train = _table(release.root, (TABLES["train"],))
    else:
        train = release.root / release.table
    found = (train, _table(release.root, VALID_TABLES), _table(release.root, TEST_TABLES))
    return tuple(dict.fromkeys(path for path in found if path is not None))


def _table(root: Path, names: Iterable[str]) -> Path | None:
    """The first of several files that is there, in the root or in a folder of the release."""
    for name in names:
        if (root / name).exists():
            return root / name
        inner = sorted(root.glob(f"{INNER_FOLDERS}/{name}"))
        if len(inner) > 1:
            folders = ", ".join(path.parent.name for path in inner)
            raise DatasetError(
                f"{root}: {name} is in {folders}; expected one release. Give one of these folders."
            )
        if inner:
            return inner[0]
    return None


def opened(path: Path) -> Table:
    """A table of CheXpert's.

    Raises:
        DatasetError: it is a table of something else.
    """
    table = read_table(path)
    missing = [label for label in LABELS if label not in table.columns]
    if not {"Path", "Study"} & set(table.columns):
        missing.insert(0, "Path")
    if missing:
        raise DatasetError(
            f"{path}: found the columns {', '.join(table.columns[:6])}, ..., expected "
            f"{', '.join(missing)} too. Take the tables that came with CheXpert's images."
        )
    return table


def place_of(row: Row) -> Place:
    """Where a row's radiograph or study is; what stands before train/, valid/ or test/ is dropped.

    Raises:
        DatasetError: the path is none of CheXpert's.
    """
    column = "Path" if "Path" in row.cells else "Study"
    found = slashes(row.get(column)).rstrip("/")
    match = _PLACE.fullmatch(found)
    if (
        match is None
        or match["folder"] not in SPLIT_NAMES
        or (match["file"] is None) != (column == "Study")
    ):
        file = "/view1_frontal.jpg" if column == "Path" else ""
        raise row.error(
            column,
            f"found {found!r}, expected such as train/patient00001/study1{file}",
            "Take the tables that came with CheXpert's images.",
        )
    return Place(**match.groupdict())


class PatientFolders:
    """Where the folders of patients lie: in the root, or up to two folders below it.

    Raises:
        DatasetError: there is none, or a patient has two.
    """

    def __init__(self, root: Path) -> None:
        """Looks through the folders once."""
        self.root = root
        self.parents: dict[str, str] = {}
        for parent, patient in _patients_below(root, ".", depth=2):
            if patient in self.parents:
                raise DatasetError(
                    f"{root}: {patient} is both in {self.parents[patient]} and in {parent}; "
                    "expected one release. Give the folder of one."
                )
            self.parents[patient] = parent
        if not self.parents:
            raise DatasetError(
                f"{root}: found no folder of a patient, expected such as train/patient00001 "
                "here or up to two folders below. Unpack the images beside the tables."
            )

    def path(self, place: Place, file: str) -> str:
        """The path of a file below the root; where the table says, if the patient is nowhere."""
        parent = self.parents.get(place.patient, place.folder)
        return f"{parent}/{place.patient}/{place.study}/{file}".removeprefix("./")

    def files(self, place: Place) -> list[str]:
        """The names of a study's files, in order; none where it is not there."""
        return sorted(path.name for path in (self.root / self.path(place, "")).glob("view*_*.*"))


def _patients_below(root: Path, parent: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every folder of a patient, with the folder that it is in, relative to the root."""
    with os.scandir(root / parent) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        if _PATIENT.fullmatch(name):
            yield parent, name
        elif depth and not name.startswith("."):
            yield from _patients_below(root, f"{parent}/{name}".removeprefix("./"), depth - 1)


def radiographs_of(
    row: Row, place: Place, patients: PatientFolders, tally: Tally
) -> list[Radiograph]:
    """The radiograph of a row, or those of a study in a table that names no files."""
    files = patients.files(place) if place.file is None else [place.file]
    return [
        Radiograph(path=patients.path(place, file), view=view_of(row, file, tally))
        for file in files
    ]


def view_of(row: Row, file: str, tally: Tally) -> str:
    """AP, PA, FRONTAL where neither is said, LATERAL; LL and RL as the table has them.

    Raises:
        DatasetError: the table and the name of the file differ.
    """
    side = "Lateral" if "_lateral" in file else "Frontal"
    listed = row.get("Frontal/Lateral") or side
    if listed.lower() != side.lower():
        raise row.error(
            "Frontal/Lateral", f"is {listed!r}, but the file is {file}", "Correct one of the two."
        )
    projection = row.get("AP/PA").upper()
    if side == "Lateral":
        return "LATERAL"
    if projection in ("LL", "RL"):
        tally.add("frontal radiographs with a lateral view, taken as lateral", f"row {row.number}")
    return projection or "FRONTAL"


def visit_of(visits: dict[str, Visit], row: Row, place: Place, tally: Tally) -> Visit:
    """The study of a row, made by its first row.

    Raises:
        DatasetError: the row differs from the first of its study.
    """
    facts = Facts(sex=row.get("Sex"), age=row.get("Age"), labels=findings_of(row))
    visit = visits.get(place.study_id)
    if visit is None:
        visit = visits[place.study_id] = Visit(place=place, number=row.number, facts=facts)
        if facts.sex and sex_of(facts.sex) is None:
            tally.add("studies whose sex is not known", f"row {row.number}")
        if facts.age and years_of(facts.age) is None:
            tally.add("studies whose age is not known", f"row {row.number}")
    if place.file in visit.files:
        column = "Study" if place.file is None else "Path"
        raise row.error(column, "is listed a second time", "Remove one of the two rows.")
    visit.files.add(place.file)
    if facts != visit.facts:
        raise row.error(
            "sex, age or a label",
            f"differs from row {visit.number} of the same study {place.study_id}",
            "The views of a study have one report: correct it.",
        )
    return visit


def findings_of(row: Row) -> tuple[Finding, ...]:
    """What the fourteen labels say: present, absent or uncertain; blank ones are left out.

    Raises:
        DatasetError: a cell says something else.
    """
    cells = tuple(row.get(label) for label in LABELS)
    for label, cell in zip(LABELS, cells, strict=True):
        if cell and cell not in VALUES:
            raise row.error(
                label,
                f"found {cell!r}, expected 1.0, 0.0, -1.0 or nothing",
                "Take the tables that came with CheXpert's images.",
            )
    return _findings(cells)


@cache
def _findings(cells: tuple[str, ...]) -> tuple[Finding, ...]:
    """The findings of a combination of cells; a few thousand combinations make the release."""
    return tuple(
        Finding(name=label, value=VALUES[cell])
        for label, cell in zip(LABELS, cells, strict=True)
        if cell
    )


def years_of(age: str) -> float | None:
    """The age in years; None where it is 0, which stands for not known."""
    return age_of(age) or None


def _study(visit: Visit, radiographs: Sequence[Radiograph]) -> Study:
    facts, place = visit.facts, visit.place
    return Study(
        study_id=place.study_id,
        patient_id=place.patient,
        source=CHEXPERT.name,
        radiographs=tuple(radiographs),
        findings=facts.labels,
        split=SPLIT_NAMES[place.folder],
        sex=sex_of(facts.sex),
        age_years=years_of(facts.age),
        licence=LICENCE,
    )


CHEXPERT = Dataset(
    name="chexpert",
    source="Irvin et al., AAAI 2019, arXiv:1901.07031",
    licence=LICENCE,
    layout=(f"{TABLES['train']} or {INNER_FOLDERS}/{TABLES['train']}",),
    read=read_chexpert,
    write=write_chexpert,
    counts={"studies": 188_341, "radiographs": 224_316, "patients": 65_240},
    takes_table=True,
)
