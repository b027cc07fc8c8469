"""The SIIM-ACR challenge as a mirror keeps it: PNG pictures, a mask each, and two tables.

Source: kaggle.com/datasets/vbookshelf/pneumothorax-chest-xray-images-and-masks, of the first stage.
BenchX (Zhou et al., NeurIPS 2024, arXiv:2410.21969) splits it. The files tell no patient; they keep
the identifiers of the challenge, so the source is called `siim`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from carina.datasets.cells import slashes
from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_splits import train_or_validate
from carina.datasets.found_images import check_found, images_below
from carina.datasets.mask_folder import MaskFolder, inside_of_file, mask_folder_of
from carina.datasets.siim import ABSENT, LABEL, LICENCE, PRESENT, SOURCE
from carina.datasets.siim_layout import EXAMPLE, PATTERN
from carina.datasets.siim_png_layout import (
    BENCHX,
    FILE,
    ID,
    IMAGES,
    MASKS,
    NAME,
    SICK,
    TABLES,
    write_benchx,
    write_siim_png,
)
from carina.datasets.split_lists import Splits, splits_of_lists
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.study import Mask, Radiograph, Study

ADVICE = "Take the tables that came with the pictures."


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A row of a table: the challenge's identifier, the part, and whether it is sick."""

    identifier: str
    part: str
    sick: bool


def by_part(release: Release, listed: Mapping[str, Listed], tally: Tally) -> Mapping[str, str]:
    """The mirror's own test part; an eighth of the others validates."""
    return {
        name: "test" if each.part == "test" else train_or_validate(each.identifier)
        for name, each in listed.items()
    }


def read_siim_png(splits_of: Splits, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the pictures of both tables in their order; draws the masks where that is wanted.

    Raises:
        DatasetError: a table is another one, a row contradicts itself, or no picture is there.
        OutputError: a mask cannot be written.
    """
    listed = listed_in(release.root)
    splits, folder = splits_of(release, listed, tally), mask_folder_of(release)
    places = images_below(release.root, (IMAGES,), depth=0)
    found = 0
    for name, each in listed.items():
        if name not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        study = _study(each, places[name], splits.get(name))
        mask = release.root / MASKS / PurePosixPath(places[name]).name
        yield with_mask(study, mask, folder, release.root, tally) if each.sick else study
    check_found(release.root, found, len(listed), next(iter(listed), ""))


def listed_in(root: Path) -> dict[str, Listed]:
    """Name of the picture without ending -> its row, of both tables.

    Raises:
        DatasetError: a table is another one, or a row is listed twice or contradicts itself.
    """
    listed: dict[str, Listed] = {}
    seen: set[str] = set()
    for part, table in TABLES.items():
        for row in read_table_of(root / table, (FILE, ID, SICK), "the mirror").rows:
            name, each = _row(row, part)
            if name in listed or each.identifier in seen:
                raise row.error(FILE, f"{name} is listed a second time", "Remove one of the rows.")
            listed[name] = each
            seen.add(each.identifier)
    return listed


def _row(row: Row, part: str) -> tuple[str, Listed]:
    name = PurePosixPath(slashes(row.get(FILE))).stem
    match, identifier = re.fullmatch(NAME, name), row.get(ID)
    if match is None:
        problem = f"found {row.get(FILE)!r}, expected such as {BENCHX.example}.png"
        raise row.error(FILE, problem, ADVICE)
    if not re.fullmatch(PATTERN, identifier):
        problem = f"found {identifier!r}, expected an identifier such as {EXAMPLE}"
        raise row.error(ID, problem, ADVICE)
    sick = row.get(SICK).removesuffix(".0")
    if sick != match["sick"] or part != match["part"]:
        problem = f"is {sick!r} in the table of {part}, but the picture is called {name}"
        raise row.error(SICK, problem, ADVICE)
    return name, Listed(identifier=identifier, part=part, sick=sick == "1")


def _study(each: Listed, path: str, split: str | None) -> Study:
    return Study(
        study_id=each.identifier,
        patient_id=each.identifier,
        source=SOURCE,
        radiographs=(Radiograph(path=path),),
        findings=PRESENT if each.sick else ABSENT,
        split=split,
        licence=LICENCE,
    )


def with_mask(
    study: Study, mask: Path, folder: MaskFolder | None, root: Path, tally: Tally
) -> Study:
    """The study with its mask, which has to be of the size of its picture."""
    if not mask.is_file():
        tally.add("images of a pneumothorax without a mask", mask.name)
        return study
    if folder is None:
        return study
    inside = inside_of_file(mask, root / study.radiographs[0].path, tally)
    if inside is None:
        return study
    if not inside.any():
        tally.add("masks of a pneumothorax without a pixel, left out", mask.name)
        return study
    path = folder.draw(study.study_id, mask.read_bytes(), lambda: inside)
    return replace(study, masks=(Mask(radiograph=0, label=LABEL, path=path, reader="siim"),))


SIIM_PNG = Dataset(
    name="siim-png",
    source="SIIM-ACR challenge 2019 in PNG, "
    "kaggle.com/datasets/vbookshelf/pneumothorax-chest-xray-images-and-masks",
    licence=LICENCE,
    layout=(*TABLES.values(), f"{IMAGES}/", f"{MASKS}/"),
    read=partial(read_siim_png, by_part),
    write=write_siim_png,
    counts={"studies": 12_047, "radiographs": 12_047},
    labels={f"studies with {LABEL}": 2_669},
)
SIIM_BENCHX = replace(
    SIIM_PNG,
    name="siim-benchx",
    source=f"{SIIM_PNG.source}; split 9,303 / 1,372 / 1,372 by the lists of BenchX",
    read=partial(read_siim_png, partial(splits_of_lists, BENCHX)),
    write=write_benchx,
    second_root=f"the folder with {', '.join(BENCHX.files.values())} of BenchX",
)
