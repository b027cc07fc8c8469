"""The SIIM-ACR pneumothorax challenge of 2019: DICOM, and masks as run lengths.

Source: kaggle.com/c/siim-acr-pneumothorax-segmentation. A row is one component of a mask, so an
image has several; they are put together. Run lengths are relative and go down the columns.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from carina.datasets.declaration import Dataset, Release
from carina.datasets.dicom_files import patient_in
from carina.datasets.found_images import check_found, images_below, measured_square
from carina.datasets.mask_folder import MaskFolder, mask_folder_of, resized
from carina.datasets.run_lengths import mask_of_runs, runs_in
from carina.datasets.siim_layout import (
    EXAMPLE,
    ID,
    LOVT,
    MRM,
    NONE,
    PATTERN,
    PLACES,
    RUNS,
    SIDE,
    TABLES,
    write_lovt,
    write_mrm,
    write_siim,
)
from carina.datasets.split_lists import PublishedLists, Splits, splits_of_lists, unsplit
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.study import Assertion, Finding, Mask, Radiograph, Study

SOURCE = "siim"
"""Of all declarations: they are the same images, so that leaks between them are seen."""

LICENCE = "SIIM-ACR challenge terms: non-commercial research; images of NIH ChestX-ray14"
LABEL = "Pneumothorax"
PRESENT = (Finding(name=LABEL, value=Assertion.PRESENT),)
ABSENT = (Finding(name=LABEL, value=Assertion.ABSENT),)

Runs = tuple[tuple[int, int], ...]


@dataclass
class Marked:
    """What the table says of an image: the runs of each component, none where it is healthy."""

    number: int
    components: list[Runs] = field(default_factory=list)


def read_siim(splits_of: Splits, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the table in its order; draws their masks where that is wanted.

    Raises:
        DatasetError: a file is not the challenge's, no image is there, or a row cannot be
            understood.
        OutputError: a mask cannot be written.
    """
    marked = marked_in(table_of(release), tally)
    splits, folder = splits_of(release, marked, tally), mask_folder_of(release)
    places = images_below(release.root, PLACES, depth=4)
    found = 0
    for name, said in marked.items():
        if name not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        study = _study(release.root, name, places[name], said, tally)
        masked = with_mask(study, said, folder, release.root, tally) if said.components else study
        yield replace(masked, split=splits.get(name))
    check_found(release.root, found, len(marked), next(iter(marked), ""))
    unlabelled = places.keys() - marked.keys()
    if unlabelled:
        tally.add("images without a label, left out", min(unlabelled), len(unlabelled))


def table_of(release: Release) -> Path:
    """The table that the caller names, else that of the first stage, else the other."""
    if release.table is not None:
        return release.root / release.table
    return next(path for path in (release.root / name for name in TABLES) if path.exists())


def marked_in(path: Path, tally: Tally) -> dict[str, Marked]:
    """Image -> what the table says of it.

    Raises:
        DatasetError: it is another table, or a row cannot be understood.
    """
    marked: dict[str, Marked] = {}
    healthy: set[str] = set()
    for row in read_table_of(path, (ID, RUNS), "the SIIM-ACR challenge").rows:
        name = name_of(row)
        said = marked.get(name) or marked.setdefault(name, Marked(number=row.number))
        runs = None if row.get(RUNS) == NONE else runs_in(row, RUNS, SIDE * SIDE)
        if name in healthy or (runs is None and said.number != row.number):
            raise row.error(
                RUNS,
                f"an image that has {NONE} has one row, but {name} is in row {said.number} too",
                "Take the table that came with the images.",
            )
        if runs is None:
            healthy.add(name)
        elif runs in said.components:
            tally.add("rows that repeat a component, left out", f"row {row.number}")
        else:
            said.components.append(runs)
    return marked


def name_of(row: Row) -> str:
    """The identifier of a row's image.

    Raises:
        DatasetError: it is of another form.
    """
    name = row.get(ID)
    if not re.fullmatch(PATTERN, name):
        raise row.error(
            ID,
            f"found {name!r}, expected an identifier such as {EXAMPLE}",
            "Identifiers are text: take the table that came with the images.",
        )
    return name


def with_mask(
    study: Study, said: Marked, folder: MaskFolder | None, root: Path, tally: Tally
) -> Study:
    """The study with its mask, all components in one, of the size of its picture."""
    radiograph = measured_square(root, study.radiographs[0], tally)
    if radiograph is None:
        return study
    study = replace(study, radiographs=(radiograph,))
    if folder is None:
        return study
    side = radiograph.width or SIDE
    runs = tuple(run for component in said.components for run in component)
    path = folder.draw(
        study.study_id, f"{side}: {runs}".encode(), lambda: resized(mask_of_runs(runs, SIDE), side)
    )
    return replace(study, masks=(Mask(radiograph=0, label=LABEL, path=path, reader="siim"),))


def _study(root: Path, name: str, path: str, said: Marked, tally: Tally) -> Study:
    patient = patient_in(root / path)
    if patient.patient_id is None:
        tally.add("images that tell no patient: each is a patient of its own", path)
    return Study(
        study_id=name,
        patient_id=patient.patient_id or name,
        source=SOURCE,
        radiographs=(Radiograph(path=path),),
        findings=PRESENT if said.components else ABSENT,
        sex=patient.sex,
        age_years=patient.age_years,
        licence=LICENCE,
    )


SIIM = Dataset(
    name="siim",
    source="SIIM-ACR challenge 2019, kaggle.com/c/siim-acr-pneumothorax-segmentation",
    licence=LICENCE,
    layout=(" or ".join(TABLES), f"{PLACES[0]}/ or {PLACES[1]}/"),
    read=partial(read_siim, unsplit),
    write=write_siim,
    counts={"studies": 12_047, "radiographs": 12_047},
    labels={f"studies with {LABEL}": 2_669},
    takes_table=True,
)


def _by_lists(lists: PublishedLists, name: str, what: str, write: Callable[..., None]) -> Dataset:
    """The release split by lists."""
    return replace(
        SIIM,
        name=name,
        source=f"{SIIM.source}; split {what}",
        read=partial(read_siim, partial(splits_of_lists, lists)),
        write=write,
        second_root=f"the folder with {', '.join(lists.files.values())} of {lists.name}",
    )


SIIM_LOVT = _by_lists(LOVT, "siim-lovt", "60 / 20 / 20 by the lists of LoVT", write_lovt)
SIIM_MRM = _by_lists(
    MRM, "siim-mrm", "7,969 / 1,898 / 1,904 by the lists of MRM and MaCo", write_mrm
)
SIIM_ALL = (SIIM, SIIM_LOVT, SIIM_MRM)
