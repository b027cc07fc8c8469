"""CheXpert's test part with its readers, as people have the two downloads on disk."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from carina.datasets.chexpert import CHEXPERT
from carina.datasets.chexpert_layout import LABELS
from carina.datasets.chexpert_test import CHEXPERT_TEST
from carina.datasets.chexpert_test_layout import READERS_LABELS, write_chexpert_test
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError, ManifestError
from carina.studies.joining import join_manifests
from carina.study import Assertion, Study

ONE, TWO = "patient64741/study1", "patient64742/study1"
BENCHMARK = "radiologists/benchmark_radiologists"


def table(path: Path, columns: Sequence[str], *rows: dict[str, str], start: str = "Study") -> None:
    """Writes a table; labels that a row does not name are 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join([row[start], *(row.get(name, "0") for name in columns)]) for row in rows]
    path.write_text("\n".join([",".join([start, *columns]), *lines]) + "\n")


def study(place: str, **labels: str) -> dict[str, str]:
    named = {name.replace("_", " "): value for name, value in labels.items()}
    return {"Study": f"CheXpert-v1.0/test/{place}", **named}


def images(root: Path, *places: str) -> None:
    for place in places:
        (root / "test" / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "test" / place).write_bytes(b"x")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two studies, the first with a lateral view too, and one reader."""
    images(tmp_path, f"{ONE}/view1_frontal.jpg", f"{ONE}/view2_lateral.jpg")
    images(tmp_path, f"{TWO}/view1_frontal.jpg")
    table(tmp_path / "groundtruth.csv", LABELS, study(ONE, Lung_Lesion="1"), study(TWO))
    table(
        tmp_path / BENCHMARK / "bc4.csv",
        READERS_LABELS,
        study(TWO, Edema="1"),
        study(ONE, Lung_Opacity="1"),
    )
    return tmp_path


def studies_in(root: Path, tally: Tally | None = None, **named: str) -> list[Study]:
    return list(read_studies(CHEXPERT_TEST, Release(root=root, **named), tally))


def present(study: Study) -> set[str]:
    return {item.name for item in study.findings if item.value is Assertion.PRESENT}


def test_a_study_has_its_views_the_truth_and_what_the_reader_said(root: Path) -> None:
    one, two = studies_in(root)
    assert [each.view for each in one.radiographs] == ["FRONTAL", "LATERAL"]
    assert (one.study_id, one.split, one.source) == ("patient64741_study1", "test", "chexpert")
    assert present(one) == {"Lung Lesion"}
    assert len(one.findings) == 14
    # Columns of readers stand in another order: by place, Opacity would have become Lesion.
    assert [item.name for item in one.severity if item.value == 1.0] == ["Lung Opacity"]
    assert [item.name for item in two.severity if item.value == 1.0] == ["Edema"]
    assert {item.reader for item in one.severity} == {"bc4"}
    assert len(one.severity) == 14


def test_the_labels_may_lie_in_a_folder_of_their_own(root: Path) -> None:
    inner = root / "downloads" / "cheXpert-test-set-labels-main"
    inner.mkdir(parents=True)
    (root / "groundtruth.csv").rename(inner / "groundtruth.csv")
    (root / "radiologists").rename(inner / "radiologists")
    assert [len(each.severity) for each in studies_in(root)] == [14, 14]


def test_a_table_by_image_goes_before_that_by_study(root: Path) -> None:
    rows = [{"Path": f"test/{ONE}/view1_frontal.jpg"}, {"Path": f"test/{TWO}/view1_frontal.jpg"}]
    table(root / "test_labels.csv", LABELS, *rows, start="Path")
    assert [len(each.radiographs) for each in studies_in(root)] == [1, 1]
    named = studies_in(root, table="groundtruth.csv")
    assert [len(each.radiographs) for each in named] == [2, 1]


def test_without_readers_there_is_a_note(root: Path) -> None:
    (root / BENCHMARK / "bc4.csv").unlink()
    tally = Tally()
    assert [each.severity for each in studies_in(root, tally)] == [(), ()]
    assert tally.notes == [f"{BENCHMARK}/ is not there: no reader to measure a model against."]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [study(ONE)],
            "1 studies are in this reader's table or in the truth only, .*64742",
        ),
        ([study(ONE), study(ONE)], "row 3, Study: is listed a second time"),
        ([study(ONE), study(TWO, Edema="-1")], "row 3, Edema: found '-1', expected 1 or 0: a read"),
        ([study(ONE), study(TWO, Edema="")], "row 3, Edema: found '', expected 1 or 0"),
        ([study(ONE), study(TWO, Edema="2")], "row 3, Edema: found '2', expected 1.0, 0.0"),
    ],
)
def test_a_reader_who_fits_the_truth_not_is_refused(
    root: Path, rows: list[dict[str, str]], message: str
) -> None:
    table(root / BENCHMARK / "bc4.csv", READERS_LABELS, *rows)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_a_folder_without_labels_or_images_is_told(root: Path, tmp_path: Path) -> None:
    for path in (root / "test").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match="none of the images of the 2 studies"):
        studies_in(root)
    (root / "groundtruth.csv").unlink()
    with pytest.raises(DatasetError, match=r"test\.csv or .* expected for chexpert-test but not"):
        studies_in(root)


def test_the_stated_counts_are_those_of_the_public_labels() -> None:
    assert CHEXPERT_TEST.counts == {"studies": 500, "radiographs": 668, "patients": 500}
    assert set(CHEXPERT_TEST.labels) == {f"studies with {label}" for label in LABELS}


def test_a_phantom_has_readers_who_slip_and_no_patient_of_the_training_part(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("cardiomegaly", "pacemaker"), ("pneumothorax",)] * 40)
    write_chexpert_test(cohort, tmp_path)
    studies = studies_in(tmp_path)
    assert len(studies) == sum(each.split != "train" for each in cohort.studies)
    assert {item.reader for item in studies[0].severity} == {"bc4", "bc6", "bc8"}
    truth = {"Cardiomegaly", "Enlarged Cardiomediastinum", "Support Devices"}
    assert [present(each) for each in studies[:2]] == [truth, {"Pneumothorax"}]
    said = [(item.value == 1) == (item.name in present(s)) for s in studies for item in s.severity]
    assert 0.8 < sum(said) / len(said) < 1


def training_release(root: Path) -> Path:
    """CheXpert without its test part: one study that trains and one that validates."""
    rows = {
        "train": ("train/patient00001/study1/view1_frontal.jpg", "1.0", ""),
        "valid": ("valid/patient64541/study1/view1_frontal.jpg", "0.0", "1.0"),
    }
    for part, (place, edema, fracture) in rows.items():
        cells = {"Edema": edema, "Fracture": fracture}
        path = root / place
        path.parent.mkdir(parents=True)
        Image.new("L", (8, 8), 90).save(path)
        head = ",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS))
        said = ",".join(cells.get(name, "") for name in LABELS)
        row = f"CheXpert-v1.0-small/{place},Female,61,Frontal,AP,{said}"
        (root / f"{part}.csv").write_text(f"{head}\n{row}\n")
    return root


def test_the_parts_of_chexpert_join_by_id_and_label(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("joined")
    for path in root.rglob("*.jpg"):
        Image.new("L", (8, 8), 90).save(path)
    trained = training_release(tmp_path / "parts" / "CheXpert-v1.0-small")
    manifests = [
        index_release(CHEXPERT, Release(root=trained), tmp_path / "a.parquet"),
        index_release(CHEXPERT_TEST, Release(root=root), tmp_path / "b.parquet"),
    ]
    joined = join_manifests(manifests, tmp_path / "joined.parquet")
    assert joined.dataset == "chexpert+chexpert-test"
    assert [(study.study_id, study.patient_id, study.split) for study in joined.studies] == [
        ("patient00001_study1", "patient00001", "train"),
        ("patient64541_study1", "patient64541", "validate"),
        ("patient64741_study1", "patient64741", "test"),
        ("patient64742_study1", "patient64742", "test"),
    ]
    assert {study.source for study in joined.studies} == {"chexpert"}
    assert all(joined.absolute(r.path).is_file() for s in joined.studies for r in s.radiographs)
    # The one label table has blanks and the other none: a label has one name in both.
    assert [present(study) for study in joined.studies] == [
        *({"Edema"}, {"Fracture"}, {"Lung Lesion"}, set()),
    ]
    names = [{item.name for item in study.findings} for study in joined.studies]
    assert names[2] == set(LABELS)
    assert names[0] | names[1] <= names[2]
    read = {(each.name, each.value) for each in joined.studies[3].severity if each.value}
    assert read == {("Edema", 1.0)}  # the reader's own word stays with the study it is of


def test_parts_of_chexpert_that_overlap_do_not_join(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("joined")
    for path in root.rglob("*.jpg"):
        Image.new("L", (8, 8), 90).save(path)
    trained = training_release(tmp_path / "parts")
    shutil.copytree(root / "test", trained / "test")
    shutil.copy(root / "groundtruth.csv", trained)
    manifests = [
        index_release(CHEXPERT, Release(root=trained), tmp_path / "a.parquet"),
        index_release(CHEXPERT_TEST, Release(root=root), tmp_path / "b.parquet"),
    ]
    assert [study.split for study in manifests[0].studies] == ["train", "validate", "test", "test"]
    with pytest.raises(ManifestError, match="patient64741_study1"):
        join_manifests(manifests, tmp_path / "joined.parquet")
