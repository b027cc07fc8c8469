"""The PNG mirror of the SIIM-ACR challenge on a tiny fake, and BenchX's split of it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.siim import SIIM
from carina.datasets.siim_layout import write_siim
from carina.datasets.siim_png import SIIM_BENCHX, SIIM_PNG
from carina.datasets.siim_png_layout import write_benchx
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.study import Study

UIDS = [f"1.2.276.0.7230010.3.1.4.8323329.{n}.1517875182.{n}" for n in (11, 12, 13)]
NAMES = ("0_train_1_", "1_train_0_", "0_test_1_")
HALF = np.zeros((16, 16), dtype=np.uint8)
HALF[:, 8:] = 1


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Masks with the levels 0 and 255, and one with 0 and 1."""
    for name, levels in zip(NAMES, (HALF * 255, HALF * 0, HALF), strict=True):
        for folder, picture in (("png_images", HALF + 90), ("png_masks", levels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    table(tmp_path, "train", f"{NAMES[0]}.png,{UIDS[0]},1", f"{NAMES[1]}.png,{UIDS[1]},0")
    table(tmp_path, "test", f"{NAMES[2]}.png,{UIDS[2]},1")
    (tmp_path / "lists").mkdir()
    for file, name in zip(("train", "val", "test"), NAMES, strict=True):
        (tmp_path / "lists" / f"{file}.txt").write_text(f"{name}\n")
    return tmp_path


def table(root: Path, part: str, *rows: str) -> None:
    lines = ("new_filename,ImageId,has_pneumo", *rows)
    (root / f"stage_1_{part}_images.csv").write_text("\n".join(lines) + "\n")


def studies_in(root: Path, dataset: Dataset = SIIM_PNG, tally: Tally | None = None) -> list[Study]:
    second = root / "lists" if dataset is SIIM_BENCHX else None
    release = Release(root=root, second_root=second, masks=root / "drawn")
    return list(read_studies(dataset, release, tally))


def test_masks_of_either_levels_are_drawn(root: Path) -> None:
    studies = index_release(SIIM_PNG, Release(root=root), root / "m.parquet").studies
    assert [str(study.findings[0].value) for study in studies] == ["present", "absent", "present"]
    assert [len(study.masks) for study in studies] == [1, 0, 1]
    for study in (studies[0], studies[2]):
        np.testing.assert_array_equal(read_mask(root / study.masks[0].path, 16, 16), HALF > 0)
    assert [study.study_id for study in studies] == UIDS
    assert studies[2].split == "test"
    assert studies[0].split in ("train", "validate")


def test_benchx_splits_by_the_names_of_pictures(root: Path) -> None:
    tally = Tally()
    splits = [study.split for study in studies_in(root, SIIM_BENCHX, tally)]
    assert splits == ["train", "validate", "test"]
    assert tally.notes[0].startswith("BenchX train.txt: 1 images (the whole list: 9,303), sha256")
    (root / "lists" / "val.txt").write_text("7_train_0_\n")
    assert [study.split for study in studies_in(root, SIIM_BENCHX, tally)][1] is None
    assert tally.counts == {
        "images of the lists that the release has not": 1,
        "images in no list: they have no split": 1,
    }


def test_pictures_and_masks_that_are_missing_or_odd_are_counted(root: Path) -> None:
    (root / "png_images" / f"{NAMES[1]}.png").unlink()
    Image.new("L", (8, 8), 255).save(root / "png_masks" / f"{NAMES[0]}.png")
    Image.new("L", (16, 16)).save(root / "png_masks" / f"{NAMES[2]}.png")
    tally = Tally()
    assert [study.masks for study in studies_in(root, tally=tally)] == [(), ()]
    assert tally.counts == {
        "masks of another size than their image, left out": 1,
        "images that are listed but not there, left out": 1,
        "masks of a pneumothorax without a pixel, left out": 1,
    }
    (root / "png_masks" / f"{NAMES[0]}.png").unlink()
    again = Tally()
    studies_in(root, tally=again)
    assert again.counts["images of a pneumothorax without a mask"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"x.png,{UIDS[0]},1", r"row 2, new_filename: found 'x\.png', expected such as 8826_train"),
        ("0_train_1_.png,77,1", "row 2, ImageId: found '77', expected an identifier"),
        (f"0_train_1_.png,{UIDS[0]},0", "is '0' in the table of train, but the picture is called"),
        (f"0_test_1_.png,{UIDS[0]},1", "in the table of train, but the picture is called 0_test"),
        (f"5_train_1_.png,{UIDS[0]},1\n6_train_1_.png,{UIDS[0]},1", "row 3, .*a second time"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(root: Path, row: str, message: str) -> None:
    table(root, "train", row)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_a_phantom_is_the_challenge_s_in_another_form(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([()] * 8)
    write_benchx(cohort, tmp_path / "png")
    write_siim(cohort, tmp_path / "dicom")
    mirrored = studies_in(tmp_path / "png", SIIM_BENCHX)
    whole = list(read_studies(SIIM, Release(root=tmp_path / "dicom")))
    assert [study.study_id for study in mirrored] == [study.study_id for study in whole]
    assert [study.findings for study in mirrored] == [study.findings for study in whole]
    assert [study.split for study in mirrored] == [study.split for study in cohort.studies]
