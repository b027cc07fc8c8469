"""PadChest as people have it on disk: every trap of the release on a tiny fake."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.padchest import PADCHEST
from carina.datasets.padchest_layout import COLUMNS, TABLE, write_padchest
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.imaging.reader import read_grey8
from carina.studies.truth import absent_where_only_presence_is_listed, truth_of
from carina.studies.views import is_frontal
from carina.study import Study

PATIENT = "839860488694292331637988235681460987"


def row(image: str = "1_00-000.png", **cells: str) -> dict[str, str]:
    """A row as the release has it: 12 bits, bone bright, read by a physician."""
    return {
        "ImageID": image,
        "ImageDir": "3",
        "StudyDate_DICOM": "20140915",
        "StudyID": "20536686640136348236148679891455886468",
        "PatientID": PATIENT,
        "PatientBirth": "1930.0",
        "PatientSex_DICOM": "F",
        "Projection": "PA",
        "PhotometricInterpretation_DICOM": "MONOCHROME2",
        "BitsStored_DICOM": "12",
        "Report": "sin hallazg patolog .",
        "MethodLabel": "Physician",
        "Labels": "['pleural effusion', ' cardiomegaly']",
        **cells,
    }


def release(root: Path, *rows: dict[str, str], folder: str = "3") -> Path:
    """Writes the table, and a picture for each row."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for each in rows:
        levels = np.full((20, 20), 4095, dtype=np.uint16)
        Image.fromarray(levels).save(root / folder / Path(each["ImageID"]).with_suffix(".png"))
    with (root / TABLE).open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return root


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(PADCHEST, Release(root=root), tally))


def names(study: Study) -> list[str]:
    return [finding.name for finding in study.findings]


def test_ids_longer_than_any_float_stay_as_they_are(tmp_path: Path) -> None:
    (study,) = studies_in(release(tmp_path, row()))
    assert study.patient_id == PATIENT
    assert study.study_id == "20536686640136348236148679891455886468"
    assert (study.sex, study.age_years, study.source) == ("F", 84.0, "padchest")
    assert study.radiographs[0].view == "PA"


def test_labels_are_a_list_written_as_text(tmp_path: Path) -> None:
    text = "[' Pleural effusion', 'COPD  signs', '', 'pleural effusion ']"
    (study,) = studies_in(release(tmp_path, row(Labels=text)))
    assert names(study) == ["pleural effusion", "copd signs"]


def test_a_term_inside_of_another_is_not_that_term(tmp_path: Path) -> None:
    text = "['pseudonodule', 'subcutaneous emphysema', 'breast mass']"
    studies = studies_in(release(tmp_path, row(Labels=text)))
    asked = ("nodule", "emphysema", "mass", "pseudonodule")
    truth = truth_of(studies, asked, studies, absent_where_only_presence_is_listed)
    assert truth.values.tolist() == [[0, 0, 0, 1]]


def test_a_picture_of_twelve_bits_is_not_read_as_sixteen(tmp_path: Path) -> None:
    (study,) = studies_in(release(tmp_path, row()))
    assert study.radiographs[0].path == "3/1_00-000.png#bits=12"
    assert read_grey8(tmp_path / study.radiographs[0].path).max() == 255


def test_a_picture_with_bone_low_is_inverted_and_counted(tmp_path: Path) -> None:
    told = {"PhotometricInterpretation_DICOM": "MONOCHROME1", "BitsStored_DICOM": "16.0"}
    tally = Tally()
    (study,) = studies_in(release(tmp_path, row(**told)), tally)
    assert study.radiographs[0].path == "3/1_00-000.png#inverted"
    assert read_grey8(tmp_path / study.radiographs[0].path).max() == round(255 * (1 - 4095 / 65535))
    assert tally.counts == {"images with bone low, read inverted": 1}


def test_reports_are_left_out_and_that_is_told(tmp_path: Path) -> None:
    tally = Tally()
    (study,) = studies_in(release(tmp_path, row()), tally)
    assert study.report.text == ""
    assert tally.notes == ["Reports were left out: they are Spanish, in stems of words."]


@pytest.mark.parametrize(
    ("projection", "view", "frontal"),
    [
        ("AP", "AP", True),
        ("AP_horizontal", "AP Supine", True),
        ("L", "LATERAL", False),
        ("COSTAL", "COSTAL", False),
    ],
)
def test_projections_are_views(tmp_path: Path, projection: str, view: str, frontal: bool) -> None:
    (study,) = studies_in(release(tmp_path, row(Projection=projection)))
    assert study.radiographs[0].view == view
    assert is_frontal(view) is frontal


def test_what_physicians_labelled_is_the_test_part(tmp_path: Path) -> None:
    rows = [
        row(),
        row("2.png", StudyID="2", MethodLabel="RNN_model"),  # of a patient in the test part
        *(
            row(f"{n}.png", StudyID=str(n), PatientID=f"{n}", MethodLabel="RNN_model")
            for n in range(3, 43)
        ),
    ]
    tally = Tally()
    splits = [study.split for study in studies_in(release(tmp_path, *rows), tally)]
    assert splits[:2] == ["test", None]
    assert set(splits[2:]) == {"train", "validate"}
    assert tally.counts["studies of patients in the test part: they have no split"] == 1


def test_the_images_of_a_visit_are_one_study_unless_they_are_labelled_apart(tmp_path: Path) -> None:
    rows = [row(), row("2.png", Projection="L"), row("3.png", Labels="['normal']")]
    tally = Tally()
    studies = studies_in(release(tmp_path, *rows), tally)
    assert [len(study.radiographs) for study in studies] == [2, 1]
    assert studies[1].study_id == f"{studies[0].study_id}-2"
    assert tally.counts["images labelled otherwise than their visit: studies of their own"] == 1


def test_images_in_one_folder_are_found(tmp_path: Path) -> None:
    (study,) = studies_in(release(tmp_path, row(), folder="images"))
    assert study.radiographs[0].path == "images/1_00-000.png#bits=12"


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    rows = [
        row(),
        row("2.png", Labels=""),
        row("3.png", Projection="EXCLUDE"),
        row("4.png", PatientBirth=""),
        row("5.png", StudyID="5", PatientBirth="2015", BitsStored_DICOM="", Projection=""),
    ]
    release(tmp_path, *rows)
    (tmp_path / "3" / "4.png").unlink()
    tally = Tally()
    (first, second) = studies_in(tmp_path, tally)
    assert len(first.radiographs) == 1
    assert (second.age_years, second.radiographs[0].view) == (None, None)
    assert tally.counts == {
        "images without labels, left out": 1,
        "images that the release itself excludes, left out": 1,
        "images that are listed but not there, left out": 1,
        "images whose levels are not told: read as they are": 1,
        "images whose projection is not told": 1,
        "studies whose age is not known": 1,
    }


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"Labels": "pleural effusion"}, "Labels: found 'pleural effusion', expected a list such"),
        ({"Labels": "[1]"}, r"row 2, Labels: found '\[1\]', expected a list such as"),
        ({"MethodLabel": "GPT"}, "MethodLabel: found 'GPT', expected Physician or RNN_model"),
        ({"BitsStored_DICOM": "24"}, "BitsStored_DICOM: found '24', expected 8 to 16"),
        ({"BitsStored_DICOM": "x"}, "BitsStored_DICOM: found 'x', expected 8 to 16"),
        ({"PhotometricInterpretation_DICOM": "RGB"}, "found 'RGB', expected MONOCHROME1 or MONOC"),
        ({"PatientID": "8.39860488694292E+35"}, "PatientID: found '8.39.*, expected an id such as"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(
    tmp_path: Path, cells: dict[str, str], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, row(**cells)))


def test_rows_that_contradict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"row 3, ImageID: 1_00-000\.png is listed twice"):
        studies_in(release(tmp_path, row(), row()))
    with pytest.raises(DatasetError, match=r"is of the patients 8398.* and 7, expected one"):
        studies_in(release(tmp_path, row(), row("2.png", PatientID="7")))
    other = release(tmp_path / "b", row())
    (other / "3" / "1_00-000.png").rename(other / "3" / "other.png")
    with pytest.raises(DatasetError, match="none of the 1 images that are listed is there"):
        studies_in(other)


def test_a_phantom_reads_back_bright_bone_from_every_depth(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("mass", "tortuous aorta"), ()] * 12)
    write_padchest(cohort, tmp_path)
    studies = studies_in(tmp_path)
    assert names(studies[0]) == ["pulmonary mass", "aortic elongation"]
    assert names(studies[1]) == ["normal"]
    assert [study.split == "test" for study in studies] == [
        study.split == "test" for study in cohort.studies
    ]
    original = np.asarray(Image.open(cohort.root / "a.png")).astype(int)
    paths = [study.radiographs[0].path for study in studies]
    for path in paths:
        assert np.abs(read_grey8(tmp_path / path).astype(int) - original).max() <= 1
    assert len({path.partition("#")[2] for path in paths}) > 3
