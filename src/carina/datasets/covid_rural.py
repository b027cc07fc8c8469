"""COVID Rural: radiographs of patients with COVID-19 from Arkansas, opacities outlined.

Source: Desai et al., Sci Data 2020, doi:10.1038/s41597-020-00741-6 (images, TCIA COVID-19-AR);
Tang et al., medRxiv 2020 (outlines), github.com/haimingt/opacity_segmentation_covid_chest_X_ray.
The masks of the release have the levels 0 and 1, so they are drawn anew for the manifest.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from carina.datasets.cells import age_of, sex_of
from carina.datasets.covid_rural_layout import (
    EXAMPLE,
    IMAGES,
    LOVT,
    LUNGS,
    MASKS,
    PATIENT_COLUMNS,
    PATIENTS,
    PATTERN,
    SHAPES,
    write_covid_rural,
    write_lovt,
)
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found, images_below
from carina.datasets.mask_folder import MaskFolder, inside_of_file, mask_folder_of
from carina.datasets.split_lists import Splits, splits_of_lists, unsplit
from carina.datasets.table import Row, read_table_of
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Assertion, Finding, Mask, Radiograph, Study

LICENCE = "CC BY 4.0 (images, TCIA); the outlines state none"
SOURCE = "covid-rural"
LABEL = "Lung Opacity"
_COVID = {
    "1": (Finding(name="COVID-19", value=Assertion.PRESENT),),
    "0": (Finding(name="COVID-19", value=Assertion.ABSENT),),
}
_OPACITY = {value: Finding(name=LABEL, value=value) for value in Assertion}


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What the table of patients says."""

    sex: str | None = None
    age_years: float | None = None
    covid: tuple[Finding, ...] = ()


def read_covid_rural(splits_of: Splits, release: Release, tally: Tally) -> Iterator[Study]:
    """Yields a study an image, in the order of their names; draws masks where that is wanted.

    Raises:
        DatasetError: a file is of something else, or no image is there.
        OutputError: a mask cannot be written.
    """
    places = images_below(release.root, (IMAGES,), depth=0)
    patients = patients_in(release.root / PATIENTS, tally)
    splits, folder = splits_of(release, places, tally), mask_folder_of(release)
    found = 0
    for name, path in sorted(places.items()):
        match = re.fullmatch(PATTERN, name)
        if match is None:
            tally.add(f"images of another name than {EXAMPLE}, left out", path)
            continue
        found += 1
        patient = patients.get(match["patient"])
        if patient is None and patients:
            tally.add(f"patients that {PATIENTS} lacks", match["patient"])
        study = _study(name, match["patient"], path, patient or Patient(), splits.get(name))
        yield with_opacity(study, release.root, folder, tally)
    check_found(release.root, found, len(places), EXAMPLE)
    masks = {path.stem for path in (release.root / MASKS).glob("[!.]*.png")} - places.keys()
    if masks:
        tally.add("masks without an image, left out", min(masks), len(masks))


def patients_in(path: Path, tally: Tally) -> dict[str, Patient]:
    """Patient -> what the table says; nothing where it is not there.

    Raises:
        DatasetError: it is another table, or names a patient twice.
    """
    if not path.exists():
        tally.note(f"{PATIENTS} is not there: age, sex and COVID-19 are not told.")
        return {}
    patients: dict[str, Patient] = {}
    for row in read_table_of(path, PATIENT_COLUMNS, "COVID Rural").rows:
        name = row.get(PATIENT_COLUMNS[0])
        if name in patients:
            raise row.error(PATIENT_COLUMNS[0], f"{name} is there twice", "Remove one of the rows.")
        patients[name] = _patient(row)
    if not patients:
        tally.note(f"{PATIENTS} has no rows: age, sex and COVID-19 are not told.")
    return patients


def _patient(row: Row) -> Patient:
    column = PATIENT_COLUMNS[3]
    if row.get(column) not in _COVID:
        raise row.error(
            column, f"found {row.get(column)!r}, expected 1 or 0", "Take the table as it came."
        )
    return Patient(
        age_years=age_of(row.get("AGE")), sex=sex_of(row.get("SEX")), covid=_COVID[row.get(column)]
    )


def _study(name: str, patient_id: str, path: str, patient: Patient, split: str | None) -> Study:
    return Study(
        study_id=name,
        patient_id=patient_id,
        source=SOURCE,
        radiographs=(Radiograph(path=path),),
        findings=patient.covid,
        split=split,
        sex=patient.sex,
        age_years=patient.age_years,
        licence=LICENCE,
    )


def with_opacity(study: Study, root: Path, folder: MaskFolder | None, tally: Tally) -> Study:
    """The study with its opacity: present with a mask, absent where only lungs were outlined."""
    name = study.study_id
    source = root / MASKS / f"{name}.png"
    if not source.exists():
        value = _opacity_told(root / SHAPES / f"{name}.json", tally)
        return study if value is None else _saying(study, value)
    inside = inside_of_file(source, root / study.radiographs[0].path, tally)
    if inside is None:
        return study
    if not inside.any():
        tally.add("masks without a pixel: no opacity", source.name)
        return _saying(study, Assertion.ABSENT)
    study = _saying(study, Assertion.PRESENT)
    if folder is None:
        return study
    path = folder.draw(name, source.read_bytes(), lambda: inside)
    return replace(study, masks=(Mask(radiograph=0, label=LABEL, path=path),))


def _opacity_told(shapes: Path, tally: Tally) -> Assertion | None:
    """What the shapes of an image without a mask say: absent where all of them are lungs."""
    name = shapes.name
    if not shapes.exists():
        tally.add("images that nobody outlined: opacity is not told", name)
        return None
    try:
        labels = {shape["label"] for shape in json.loads(shapes.read_text("utf-8-sig"))["shapes"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{shapes}: cannot be read as outlines ({error}). Download it again."
        ) from error
    if labels <= set(LUNGS):
        return Assertion.ABSENT
    tally.add("images with outlines but without a mask: opacity is not told", name)
    return None


def _saying(study: Study, value: Assertion) -> Study:
    return replace(study, findings=(*study.findings, _OPACITY[value]))


COVID_RURAL = Dataset(
    name="covid-rural",
    source="Desai et al., Sci Data 2020, doi:10.1038/s41597-020-00741-6; outlines of Tang et al.",
    licence=LICENCE,
    layout=(f"{IMAGES}/", f"{MASKS}/"),
    read=partial(read_covid_rural, unsplit),
    write=write_covid_rural,
)
COVID_RURAL_LOVT = replace(
    COVID_RURAL,
    name="covid-rural-lovt",
    source=f"{COVID_RURAL.source}; split 60 / 20 / 20 by the lists of LoVT",
    read=partial(read_covid_rural, partial(splits_of_lists, LOVT)),
    write=write_lovt,
    second_root=f"the folder with {', '.join(LOVT.files.values())} of LoVT",
)
