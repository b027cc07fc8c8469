"""CheXpert's test part with its readers, as people have the two downloads on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from carina.datasets.chexpert_layout import LABELS
from carina.datasets.chexpert_test import CHEXPERT_TEST
from carina.datasets.chexpert_test_layout import READERS_LABELS, write_chexpert_test
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.tally import Tally
from carina.errors import DatasetError
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
