"""The SIIM-ACR challenge as people have it on disk: every quirk on a tiny fake."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import compared_with_whole, index_release
from carina.datasets.siim import SIIM, SIIM_LOVT, SIIM_MRM
from carina.datasets.siim_layout import LOVT, MADE_OF, MRM, image_name
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.phantom.findings import FINDINGS
from carina.studies.checks import check
from carina.study import Assertion, Mask, Study

ONE, TWO, THREE = (f"1.2.276.0.7230010.3.1.4.8323329.{n}.1517875182.865105" for n in (1, 2, 3))
HEADER = "ImageId, EncodedPixels"
LAST = 1024 * 1024


def release(root: Path, *rows: tuple[str, str], table: str = "train-rle.csv") -> Path:
    """Writes the table, and a picture for each image where the release has a DICOM file."""
    for number, name in enumerate(dict.fromkeys(name for name, _ in rows)):
        folder = root / "dicom-images-train" / f"{name}.{number}" / f"{name}.9"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64)).save(folder / f"{name}.dcm", "PNG")
    root.mkdir(exist_ok=True)
    (root / table).write_text("\n".join([HEADER, *map(",".join, rows)]) + "\n")
    return root


def index(root: Path, out: Path) -> Sequence[Study]:
    return index_release(SIIM, Release(root=root), out).studies


def studies_in(root: Path, tally: Tally | None = None, **named: str) -> list[Study]:
    return list(read_studies(SIIM, Release(root=root, **named), tally))


@pytest.mark.parametrize("none", ["-1", " -1"])
def test_the_mark_of_a_healthy_image_is_read_with_and_without_its_blank(
    tmp_path: Path, none: str
) -> None:
    (study,) = index(release(tmp_path / "siim", (ONE, none)), tmp_path / "m.parquet")
    assert [(f.name, f.value) for f in study.findings] == [("Pneumothorax", Assertion.ABSENT)]
    assert study.masks == ()
    assert study.radiographs[0].path == f"dicom-images-train/{ONE}.0/{ONE}.9/{ONE}.dcm"


def test_the_components_of_an_image_are_one_mask_of_its_size(tmp_path: Path) -> None:
    # Rows 0-511 of column 0, in two runs of 256; then the whole right half: columns 512-1023.
    rows = [(ONE, " 0 256 0 256"), (ONE, f" {LAST // 2} {LAST // 2}"), (TWO, " -1")]
    root = release(tmp_path / "siim", *rows)
    for column in range(1, 16):  # the picture is 64 wide: 16 columns of the original make one
        rows.insert(1, (ONE, f" {1024 * column} 512"))
    release(tmp_path / "siim", *rows)
    one, two = index(root, tmp_path / "m.parquet")
    (mask,) = one.masks
    assert (mask.label, mask.path) == ("Pneumothorax", f"../m_masks/{ONE}.png")
    inside = read_mask(root / mask.path, 64, 64)
    expected = np.zeros((64, 64), dtype=np.bool_)
    expected[:, 32:] = True
    expected[:32, 0] = True  # down the first column, not along the first row
    np.testing.assert_array_equal(inside, expected)
    assert one.findings[0].value is Assertion.PRESENT
    assert two.masks == ()


def test_a_second_indexing_leaves_masks_that_are_there(tmp_path: Path) -> None:
    root = release(tmp_path / "siim", (ONE, " 5 10000"))
    index(root, tmp_path / "m.parquet")
    drawn = (tmp_path / "m_masks" / f"{ONE}.png").stat().st_mtime_ns
    index(root, tmp_path / "m.parquet")
    assert (tmp_path / "m_masks" / f"{ONE}.png").stat().st_mtime_ns == drawn
    index(release(root, (ONE, " 6 10000")), tmp_path / "m.parquet")
    assert (tmp_path / "m_masks" / f"{ONE}.png").stat().st_mtime_ns != drawn


def test_a_reader_without_a_folder_for_masks_draws_none(tmp_path: Path) -> None:
    (study,) = studies_in(release(tmp_path, (ONE, " 5 10")))
    assert study.masks == ()
    assert study.findings[0].value is Assertion.PRESENT


def test_the_table_of_the_second_stage_is_read_and_may_be_named(tmp_path: Path) -> None:
    root = release(tmp_path, (ONE, "-1"), table="stage_2_train.csv")
    assert [study.study_id for study in studies_in(root)] == [ONE]
    release(root, (TWO, "-1"))
    assert [study.study_id for study in studies_in(root)] == [TWO]
    assert [study.study_id for study in studies_in(root, table="stage_2_train.csv")] == [ONE]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(ONE, " 1 2 3")], "row 2, EncodedPixels: has 3 numbers, expected pairs of a gap and a"),
        ([(ONE, f" 1 {LAST}")], "row 2, EncodedPixels: the runs end at pixel 1,048,577, but the"),
        ([(ONE, " 900000 5 1000000 5")], "look counted from the start of the picture, as some cop"),
        ([(ONE, "")], "row 2, EncodedPixels: found '', expected pairs of a gap and a length, or -"),
        ([(ONE, "-1"), (ONE, "-1")], f"row 3, EncodedPixels: .* {ONE} is in row 2 too"),
        ([(ONE, "-1"), (ONE, "1 2")], f"row 3, EncodedPixels: .* {ONE} is in row 2 too"),
        ([(ONE, "1 2"), (ONE, "-1")], f"row 3, EncodedPixels: .* {ONE} is in row 2 too"),
        ([("1.2", "-1")], r"row 2, ImageId: found '1\.2', expected an identifier such as 1\.2\.27"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(
    tmp_path: Path, rows: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, *rows))


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    root = release(tmp_path, (ONE, "1 2"), (ONE, "1 2"), (TWO, "-1"), (THREE, "-1"))
    next((root / "dicom-images-train").glob(f"{TWO}*/*/*")).unlink()
    (root / "dicom-images-test").mkdir()
    (root / "dicom-images-test" / "1.2.3.dcm").write_bytes(b"x")
    tally = Tally()
    studies = studies_in(root, tally)
    assert [study.patient_id for study in studies] == [ONE, THREE]
    assert tally.counts == {
        "rows that repeat a component, left out": 1,
        "images that tell no patient: each is a patient of its own": 2,
        "images that are listed but not there, left out": 1,
        "images without a label, left out": 1,
    }


def test_an_image_of_another_shape_and_one_that_is_damaged(tmp_path: Path) -> None:
    root = release(tmp_path, (ONE, "1 2"))
    path = next((root / "dicom-images-train").glob("*/*/*"))
    Image.new("L", (64, 32)).save(path, "PNG")
    with pytest.raises(DatasetError, match="is 64 x 32 pixels, but its outlines are of a square"):
        studies_in(root)
    path.write_bytes(b"x")
    tally = Tally()
    assert studies_in(root, tally)[0].masks == ()
    assert tally.counts["images whose outlines are left out: they cannot be read"] == 1


def test_files_of_something_else_are_told(tmp_path: Path) -> None:
    root = release(tmp_path, (ONE, "-1"))
    (root / "train-rle.csv").write_text("patientId,Target\n")
    with pytest.raises(DatasetError, match="found the columns patientId, Target, expected ImageId"):
        studies_in(root)
    release(root, (ONE, "-1"))
    for path in root.glob("dicom-images-train/*/*/*"):
        path.rename(path.with_name("1.2.3.4.dcm"))
    with pytest.raises(DatasetError, match=f"none of the 1 images .* is there, such as {ONE}"):
        studies_in(root)


def test_the_whole_release_and_its_lists_are_known_by_their_counts(tmp_path: Path) -> None:
    root = release(tmp_path / "siim", (ONE, "-1"))
    manifest = index_release(SIIM, Release(root=root), tmp_path / "m.parquet")
    assert compared_with_whole(SIIM, manifest)["studies"] == (1, 12_047)
    assert 2_669 + 9_378 == 12_047 == sum(LOVT.lengths)
    assert sum(MRM.lengths) == 11_771  # some images are in no list


@pytest.mark.parametrize("dataset", [SIIM, SIIM_LOVT, SIIM_MRM])
def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort], dataset: Dataset
) -> None:
    assert set(MADE_OF) <= set(FINDINGS)
    cohort, root = stand_in([("pneumothorax",), ()] * 4), tmp_path / "out"
    drawn = np.zeros((32, 32), dtype=np.uint8)
    drawn[3:9, 2:7] = drawn[5:7, 20:30] = 255  # on both sides
    Image.fromarray(drawn).save(cohort.root / "mask.png")
    outline = (Mask(radiograph=0, label="pneumothorax", path="mask.png"),)
    studies = tuple(replace(each, masks=outline if each.boxes else ()) for each in cohort.studies)
    assert dataset.write is not None
    dataset.write(replace(cohort, studies=studies), root)
    lines = (root / "train-rle.csv").read_text().splitlines()
    assert lines[0] == "ImageId, EncodedPixels"
    assert len(lines) == 1 + 4 * 2 + 4  # two components of each pneumothorax
    lists = None if dataset is SIIM else root / "lists"
    release = Release(root=root, second_root=lists)
    manifest = index_release(dataset, release, tmp_path / "m.parquet")
    found = {study.study_id: study for study in manifest.studies}
    for each in studies:
        study = found[image_name(1, each)]
        assert (study.findings[0].value is Assertion.PRESENT) == bool(each.masks)
        assert (study.patient_id, study.sex) == (each.patient_id, "F")
        assert study.split == (None if dataset is SIIM else each.split)
        for mask in study.masks:
            np.testing.assert_array_equal(read_mask(root / mask.path, 32, 32), drawn > 0)
        assert len(study.masks) == len(each.masks)
    assert check([manifest]).healthy
