"""CheXpert 5x200: a thousand training images that have one of five findings and nothing else.

Source: Huang et al. (GLoRIA), ICCV 2021, section 4; the rule is that of their code. Their list was
never published, so every paper draws its own. This one is drawn as MGCA's code draws (Wang et al.,
NeurIPS 2022): for each finding pandas' sample with seed 0 of the rows in the order of the table, so
whoever has the table has the same images. The digest of the list is noted.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from carina.datasets.chexpert import (
    LICENCE,
    Facts,
    Visit,
    studies_there,
    tables_of,
    visits_in,
)
from carina.datasets.chexpert_layout import LABELS, TABLES, write_chexpert
from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.split_lists import digest_of
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Radiograph, Study

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
ASKED = 200
SEED = 0
_IGNORED = "No Finding"
"""The one label that the rule does not look at."""

Image = tuple[Visit, Radiograph]


def read_chexpert_5x200(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the drawn images, as the test part; the five findings alone are told.

    Raises:
        DatasetError: the training table is not CheXpert's, or no image has one finding alone.
    """
    visits = visits_in(release.root, tables_of(release)[:1], tally)
    drawn: dict[str, Visit] = {}
    names: list[str] = []
    for finding in FIVE:
        candidates = candidates_of(visits, finding)
        if len(candidates) < ASKED:
            tally.add(
                f"findings that fewer than {ASKED} images have alone: all are taken",
                f"{finding}, {len(candidates)}",
            )
        for visit, radiograph in sample_of(candidates):
            add(drawn, visit, radiograph, finding)
            names.append(f"{visit.place.study_id}_{PurePosixPath(radiograph.path).stem}")
    if not names:
        raise DatasetError(
            f"{release.root}: no frontal image has one of {', '.join(FIVE)} and no other label, "
            f"expected {ASKED} of each in the whole {TABLES['train']}. Give the whole release."
        )
    tally.note(
        f"chexpert-5x200: {len(names):,} images, seed {SEED}, sha256 {digest_of(names)[:16]}"
    )
    for study in studies_there(release.root, list(drawn.values()), tally):
        yield replace(study, split="test")


def candidates_of(visits: Sequence[Visit], finding: str) -> list[Image]:
    """The frontal images on which a finding is present and every other label 0 or blank."""
    return [
        (visit, radiograph)
        for visit in visits
        if alone(visit.facts.labels) == finding
        for radiograph in visit.radiographs
        if "_frontal" in PurePosixPath(radiograph.path).name
    ]


def alone(labels: Sequence[Finding]) -> str | None:
    """The one label that is present where no other is present or uncertain; else None."""
    told = [
        label for label in labels if label.value is not Assertion.ABSENT and label.name != _IGNORED
    ]
    if len(told) != 1 or told[0].value is not Assertion.PRESENT:
        return None
    return told[0].name


def sample_of(images: Sequence[Image]) -> list[Image]:
    """As many as are asked for, as pandas' `sample(n, random_state=0)` takes them."""
    order = np.random.RandomState(SEED).permutation(len(images))[:ASKED]
    return [images[place] for place in order]


def add(drawn: dict[str, Visit], visit: Visit, radiograph: Radiograph, finding: str) -> None:
    """Adds an image to its study among those that are drawn."""
    labels = tuple(
        Finding(name=name, value=Assertion.PRESENT if name == finding else Assertion.ABSENT)
        for name in FIVE
    )
    facts = Facts(sex=visit.facts.sex, age=visit.facts.age, labels=labels)
    kept = drawn.setdefault(
        visit.place.study_id, Visit(place=visit.place, number=visit.number, facts=facts)
    )
    kept.radiographs.append(radiograph)


def write_chexpert_5x200(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as CheXpert whose training images with one of the five have it alone."""
    write_chexpert(cohort, out)
    path = out / TABLES["train"]
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns, rows = tuple(reader.fieldnames or ()), list(reader)
    for row in rows:
        there = [name for name in FIVE if row[name] in ("1.0", "-1.0")]
        if there:
            row |= {name: "1.0" if name == there[0] else "" for name in LABELS}
    save_table(rows, columns, path)


CHEXPERT_5X200 = Dataset(
    name="chexpert-5x200",
    source="Irvin et al., AAAI 2019, arXiv:1901.07031; drawn by GLoRIA's rule (Huang et al., ICCV "
    "2021), as MGCA's code draws",
    licence=LICENCE,
    layout=(f"{TABLES['train']} or CheXpert*/{TABLES['train']}",),
    read=read_chexpert_5x200,
    write=write_chexpert_5x200,
    counts={"radiographs": 1_000},
    takes_table=True,
)
