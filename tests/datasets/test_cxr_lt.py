"""CXR-LT's labels beside a phantom in the layout of MIMIC-CXR."""

import gzip
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from carina.datasets.cxr_lt import (
    CXR_LT_2023,
    CXR_LT_2024,
    CXR_LT_2024_GOLD,
    CXR_LT_2024_UNSEEN,
    CXR_LT_ALL,
)
from carina.datasets.cxr_lt_layout import GOLD, OF_2023, OF_2024, UNSEEN
from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Report, Study

StandIn = Callable[[Sequence[Sequence[str]]], DrawnCohort]


@pytest.fixture
def written(tmp_path: Path, stand_in: StandIn) -> Callable[[Dataset], Path]:
    """Writes eight studies in a layout: four train, two validate, two test."""
    findings = [("mass",), ("rib fracture",), (), ("bullae",), ("mass",), (), ("scoliosis",), ()]
    cohort = stand_in(findings)
    studies = tuple(
        replace(study, study_id=f"phantom-{i // 2}-{i % 2 + 1}", report=Report(text="FINDINGS: x."))
        for i, study in enumerate(cohort.studies)
    )

    def write(dataset: Dataset) -> Path:
        assert dataset.write is not None
        dataset.write(replace(cohort, studies=studies), tmp_path)
        return tmp_path

    return write


def studies_in(root: Path, dataset: Dataset, tally: Tally | None = None) -> list[Study]:
    release = Release(root=root / "mimic-cxr-jpg", second_root=root / "cxr-lt")
    return list(read_studies(dataset, release, tally))


def present(study: Study) -> list[str]:
    return [finding.name for finding in study.findings if finding.value == "present"]


def test_there_are_26_40_26_and_5_labels() -> None:
    assert [len(labels) for labels in (OF_2023, OF_2024, GOLD, UNSEEN)] == [26, 40, 26, 5]
    assert len({*OF_2024, *UNSEEN}) == 45


LABELS = {CXR_LT_2023.name: 26, CXR_LT_2024.name: 40, CXR_LT_2024_GOLD.name: 26}


@pytest.mark.parametrize("dataset", CXR_LT_ALL, ids=lambda each: each.name)
def test_every_label_of_an_image_is_told(
    dataset: Dataset, written: Callable[[Dataset], Path]
) -> None:
    studies = studies_in(written(dataset), dataset)
    trained = [] if dataset is CXR_LT_2024_UNSEEN else ["train"] * 4
    assert [study.split for study in studies] == [*trained, *["validate"] * 2, *["test"] * 2]
    assert {len(study.findings) for study in studies} == {LABELS.get(dataset.name, 5)}
    assert {study.source for study in studies} == {"mimic-cxr"}
    assert {len(study.radiographs) for study in studies} == {1}


def test_labels_go_by_name(written: Callable[[Dataset], Path]) -> None:
    studies = studies_in(written(CXR_LT_2024), CXR_LT_2024)
    assert [present(study) for study in studies[:3]] == [
        ["Lung Lesion", "Lung Opacity", "Mass"],
        ["Fracture", "Rib Fracture"],
        ["Normal"],
    ]
    unseen = studies_in(written(CXR_LT_2024_UNSEEN), CXR_LT_2024_UNSEEN)
    assert [present(study) for study in unseen] == [[], [], ["Scoliosis"], []]


def path_of(root: Path, file: str = "test.csv") -> Path:
    return root / "cxr-lt" / "cxr-lt-2023" / file


def change(path: Path, row: int, old: str, new: str) -> None:
    lines = path.read_text().splitlines()
    assert old in lines[row]
    lines[row] = lines[row].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n")


def test_columns_in_another_order_decimals_and_more_columns_are_the_same(
    written: Callable[[Dataset], Path],
) -> None:
    root = written(CXR_LT_2023)
    before = studies_in(root, CXR_LT_2023)
    for file in ("train.csv", "development.csv", "test.csv"):
        rows = [line.split(",") for line in path_of(root, file).read_text().splitlines()]
        head, *rest = [[*reversed(row), "x"] for row in rows]
        lines = [head, *([cell + ".0" if cell in "01" else cell for cell in row] for row in rest)]
        path_of(root, file).write_text("\ufeff" + "\r\n".join(map(",".join, lines)) + "\r\n")
    assert studies_in(root, CXR_LT_2023) == before


def test_images_of_a_study_that_are_labelled_apart_are_studies_apart(
    written: Callable[[Dataset], Path],
) -> None:
    root = written(CXR_LT_2023)
    jpg = root / "mimic-cxr-jpg"
    first, second = (line for line in path_of(root).read_text().splitlines()[1:])
    name, subject, study = second.split(",")[:3]
    owner = first.split(",")[2]
    (moved,) = (jpg / "files").glob(f"p*/p*/s*/{name}.jpg")
    target = next((jpg / "files").glob(f"p*/p*/s{owner}")) / moved.name
    moved.rename(target)
    for table in (jpg / "mimic-cxr-2.0.0-metadata.csv.gz", path_of(root)):
        replace_in(table, f"{name},{subject},{study}", f"{name},{first.split(',')[1]},{owner}")
    tally = Tally()
    ids = [each.study_id for each in studies_in(root, CXR_LT_2023, tally)][-2:]
    assert ids == [owner, f"{owner}-2"]
    assert tally.counts["images labelled otherwise than their study: studies of their own"] == 1


def replace_in(path: Path, old: str, new: str) -> None:
    packed = path.suffix == ".gz"
    text = gzip.decompress(path.read_bytes()).decode() if packed else path.read_text()
    assert old in text
    content = text.replace(old, new).encode()
    path.write_bytes(gzip.compress(content) if packed else content)


def test_images_that_are_missing_are_counted(written: Callable[[Dataset], Path]) -> None:
    root = written(CXR_LT_2023)
    line = path_of(root).read_text().splitlines()[1]
    name = line.split(",")[0]
    next((root / "mimic-cxr-jpg" / "files").glob(f"p*/p*/s*/{name}.jpg")).unlink()
    change(path_of(root), 2, path_of(root).read_text().splitlines()[2][:8], "0" * 8)
    tally = Tally()
    assert [study.split for study in studies_in(root, CXR_LT_2023, tally)].count("test") == 0
    assert tally.counts == {
        "images that are listed but not there, left out": 1,
        "labelled images that the metadata of MIMIC-CXR lack, left out": 1,
    }
    for path in (root / "mimic-cxr-jpg" / "files").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match="none of the 7 images that are listed is there"):
        studies_in(root, CXR_LT_2023)


def test_labels_and_ids_that_are_none_are_refused(written: Callable[[Dataset], Path]) -> None:
    root = written(CXR_LT_2023)
    text = path_of(root).read_text()
    change(path_of(root), 1, ".jpg,0", ".jpg,-1")
    with pytest.raises(DatasetError, match="row 2, Atelectasis: found '-1', expected 1 or 0"):
        studies_in(root, CXR_LT_2023)
    path_of(root).write_text(text)
    change(path_of(root), 1, ".jpg,0", ".jpg,")
    with pytest.raises(DatasetError, match="row 2, Atelectasis: found None, expected 1 or 0"):
        studies_in(root, CXR_LT_2023)
    path_of(root).write_text(text.replace("Atelectasis,", "Atelectases,"))
    with pytest.raises(DatasetError, match="expected Atelectasis"):
        studies_in(root, CXR_LT_2023)
    path_of(root).write_text(path_of(root, "train.csv").read_text())
    with pytest.raises(DatasetError, match=r"is listed twice, expected each image once in one"):
        studies_in(root, CXR_LT_2023)


def test_another_folder_is_refused(written: Callable[[Dataset], Path]) -> None:
    root = written(CXR_LT_2023)
    with pytest.raises(DatasetError, match="found none, expected one folder cxr-lt-2024 with"):
        studies_in(root, CXR_LT_2024)
    release = Release(root=root / "mimic-cxr-jpg", second_root=root / "cxr-lt" / "cxr-lt-2023")
    assert len(list(read_studies(CXR_LT_2023, release))) == 8
    shutil.copytree(path_of(root).parent, root / "cxr-lt" / "old" / "cxr-lt-2023")
    with pytest.raises(DatasetError, match="expected one folder cxr-lt-2023"):
        studies_in(root, CXR_LT_2023)


def test_ids_with_the_letters_of_their_folders_are_read(
    written: Callable[[Dataset], Path],
) -> None:
    root = written(CXR_LT_2023)
    before = studies_in(root, CXR_LT_2023)
    head, *rows = path_of(root).read_text().splitlines()
    lettered = [row.split(",", 3) for row in rows]
    lines = [f"{name},p{subject},s{study},{rest}" for name, subject, study, rest in lettered]
    path_of(root).write_text("\n".join([head, *lines]) + "\n")
    assert studies_in(root, CXR_LT_2023) == before
