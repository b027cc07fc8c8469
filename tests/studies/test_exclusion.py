"""Leaving patients out: who goes, who stays, and what is told of it."""

from pathlib import Path

import pytest

from carina.errors import ManifestError
from carina.studies.exclusion import without_patients
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Study


def study(number: int, patient: str, source: str = "mimic-cxr") -> Study:
    return Study(
        study_id=f"{source}{number}",
        patient_id=patient,
        source=source,
        radiographs=(Radiograph(path=f"{number}.png"),),
    )


def manifest(tmp_path: Path, name: str, *studies: Study) -> Manifest:
    return write_manifest(studies, tmp_path / f"{name}.parquet", tmp_path)


def test_all_studies_of_a_patient_go_and_a_namesake_of_another_source_stays(
    tmp_path: Path,
) -> None:
    data = manifest(
        tmp_path,
        "data",
        study(1, "a"),
        study(2, "b"),
        study(3, "a"),
        study(4, "c"),
        study(5, "a", "chexpert"),
    )
    first = manifest(tmp_path, "first", study(3, "a"), study(9, "z"))
    second = manifest(tmp_path, "second", study(8, "a"), study(2, "b"))
    rest, told = without_patients(data, [first, second])
    assert [one.study_id for one in rest.studies] == ["mimic-cxr4", "chexpert5"]
    # The second finds a gone already.
    counts = [(one.manifest, one.patients, one.studies) for one in told]
    assert counts == [("first.parquet", 1, 2), ("second.parquet", 1, 1)]
    assert told[0].to_json()["digest"] == first.digest


def test_nobody_in_common_is_told_as_none(tmp_path: Path) -> None:
    data = manifest(tmp_path, "data", study(1, "a"))
    rest, told = without_patients(data, [manifest(tmp_path, "other", study(2, "b"))])
    assert (len(rest), told[0].patients) == (1, 0)


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    data = manifest(tmp_path, "data", study(1, "a"))
    with pytest.raises(ManifestError, match=r"are of chexpert, those of .* of mimic-cxr"):
        without_patients(data, [manifest(tmp_path, "other", study(1, "a", "chexpert"))])
    with pytest.raises(ManifestError, match="nothing remains to train on"):
        without_patients(data, [data])


def test_films_that_go_by_the_names_of_another_release_are_of_its_patients(tmp_path: Path) -> None:
    data = manifest(
        tmp_path,
        "nih",
        study(1, "00000061", "chestxray14"),
        study(2, "00000062", "chestxray14"),
    )
    rsna = manifest(tmp_path, "rsna", study(8, "00000061", "rsna"))
    rest, told = without_patients(data, [rsna, rsna])
    assert [one.patient_id for one in rest.studies] == ["00000062"]
    assert [one.patients for one in told] == [1, 0]
    assert rest.frame.columns == data.frame.columns


def test_the_same_films_under_other_names_are_refused_with_what_to_do(tmp_path: Path) -> None:
    data = manifest(tmp_path, "nih", study(1, "00000061", "chestxray14"))
    siim = manifest(tmp_path, "siim", study(1, "1.2.3", "siim"))
    with pytest.raises(ManifestError, match=r"carina check nih\.parquet siim\.parquet --shared"):
        without_patients(data, [siim])
