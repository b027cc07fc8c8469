"""Other labels of ChestX-ray14's images, beside a phantom in its layout."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from carina.datasets.chestxray14_labels import (
    CHESTXRAY14_ALL,
    CHESTXRAY14_FOUR,
    CHESTXRAY14_LABELS,
    CHESTXRAY14_LT,
    CHESTXRAY14_LT_BALANCED,
    CHESTXRAY14_PRUNE,
)
from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Study

FINDINGS = [("mass", "rib fracture"), (), ("tortuous aorta",), (), ("nodule",), (), ("mass",), ()]
"""Two patients train, one validates (a nodule, nothing), one tests (a mass, nothing)."""

Written = Callable[[Dataset], Path]


@pytest.fixture
def written(tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]) -> Written:
    cohort = stand_in(FINDINGS)

    def write(dataset: Dataset) -> Path:
        assert dataset.write is not None
        dataset.write(cohort, tmp_path)
        return tmp_path

    return write


def studies_in(root: Path, dataset: Dataset, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(dataset, Release(root=root, second_root=root / "lists"), tally))


def present(study: Study) -> list[str]:
    return [finding.name for finding in study.findings if finding.value == "present"]


@pytest.mark.parametrize("dataset", CHESTXRAY14_LABELS, ids=lambda each: each.name)
def test_labels_and_ids_join(dataset: Dataset, written: Written) -> None:
    tally = Tally()
    studies = studies_in(written(dataset), dataset, tally)
    labels, splits = {
        CHESTXRAY14_FOUR.name: (4, ["validate"] * 2 + ["test"] * 2),
        CHESTXRAY14_ALL.name: (16, ["test"] * 2),
    }.get(dataset.name, (20, ["train"] * 4 + ["validate"] * 2 + ["test"] * 2))
    assert [study.split for study in studies] == splits
    assert {len(study.findings) for study in studies} == {labels}
    # Names of images are the patient's number and the visit's, in the order of the cohort.
    names = [f"{n // 2 + 1:08d}_{n % 2:03d}" for n in range(8 - len(splits), 8)]
    assert [study.study_id for study in studies] == names
    assert [study.patient_id for study in studies] == [name[:8] for name in names]
    assert {(s.source, s.sex, s.radiographs[0].view) for s in studies} == {
        ("chestxray14", "F", "PA")
    }
    assert all("images, sha256 " in note for note in tally.notes)
    assert tally.counts == {}


def test_each_set_says_what_it_says(written: Written) -> None:
    def said(dataset: Dataset) -> list[list[str]]:
        return [present(study) for study in studies_in(written(dataset), dataset)]

    assert said(CHESTXRAY14_FOUR) == [["Nodule or Mass"], [], ["Nodule or Mass"], []]
    assert said(CHESTXRAY14_ALL) == [["Abnormal", "Mass"], []]
    assert said(CHESTXRAY14_PRUNE)[:3] == [["Mass"], ["No Finding"], ["Tortuous Aorta"]]
    assert said(CHESTXRAY14_LT)[4:] == [["Nodule"], ["No Finding"], ["Mass"], ["No Finding"]]
    assert said(CHESTXRAY14_LT_BALANCED)[4:] == said(CHESTXRAY14_LT)[4:]


def test_readers_stand_apart_from_the_majority(written: Written) -> None:
    root = written(CHESTXRAY14_ALL)
    path = root / "lists" / "test_individual_readers.csv"
    head, first, *rest = path.read_text().splitlines()
    assert first.count("YES") == 1
    path.write_text("\n".join([head, first.replace("YES", "NO"), *rest]))
    study = studies_in(root, CHESTXRAY14_ALL)[0]
    mass = [(each.reader, each.value) for each in study.severity if each.name == "Mass"]
    assert mass == [("4343882583", 0.0), ("4343882785", 1.0), ("4343880271", 1.0)]
    assert "Mass" in present(study)
    path.write_text("\n".join([head, first, first]))
    with pytest.raises(DatasetError, match="row 3, Reader ID: found '4343882583' for 00000004_000"):
        studies_in(root, CHESTXRAY14_ALL)
    path.unlink()
    tally = Tally()
    assert studies_in(root, CHESTXRAY14_ALL, tally)[0].severity == ()
    assert "test_individual_readers.csv is not there" in tally.notes[1]


def change(root: Path, file: str, old: str, new: str) -> None:
    path = root / "lists" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_names_of_files_and_columns_of_either_download_are_read(written: Written) -> None:
    root = written(CHESTXRAY14_FOUR)
    before = studies_in(root, CHESTXRAY14_FOUR)
    for file in ("test_labels.csv", "validation_labels.csv"):
        path = root / "lists" / file
        path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n").replace("YES", "yes"))
        path.rename(path.with_name(f"four_findings_expert_labels_{file}"))
    assert studies_in(root, CHESTXRAY14_FOUR) == before
    prune = written(CHESTXRAY14_PRUNE)
    assert (
        "Pleural_Thickening"
        in (prune / "lists" / "miccai2023_nih-cxr-lt_labels_test.csv").read_text()
    )
    whole = studies_in(prune, CHESTXRAY14_PRUNE)
    for part in ("train", "val", "test"):
        file = f"miccai2023_nih-cxr-lt_labels_{part}.csv"
        change(prune, file, "Pleural_Thickening", "Pleural Thickening")
    assert studies_in(prune, CHESTXRAY14_PRUNE) == whole


def test_a_blank_label_was_not_judged(written: Written) -> None:
    root = written(CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "NO,", ",")
    names = [finding.name for finding in studies_in(root, CHESTXRAY14_FOUR)[2].findings]
    assert names == ["Pneumothorax", "Lung Opacity", "Nodule or Mass"]


def test_what_cannot_be_right_is_refused(written: Written) -> None:
    root = written(CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "NO", "NO^")
    with pytest.raises(DatasetError, match=r"row 2, Fracture: found 'NO\^', expected YES or NO"):
        studies_in(root, CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "00000004_000.png", "4_0.png")
    with pytest.raises(DatasetError, match=r"row 2, Image Index: found '4_0\.png', expected such"):
        studies_in(root, CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "4_0.png", "00000003_000.png")
    with pytest.raises(DatasetError, match=r"00000003_000\.png is labelled a second time"):
        studies_in(root, CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "Fracture", "Fractures")
    with pytest.raises(DatasetError, match="expected Fracture too"):
        studies_in(root, CHESTXRAY14_FOUR)
    (root / "lists" / "test_labels.csv").unlink()
    with pytest.raises(DatasetError, match=r"test_labels\.csv or four_.* expected but not there"):
        studies_in(root, CHESTXRAY14_FOUR)


def test_the_other_google_table_of_the_same_name_is_refused(written: Written) -> None:
    root = written(CHESTXRAY14_ALL)
    (root / "lists" / "validation_labels.csv").write_text(
        (root / "lists" / "test_labels.csv").read_text()
    )
    with pytest.raises(DatasetError, match="expected Image Index, Fracture, Airspace opacity"):
        studies_in(root, CHESTXRAY14_FOUR)


def test_an_image_of_two_labels_is_none_of_the_long_tail(written: Written) -> None:
    root = written(CHESTXRAY14_LT)
    file = "nih-cxr-lt_single-label_train.csv"
    change(root, file, "png,0", "png,1")
    with pytest.raises(DatasetError, match="row 2, the labels: found Atelectasis, Mass, expected"):
        studies_in(root, CHESTXRAY14_LT)


def test_images_that_are_missing_are_counted(written: Written) -> None:
    root = written(CHESTXRAY14_FOUR)
    change(root, "test_labels.csv", "00000004_001.png", "00000099_001.png")
    next(root.glob("images_*/images/00000004_000.png")).unlink()
    tally = Tally()
    assert len(studies_in(root, CHESTXRAY14_FOUR, tally)) == 2
    assert tally.counts == {
        "images that are listed but not there, left out": 1,
        "labelled images that NIH's table lacks, left out": 1,
    }
    for name in ("00000003_000", "00000003_001"):
        next(root.glob(f"images_*/images/{name}.png")).unlink()
    with pytest.raises(DatasetError, match="none of the 4 images that are listed is there"):
        studies_in(root, CHESTXRAY14_FOUR)
