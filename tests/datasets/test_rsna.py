"""The RSNA challenge as people have it on disk: every quirk of the release on a tiny fake."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.dicom_files import save_dicom
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import compared_with_whole, index_release
from carina.datasets.rsna import (
    MAPPING,
    RSNA,
    RSNA_BENCHX,
    RSNA_GLORIA,
    RSNA_LOVT,
    RSNA_MGCA,
    RSNA_MRM,
)
from carina.datasets.rsna_layout import BENCHX, LOVT, MADE_OF, MRM, image_name
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.imaging.reader import read_radiograph
from carina.phantom.findings import FINDINGS
from carina.studies.checks import check
from carina.study import Assertion, Study

HEADER = "patientId,x,y,width,height,Target"
ONE, TWO, THREE = (f"0000000{digit}-1111-4222-8333-444444444444" for digit in "123")
HEALTHY = f"{ONE},,,,,0"


def release(root: Path, *rows: str, classes: Sequence[str] = (), suffix: str = ".dcm") -> Path:
    """Writes the table, the classes, and a stand-in for each image."""
    (root / "stage_2_train_images").mkdir(parents=True, exist_ok=True)
    for row in rows:
        (root / "stage_2_train_images" / f"{row.split(',')[0]}{suffix}").write_bytes(b"x")
    (root / "stage_2_train_labels.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    if classes:
        lines = ["patientId,class", *classes]
        (root / "stage_2_detailed_class_info.csv").write_text("\n".join(lines) + "\n")
    return root


def draw(root: Path, name: str, side: int = 512, height: int | None = None) -> None:
    size = (side, height or side)
    Image.new("L", size).save(root / "stage_2_train_images" / f"{name}.png")


def studies_in(
    root: Path, tally: Tally | None = None, dataset: Dataset = RSNA, lists: Path | None = None
) -> list[Study]:
    return list(read_studies(dataset, Release(root=root, second_root=lists), tally))


def said(study: Study) -> dict[str, Assertion]:
    return {item.name: item.value for item in study.findings}


def test_rows_of_one_image_are_its_boxes_and_classes_tell_more(tmp_path: Path) -> None:
    rows = [HEALTHY, f"{TWO},10.0,20.0,30.0,40.0,1", f"{TWO},512,512,100,100,1", f"{THREE},,,,,0"]
    classes = [f"{ONE},Normal", f"{TWO},Lung Opacity", f"{TWO},Lung Opacity"]
    classes.append(f"{THREE},No Lung Opacity / Not Normal")
    root = release(tmp_path, *rows, classes=classes, suffix=".png")
    draw(root, TWO)
    one, two, three = studies_in(root)
    present, absent = Assertion.PRESENT, Assertion.ABSENT
    assert said(one) == {"Pneumonia": absent, "Lung Opacity": absent, "No Finding": present}
    assert said(two) == {"Pneumonia": present, "Lung Opacity": present}
    assert said(three) == {"Pneumonia": absent, "Lung Opacity": absent}
    # x, y, width, height on 1,024 pixels; the picture has half of them. Both names are asked for.
    assert [(b.label, b.x1, b.y1, b.x2, b.y2) for b in two.boxes] == [
        ("Pneumonia", 5, 10, 20, 30),
        ("Pneumonia", 256, 256, 306, 306),
        ("Lung Opacity", 5, 10, 20, 30),
        ("Lung Opacity", 256, 256, 306, 306),
    ]
    assert (two.study_id, two.patient_id, two.source, two.split) == (TWO, TWO, "rsna", None)


def test_without_the_classes_only_pneumonia_is_told(tmp_path: Path) -> None:
    tally = Tally()
    (one,) = studies_in(release(tmp_path, HEALTHY), tally)
    assert said(one) == {"Pneumonia": Assertion.ABSENT}
    assert tally.notes == [
        "stage_2_detailed_class_info.csv is not there: lung opacity and normal are not told.",
        f"{MAPPING} is not there: each image is a patient of its own.",
    ]


def test_patients_are_nih_s_where_the_published_mapping_is_there(tmp_path: Path) -> None:
    root = release(tmp_path, HEALTHY)
    (one,) = studies_in(root)
    assert one.patient_id == one.study_id
    rows = [{"subset_img_id": one.study_id, "img_id": "00000061_012.png", "orig_labels": []}]
    (root / MAPPING).write_text(json.dumps(rows))
    (same,) = studies_in(root)
    assert (same.study_id, same.patient_id) == (one.study_id, "00000061")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as a mapping"),
        ('[{"img_id": "00000061_012.png"}]', "KeyError: 'subset_img_id'.; expected subset_img_id"),
        (
            '[{"subset_img_id": "x", "img_id": "61.png"}]',
            "img_id: found '61.png', expected such as",
        ),
    ],
)
def test_a_mapping_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    root = release(tmp_path, HEALTHY)
    (root / MAPPING).write_text(content)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_dicom_files_tell_view_sex_and_age_and_are_read(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    root = release(tmp_path / "rsna", HEALTHY)
    (drawn,) = stand_in([()]).studies
    picture = Image.linear_gradient("L").resize((64, 64))
    path = root / "stage_2_train_images" / f"{ONE}.dcm"
    ids = {"study_uid": "2.25.1", "series_uid": "2.25.2", "image_uid": "2.25.3"}
    save_dicom(picture, path, drawn, patient_id=ONE, **ids)
    manifest = index_release(RSNA, Release(root=root), tmp_path / "m.parquet")
    (study,) = manifest.studies
    assert (study.sex, study.age_years, study.radiographs[0].view) == ("F", 93, "PA")
    levels = read_radiograph(root / study.radiographs[0].path)  # JPEG inside
    np.testing.assert_allclose(levels, np.asarray(picture) / 255, atol=4 / 255)
    save_dicom(picture, path, drawn, patient_id=TWO, **ids)
    with pytest.raises(DatasetError, match=f"file is of patient {TWO}, expected {ONE} as it is"):
        studies_in(root)


@pytest.mark.parametrize("content", [b"x", b"\0" * 128 + b"DICM" + b"\x02\0\0\0ULxx" * 9, b""])
def test_a_damaged_file_stays_in_the_manifest_and_tells_nothing(
    tmp_path: Path, content: bytes
) -> None:
    root = release(tmp_path, HEALTHY)
    (root / "stage_2_train_images" / f"{ONE}.dcm").write_bytes(content)
    (study,) = studies_in(root)
    assert (study.sex, study.age_years, study.radiographs[0].width) == (None, None, None)


def test_what_is_listed_and_not_there_or_there_and_not_listed_is_counted(tmp_path: Path) -> None:
    root = release(tmp_path, HEALTHY, f"{TWO},,,,,0", classes=[f"{ONE},Normal", f"{THREE},Normal"])
    (root / "stage_2_train_images" / f"{TWO}.dcm").unlink()
    (root / "stage_2_test_images").mkdir()
    (root / "stage_2_test_images" / f"{THREE}.dcm").write_bytes(b"x")
    tally = Tally()
    assert len(studies_in(root, tally)) == 1
    assert tally.counts == {
        "images of stage_2_detailed_class_info.csv that stage_2_train_labels.csv has not": 1,
        "images that stage_2_detailed_class_info.csv lacks": 1,
        "images that are listed but not there, left out": 1,
        "images without a label, left out": 1,
    }
    (root / "stage_2_train_images" / f"{ONE}.dcm").unlink()
    with pytest.raises(DatasetError, match="none of the 2 images that are listed is there"):
        studies_in(root)


def test_a_row_that_repeats_a_box_is_counted(tmp_path: Path) -> None:
    rows, tally = [f"{ONE},1,2,3,4,1", f"{ONE},1,2,3,4,1", f"{ONE},1,2,3,9,1"], Tally()
    root = release(tmp_path, *rows, suffix=".png")
    draw(root, ONE)
    assert len(studies_in(root, tally)[0].boxes) == 2
    assert tally.counts == {"rows that repeat a box, left out": 1}
    assert tally.first == {"rows that repeat a box, left out": "row 3"}


def test_boxes_of_a_picture_that_cannot_be_read_or_is_no_square(tmp_path: Path) -> None:
    root, tally = release(tmp_path, f"{ONE},1,2,3,4,1", suffix=".png"), Tally()
    assert studies_in(root, tally)[0].boxes == ()
    assert tally.counts == {"images whose outlines are left out: they cannot be read": 1}
    draw(root, ONE, 64, 32)
    with pytest.raises(DatasetError, match="is 64 x 32 pixels, but its outlines are of a square"):
        studies_in(root)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{ONE},1,2,0,4,1"], "row 2, x, y, width, height: the box 1, 2, 1, 6 has no area"),
        ([f"{ONE},1,2,-3,4,1"], "the box 1, 2, -2, 6 has no area"),
        ([f"{ONE},900,2,200,4,1"], "the box 900, 2, 1100, 6 lies outside of the 1024 x 1024"),
        ([f"{ONE},-5,2,20,4,1"], "the box -5, 2, 15, 6 lies outside of the 1024 x 1024"),
        ([f"{ONE},1,two,3,4,1"], "found the corners nan, nan, nan, nan, expected four numbers"),
        ([f"{ONE},1,,3,4,1"], "row 2, x, y, width, height: found the corners nan"),
        ([f"{ONE},1,2,3,4,0"], "row 2, Target: is 0, but the row has a box"),
        ([f"{ONE},,,,,1"], "row 2, Target: is 1, but the row has no box"),
        ([f"{ONE},,,,,2"], "row 2, Target: found '2', expected 0 or 1"),
        ([HEALTHY, HEALTHY], "row 3, patientId: is listed a second time without a box"),
        ([f"{ONE},1,2,3,4,1", HEALTHY], f"row 3, Target: differs from an earlier row of {ONE}"),
        (["1e+05,,,,,0"], r"row 2, patientId: found '1e\+05', expected a name such as 0004cfab"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, *rows))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([f"{ONE},Lung Opacity"], r"row 2, class: is Lung Opacity, but .* has the Target 0 for"),
        ([f"{ONE},Sick"], "row 2, class: found 'Sick', expected Lung Opacity, Normal or No Lung"),
    ],
)
def test_classes_of_another_version_are_refused(
    tmp_path: Path, classes: list[str], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, HEALTHY, classes=classes))


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    root = release(tmp_path, HEALTHY)
    (root / "stage_2_train_labels.csv").write_text("ImageId,EncodedPixels\n")
    with pytest.raises(DatasetError, match="found the columns ImageId, EncodedPixels, expected pa"):
        studies_in(root)


def test_a_split_by_a_rule_says_when_it_is_not_the_published_one(tmp_path: Path) -> None:
    names = [f"{number:08x}-1111-4222-8333-444444444444" for number in range(20)]
    root, tally = release(tmp_path, *(f"{name},,,,,0" for name in names)), Tally()
    splits = [study.split for study in studies_in(root, tally, RSNA_GLORIA)]
    assert [splits.count(part) for part in ("train", "validate", "test")] == [14, 3, 3]
    assert "names 20 images, the whole one 26,684: this split is made by the" in tally.notes[1]
    splits = [study.split for study in studies_in(root, dataset=RSNA_MGCA)]
    assert [splits.count(part) for part in ("train", "validate", "test")] == [12, 4, 4]


def test_lists_split_and_may_label_images_that_the_table_has_not(tmp_path: Path) -> None:
    root, lists = release(tmp_path, HEALTHY), tmp_path / "lists"
    (root / "stage_2_test_images").mkdir()
    (root / "stage_2_test_images" / f"{TWO}.dcm").write_bytes(b"x")
    lists.mkdir()
    (lists / "train_list.txt").write_text(f"stage_2_train_images/{ONE}.dcm 0 \n")
    (lists / "val_list.txt").write_text("")
    (lists / "test_list.txt").write_text(f"stage_2_test_images/{TWO}.dcm 1 \n")
    tally = Tally()
    one, two = studies_in(root, tally, RSNA_MRM, lists)
    assert (one.split, two.split) == ("train", "test")
    assert said(two) == {"Pneumonia": Assertion.PRESENT}
    assert two.boxes == ()
    assert tally.counts == {"images labelled by the lists alone: no boxes": 1}
    (lists / "train_list.txt").write_text(f"stage_2_train_images/{ONE}.dcm 1 \n")
    with pytest.raises(DatasetError, match=f"the lists of MRM label {ONE} as 1, .* as 0; they are"):
        studies_in(root, dataset=RSNA_MRM, lists=lists)


def test_the_whole_release_and_its_lists_are_known_by_their_counts(tmp_path: Path) -> None:
    root = release(tmp_path, HEALTHY)
    manifest = index_release(RSNA, Release(root=root), tmp_path / "m.parquet")
    assert compared_with_whole(RSNA, manifest)["studies"] == (1, 26_684)
    # 23,286 images have one row, 3,266 two, 119 three and 13 four: 30,227 rows in all.
    assert 23_286 + 3_266 + 119 + 13 == 26_684
    assert 23_286 + 2 * 3_266 + 3 * 119 + 4 * 13 == 30_227 == 9_555 + 26_684 - 6_012
    for lists in (LOVT, BENCHX):
        assert sum(lists.lengths) == 26_684
    assert sum(MRM.lengths) == 26_684 + 3_000 == RSNA_MRM.counts["studies"]


@pytest.mark.parametrize("dataset", [RSNA, RSNA_LOVT, RSNA_BENCHX, RSNA_MRM])
def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort], dataset: Dataset
) -> None:
    assert set(MADE_OF) <= set(FINDINGS)
    cohort, root = stand_in([("consolidation", "mass"), (), ("nodule",), ()] * 4), tmp_path / "out"
    assert dataset.write is not None
    dataset.write(cohort, root)
    lists = None if dataset is RSNA else root / "lists"
    release = Release(root=root, second_root=lists)
    manifest = index_release(dataset, release, tmp_path / "m.parquet")
    found = {study.study_id: study for study in manifest.studies}
    assert len(found) == len(cohort.studies)
    for drawn in cohort.studies:
        study, number = found[image_name(1, drawn)], int(drawn.study_id[1:]) % 4
        assert (said(study)["Pneumonia"] is Assertion.PRESENT) == (number == 0)
        hidden = dataset is RSNA_MRM and drawn.split == "test"
        assert ("No Finding" in said(study)) == (number in (1, 3) and not hidden)
        assert len(study.boxes) == (2 if number == 0 and not hidden else 0)
        assert all((box.x2, box.y2) == (16, 16) for box in study.boxes)
        assert study.split == (None if dataset is RSNA else drawn.split)
    assert check([manifest]).healthy
