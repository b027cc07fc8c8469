"""ChestX-ray14 as people have it on disk: every quirk of the release on a tiny fake."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.chestxray14 import CHESTXRAY14, CHESTXRAY14_CHEXNET
from carina.datasets.chestxray14_layout import HEADER, MADE_OF, write_chestxray14, write_chexnet
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import compared_with_whole, index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.imaging.reader import read_radiograph
from carina.phantom.findings import FINDINGS
from carina.studies.checks import check
from carina.study import Assertion, Study

NEW, OLD = "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
ONE, TWO, THREE = "00000001_000.png", "00000002_000.png", "00000003_000.png"


def row(name: str, labels: str = "No Finding", age: str = "57", patient: str = "") -> str:
    """A line of the table; its end holds the columns that the header's commas make."""
    patient = patient or str(int(name[:8]))
    return f"{name},{labels},0,{patient},{age},M,PA,2682,2749,0.143,0.143"


def release(
    root: Path,
    rows: Sequence[str],
    *,
    train: Sequence[str] = (ONE, THREE),
    test: Sequence[str] = (TWO,),
    table: str = NEW,
    folder: str = "images_001/images",
) -> Path:
    """Writes table, lists and a stand-in for each image: reading a release opens none."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for line in rows:
        (root / folder / line.split(",")[0]).write_bytes(b"x")
    (root / table).write_text("\n".join([HEADER, *rows]) + "\n")
    (root / "train_val_list.txt").write_text("\n".join(train) + "\n")
    (root / "test_list.txt").write_text("\r\n".join(test))  # the last line without its end
    return root


def studies_in(root: Path, tally: Tally | None = None, table: str | None = None) -> list[Study]:
    return list(read_studies(CHESTXRAY14, Release(root=root, table=table), tally))


def test_a_row_becomes_a_study_with_what_is_present_only(tmp_path: Path) -> None:
    rows = [row(ONE, "Effusion|Pleural_Thickening"), row(TWO)]
    one, two = studies_in(release(tmp_path, rows))
    assert (one.study_id, one.patient_id, one.source) == ("00000001_000", "00000001", "chestxray14")
    assert [(item.name, item.value) for item in one.findings] == [
        ("Effusion", Assertion.PRESENT),
        ("Pleural Thickening", Assertion.PRESENT),  # written with an underscore
    ]
    assert [item.name for item in two.findings] == ["No Finding"]
    assert (one.sex, one.age_years, one.radiographs[0].view) == ("M", 57, "PA")
    assert one.report.text == ""


def test_the_older_table_has_a_comma_at_each_end_and_ages_of_its_own(tmp_path: Path) -> None:
    rows = [row(ONE, age="058Y"), row(TWO, age="411"), row(THREE, age="006M")]
    root = release(tmp_path, rows, table=OLD)
    (root / OLD).write_text("".join(f"{line},\n" for line in (HEADER, *rows)))
    tally = Tally()
    assert [study.age_years for study in studies_in(root, tally)] == [58, None, 0.5]
    assert tally.counts == {"ages that no human has, taken as not known": 1}
    assert tally.first["ages that no human has, taken as not known"] == "row 3"


def test_the_corrected_table_is_taken_unless_the_other_is_named(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE, "Hernia")], table=NEW)
    release(tmp_path, [row(ONE, "Mass")], table=OLD)
    assert studies_in(root)[0].findings[0].name == "Hernia"
    assert studies_in(root, table=OLD)[0].findings[0].name == "Mass"


@pytest.mark.parametrize("patient", ["1", "00000001", "1.0"])
def test_a_patient_has_one_name_however_the_table_writes_the_number(
    tmp_path: Path, patient: str
) -> None:
    (study,) = studies_in(release(tmp_path, [row(ONE, patient=patient)]))
    assert study.patient_id == "00000001"


@pytest.mark.parametrize("folder", [".", "images", "images_001/images", "data/images_012"])
def test_images_are_found_in_folders_of_any_kind(tmp_path: Path, folder: str) -> None:
    (study,) = studies_in(release(tmp_path, [row(ONE)], folder=folder))
    assert study.radiographs[0].path == f"{folder}/{ONE}".removeprefix("./")


def test_images_with_a_layer_of_transparency_are_read_as_grey(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)], folder="images")
    picture = Image.linear_gradient("L").resize((32, 32))
    picture.convert("RGBA").save(root / "images" / ONE)
    manifest = index_release(CHESTXRAY14, Release(root=root), tmp_path / "m.parquet")
    radiograph = manifest.studies[0].radiographs[0]
    assert (radiograph.width, radiograph.height) == (32, 32)
    levels = read_radiograph(root / radiograph.path)
    np.testing.assert_allclose(levels, np.asarray(picture) / 255, atol=1 / 255)


def test_the_official_lists_part_by_patient_and_an_eighth_validates(tmp_path: Path) -> None:
    names = [f"{patient:08d}_{visit:03d}.png" for patient in range(1, 201) for visit in (0, 1)]
    train, test = names[:300], names[300:]
    root = release(tmp_path, [row(name) for name in names], train=train, test=test)
    split = {study.study_id + ".png": study.split for study in studies_in(root)}
    assert {name for name, part in split.items() if part == "test"} == set(test)
    assert all(split[name] == split[name.replace("_001", "_000")] for name in names)
    validate = sum(part == "validate" for part in split.values()) / 2
    assert 150 / 8 - 13 < validate < 150 / 8 + 13  # three standard deviations of a draw of 1 in 8


def test_each_list_is_noted_by_name_length_and_digest(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE), row(TWO)], train=[ONE], test=["00000004_001.png", TWO])
    tally = Tally()
    studies_in(root, tally)
    alone = hashlib.sha256(b"00000001_000.png\n").hexdigest()[:16]
    both = hashlib.sha256(b"00000002_000.png\n00000004_001.png\n").hexdigest()[:16]
    assert tally.notes == [
        "official train_val_list.txt: 1 images (the whole list: 86,524), 1 patients, "
        f"sha256 {alone}",
        f"official test_list.txt: 2 images (the whole list: 25,596), 2 patients, sha256 {both}",
        "BBox_List_2017.csv is not there: no boxes.",
    ]
    assert tally.counts == {"images of the lists that are not in the table": 1}


def chexnet(root: Path, tally: Tally | None = None) -> list[Study]:
    lists = Release(root=root, second_root=root / "lists")
    return list(read_studies(CHESTXRAY14_CHEXNET, lists, tally))


def test_the_other_lists_have_labels_and_a_validation_part(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE), row(TWO), row(THREE)])
    (root / "lists").mkdir()
    (root / "lists" / "train_list.txt").write_text(f"{THREE} 0 1 0\n")
    (root / "lists" / "val_list.txt").write_text(f"images/{TWO} 0 0 0\n")
    (root / "lists" / "test_list.txt").write_text(f"{ONE} 1 0 0\n{ONE} 1 0 0\n")
    tally = Tally()
    assert [study.split for study in chexnet(root, tally)] == ["test", "validate", "train"]
    assert tally.counts == {"names that test_list.txt has twice": 1}
    assert tally.notes[2].startswith("chexnet test_list.txt: 1 images (the whole list: 22,433), 1")
    (root / "lists" / "val_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"val_list\.txt: cannot be read .* expected a table or"):
        chexnet(root)


def many(count: int) -> list[str]:
    return [f"{number:08d}_000.png" for number in range(10, 10 + count)]


def test_a_list_of_the_other_set_is_told_by_its_labels_or_its_length(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)], test=[f"{TWO} 0 0 1"])
    with pytest.raises(DatasetError, match=r"test_list\.txt, line 1: found labels behind the name"):
        studies_in(root)
    release(tmp_path, [row(ONE)], test=many(22_433))
    with pytest.raises(
        DatasetError, match=r"as the chexnet test_list\.txt does; expected the offici"
    ):
        studies_in(root)
    (root / "lists").mkdir()
    for file, names in (("train", [ONE]), ("val", [TWO]), ("test", many(25_596))):
        (root / "lists" / f"{file}_list.txt").write_text("\n".join(names))
    with pytest.raises(
        DatasetError, match=r"names 25,596 images, as the official test_list\.txt doe"
    ):
        chexnet(root)


def test_a_patient_in_two_lists_is_refused(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)], train=[ONE], test=["00000001_001.png"])
    with pytest.raises(
        DatasetError, match=r"1 patients are in .*train_val_list\.txt and in .*such as"
    ):
        studies_in(root)


def test_a_list_of_something_else_is_refused(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)], test=["a.jpg"])
    with pytest.raises(
        DatasetError, match=r"line 1: found 'a\.jpg', expected the name of an image"
    ):
        studies_in(root)
    (root / "test_list.txt").unlink()
    with pytest.raises(
        DatasetError, match=r"test_list\.txt expected for chestxray14 but not there"
    ):
        studies_in(root)


def test_what_the_files_do_not_share_is_counted(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE), row("00000009_000.png"), row(TWO)])
    (root / "images_001" / "images" / TWO).unlink()
    (root / "images_001" / "images" / "00000030_000.png").write_bytes(b"x")
    (root / "BBox_List_2017.csv").write_text(f"{BOX_HEADER}\n00000031_000.png,Mass,1,2,3,4\n")
    tally = Tally()
    assert [study.split for study in studies_in(root, tally)][1] is None
    assert tally.counts == {
        "images in no list: they have no split": 1,
        "images that are listed but not there, left out": 1,
        "images that are there but not in the table, left out": 1,
        "images of the lists that are not in the table": 1,
        "images with boxes that are not in the table": 1,
    }


@pytest.mark.parametrize("end", ["", ",,,"])
def test_boxes_are_corners_on_the_stored_picture(tmp_path: Path, end: str) -> None:
    root = release(tmp_path, [row(ONE, "Infiltration")], folder="images")
    Image.new("L", (512, 512)).save(root / "images" / ONE)
    (root / "BBox_List_2017.csv").write_text(
        f"{BOX_HEADER}\n{ONE},Infiltrate,200.5,100,300,50{end}\n{ONE},Mass,0,0,1024,1024{end}\n"
    )
    manifest = index_release(CHESTXRAY14, Release(root=root), tmp_path / "m.parquet")
    first, whole = manifest.studies[0].boxes
    # x, y, w, h on a square of 1024; the picture has half of that.
    assert (first.x1, first.y1, first.x2, first.y2) == (100.25, 50, 250.25, 75)
    assert (first.label, first.reader, first.radiograph) == ("Infiltration", "nih", 0)
    assert (whole.x2, whole.y2) == (512, 512)
    assert check([manifest]).healthy


def test_boxes_that_cannot_be_placed_are_left_out_or_refused(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE, "Mass")], folder="images")
    (root / "BBox_List_2017.csv").write_text(f"{BOX_HEADER}\n{ONE},Mass,1,2,3,4\n")
    tally = Tally()
    assert studies_in(root, tally)[0].boxes == ()
    assert tally.counts["boxes left out: their image cannot be read"] == 1
    Image.new("L", (64, 32)).save(root / "images" / ONE)
    with pytest.raises(DatasetError, match="is 64 x 32 pixels, but boxes are of a square"):
        studies_in(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            f"{ONE},Tumour,1,2,3,4",
            "row 2, Finding Label: found 'Tumour', expected one of Atelectas",
        ),
        (f"{ONE},Mass,1,two,3,4", "row 2, y: found 'two', expected pixels"),
        (f"{ONE},Mass,1,2,0,4", "row 2, w and h: the box is 0 x 4"),
    ],
)
def test_a_box_that_cannot_be_right_is_refused(tmp_path: Path, line: str, message: str) -> None:
    root = release(tmp_path, [row(ONE)])
    (root / "BBox_List_2017.csv").write_text(f"{BOX_HEADER}\n{line}\n")
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(ONE), row(ONE)], "row 3, Image Index: is listed a second time"),
        ([row(ONE), row("1.png", patient="1")], r"row 3, Image Index: found '1\.png', expected "),
        ([row(ONE, patient="7")], "row 2, Patient ID: is '7', but the image .* is of patient 1"),
        ([row(ONE, "Effusion|Flu")], "row 2, Finding Labels: found 'Flu', expected No Finding or"),
        ([row(ONE, "No Finding|Mass")], "row 2, Finding Labels: has No Finding beside others"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, rows))


def test_files_in_the_wrong_place_are_told(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)])
    (root / NEW).write_text("patientId,x,y\n")
    with pytest.raises(
        DatasetError, match="found the columns patientId, x, y, expected Image Index"
    ):
        studies_in(root)
    release(tmp_path, [row(ONE)], folder="copy")
    with pytest.raises(
        DatasetError, match="is both in copy and in images_001/images; expected one"
    ):
        studies_in(root)
    (root / "copy" / ONE).unlink()
    (root / "images_001" / "images" / ONE).rename(root / "copy" / THREE)
    with pytest.raises(
        DatasetError, match="none of the 1 images of the table is there, but 1 other"
    ):
        studies_in(root)
    (root / "copy" / THREE).unlink()
    with pytest.raises(DatasetError, match="found no image such as images_001/images/00000001_000"):
        studies_in(root)


def test_the_whole_release_is_known_by_its_counts(tmp_path: Path) -> None:
    root = release(tmp_path, [row(ONE)])
    manifest = index_release(CHESTXRAY14, Release(root=root), tmp_path / "m.parquet")
    assert compared_with_whole(CHESTXRAY14, manifest) == {
        "studies": (1, 112_120),
        "radiographs": (1, 112_120),
        "patients": (1, 30_805),
    }
    # The lengths of each set's lists add up to the release.
    assert 86_524 + 25_596 == 78_468 + 11_219 + 22_433 == 112_120


def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    assert {name for parts in MADE_OF.values() for name in parts} <= set(FINDINGS)
    cohort = stand_in([("pleural effusion", "interstitial opacity"), ()] * 24)
    write_chestxray14(cohort, tmp_path / "out")
    manifest = index_release(CHESTXRAY14, Release(root=tmp_path / "out"), tmp_path / "m.parquet")
    for drawn, study in zip(cohort.studies, manifest.studies, strict=True):
        names = {item.name for item in study.findings}
        sick = int(drawn.study_id[1:]) % 2 == 0
        assert names == ({"Effusion", "Infiltration"} if sick else {"No Finding"})
        assert (study.split == "test") == (drawn.split == "test")
        boxes = {box.label for box in study.boxes}
        assert boxes == (names if sick and study.split == "test" else set())
        assert all((box.x2, box.y2) == (16, 16) for box in study.boxes)
    with Image.open(tmp_path / "out" / manifest.studies[0].radiographs[0].path) as picture:
        assert picture.mode == "RGBA"
    folders = {Path(study.radiographs[0].path).parent.as_posix() for study in manifest.studies}
    assert folders == {"images_001/images", "images_002/images"}


def test_a_phantom_with_the_other_lists_keeps_the_splits(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    cohort = stand_in([(), ("mass",)] * 8)
    write_chexnet(cohort, tmp_path / "out")
    studies = chexnet(tmp_path / "out")
    assert [study.split for study in studies] == [study.split for study in cohort.studies]


def test_a_copy_that_calls_the_gender_sex_is_read(tmp_path: Path) -> None:
    release(tmp_path, [row("00000001_000.png")])
    before = studies_in(tmp_path)
    path = tmp_path / "Data_Entry_2017_v2020.csv"
    path.write_text(path.read_text().replace("Patient Gender", "Patient Sex"))
    assert studies_in(tmp_path) == before
    assert before[0].sex is not None


def test_a_table_without_rows_is_told_as_such(tmp_path: Path) -> None:
    release(tmp_path, [row("00000001_000.png")])
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text(HEADER + "\n")
    with pytest.raises(DatasetError, match=r"v2020\.csv: lists no image, expected a row each"):
        studies_in(tmp_path)
