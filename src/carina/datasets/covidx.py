"""COVIDx: radiographs of several collections, with and without COVID-19.

Source: Wang et al., Sci Rep 2020, doi:10.1038/s41598-020-76550-z (three classes); Pavlova et al.,
Front Med 2022, doi:10.3389/fmed.2022.861680 (two classes). Its lists have no header, are parted
by blanks, and have two, three or four columns depending on the version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from carina.datasets.covidx_layout import (
    CLASSES,
    COVID,
    NEGATIVE,
    NORMAL,
    PARTS,
    PNEUMONIA,
    POSITIVE,
    write_covidx,
)
from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.found_images import check_found
from carina.datasets.presence import is_there
from carina.datasets.table import read_lines
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Study

LICENCE = "that of each collection: see COVID-Net's docs/COVIDx.md; research only"
_COVID = {value: Finding(name=COVID, value=value) for value in Assertion}
_PNEUMONIA = {value: Finding(name="Pneumonia", value=value) for value in Assertion}
_NORMAL = Finding(name="No Finding", value=Assertion.PRESENT)

FINDINGS: Mapping[str, tuple[Finding, ...]] = {
    POSITIVE: (_COVID[Assertion.PRESENT],),
    NEGATIVE: (_COVID[Assertion.ABSENT],),
    COVID: (_COVID[Assertion.PRESENT],),
    PNEUMONIA: (_COVID[Assertion.ABSENT], _PNEUMONIA[Assertion.PRESENT]),
    NORMAL: (_COVID[Assertion.ABSENT], _PNEUMONIA[Assertion.ABSENT], _NORMAL),
}
"""Classes -> findings. "negative" may be ill otherwise; "COVID-19" says nothing of pneumonia."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a list. `patient` is None in lists of two columns, `origin` but in four."""

    place: str
    name: str
    label: str
    patient: str | None
    origin: str | None

    @property
    def patient_id(self) -> str:
        """The patient; numbers are of one collection only."""
        if self.patient is None:
            return self.name
        return self.patient if self.origin is None else f"{self.origin}-{self.patient}"


def read_covidx(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the lists, an image each; without a list for it, an eighth validates.

    Raises:
        DatasetError: a list is of another kind or another version, a line cannot be understood,
            or no image is there.
    """
    listed: dict[str, tuple[str, str, str]] = {}
    read: set[str] = set()
    found = 0
    paths = lists_in(release.root)
    for split, path in paths.items():
        for line in lines_in(path):
            said = (split, line.label, line.patient_id)
            if listed.setdefault(line.name, said) != said:
                raise DatasetError(
                    f"{line.place}: {line.name} is listed a second time, with another class, "
                    "patient or part. Take all lists of one version."
                )
            if line.name in read:
                tally.add("lines that repeat an image, left out", line.place)
                continue
            read.add(line.name)
            place = place_of(release.root, PARTS[split], line.name)
            if not is_there(release.root, place, tally):
                continue
            found += 1
            if split == "train" and "validate" not in paths:
                yield _study(line, place, train_or_validate(line.patient_id))
            else:
                yield _study(line, place, split)
    check_found(release.root, found, len(listed), min(listed, default="none"))


def lists_in(root: Path) -> dict[str, Path]:
    """Split -> its list, of one version.

    Raises:
        DatasetError: there are lists of several versions, or of different ones.
    """
    lists: dict[str, Path] = {}
    versions: set[str] = set()
    for split, part in PARTS.items():
        paths = sorted({*root.glob(f"{part}.txt"), *root.glob(f"{part}_COVIDx*.txt")})
        if len(paths) > 1:
            raise DatasetError(
                f"{root}: found {', '.join(path.name for path in paths)}, expected one version. "
                "Leave the lists of one version here and move the others away."
            )
        for path in paths:
            lists[split] = path
            versions.add(path.stem.removeprefix(part))
    if len(versions) > 1:
        raise DatasetError(
            f"{root}: found {', '.join(path.name for path in lists.values())}, which are of "
            "different versions. Take all lists of one."
        )
    return lists


def lines_in(path: Path) -> list[Line]:
    """The lines of a list, taken apart from the right: names of files may have blanks.

    Raises:
        DatasetError: a line has no class, or other columns than the first.
    """
    found: list[Line] = []
    kinds: dict[int, str] = {}
    for number, text in enumerate(read_lines(path), start=1):
        line, columns = _line(text, f"{path}, line {number}")
        kinds.setdefault(columns, line.place)
        if len(kinds) > 1:
            (first, _), (other, place) = kinds.items()
            raise DatasetError(
                f"{place}: has {other} columns, but the lines before have {first}. Take the list "
                "as it was published."
            )
        found.append(line)
    if not found:
        raise DatasetError(f"{path}: is empty, expected a line an image. Download it again.")
    return found


def _line(text: str, place: str) -> tuple[Line, int]:
    """A line and how many columns it has."""
    words = text.split()
    if words[-1] in CLASSES:
        before, label, origin = words[:-1], words[-1], None
    elif len(words) > 1 and words[-2] in CLASSES:
        before, label, origin = words[:-2], words[-2], words[-1]
    else:
        raise DatasetError(
            f"{place}: found {text[:60]!r}, expected a name and one of {', '.join(CLASSES)}, with "
            "a patient before and a collection behind or without. Take the list as published."
        )
    if not before or (origin is not None and len(before) < 2):
        raise DatasetError(
            f"{place}: found {text[:60]!r}, expected the name of an image before the class. Take "
            "the list as published."
        )
    alone = len(before) == 1
    line = Line(
        place=place,
        name=before[0] if alone else text.split(maxsplit=1)[1].rsplit(maxsplit=_behind(origin))[0],
        label=label,
        patient=None if alone else before[0],
        origin=origin,
    )
    return line, 2 + (not alone) + (origin is not None)


def _behind(origin: str | None) -> int:
    """How many words stand behind the name."""
    return 1 if origin is None else 2


def place_of(root: Path, part: str, name: str) -> str:
    """Where an image lies: in its part's folder, that of `data`, or beside the lists."""
    places = (f"{part}/{name}", f"data/{part}/{name}", name)
    return next((place for place in places if (root / place).exists()), places[0])


def _study(line: Line, place: str, split: str) -> Study:
    return Study(
        study_id=line.name,  # endings differ between images of one name
        patient_id=line.patient_id,
        source=COVIDX.name,
        radiographs=(Radiograph(path=place),),
        findings=FINDINGS[line.label],
        split=split,
        licence=LICENCE,
    )


COVIDX = Dataset(
    name="covidx",
    source="Wang et al., Sci Rep 2020, doi:10.1038/s41598-020-76550-z, and later versions",
    licence=LICENCE,
    layout=("train.txt or train_COVIDx*.txt", "test.txt or test_COVIDx*.txt"),
    read=read_covidx,
    write=write_covidx,
)
