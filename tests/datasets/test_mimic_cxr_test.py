"""The radiologist's labels of MIMIC-CXR's test reports, on a phantom in the release's layout."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.mimic_cxr import MIMIC_CXR
from carina.datasets.mimic_cxr_test import MIMIC_CXR_TEST
from carina.datasets.mimic_cxr_test_layout import WRITTEN_TABLE, write_mimic_cxr_test
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Report, Study

LABELS = (
    "No Findings,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Airspace Opacity,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
"""In an order of its own, without a column of patients, and with two names of its own."""


@pytest.fixture
def root(tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]) -> Path:
    """Eight studies, the last two of them the test part."""
    cohort = stand_in([()] * 8)
    studies = tuple(
        replace(
            study,
            study_id=f"phantom-{number // 2}-{number % 2 + 1}",
            report=Report(text="FINDINGS: There is a pleural effusion. No edema."),
        )
        for number, study in enumerate(cohort.studies)
    )
    write_mimic_cxr_test(replace(cohort, studies=studies), tmp_path)
    return tmp_path


def table(root: Path) -> Path:
    return root / "mimic-cxr-jpg" / WRITTEN_TABLE


def labels(root: Path, *rows: str, header: str = f"study_id,{LABELS}") -> None:
    table(root).write_text("\n".join((header, *rows)) + "\n")


def ids(root: Path) -> list[str]:
    return [line.split(",")[0] for line in table(root).read_text().splitlines()[1:]]


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    release = Release(root=root / "mimic-cxr-jpg", second_root=root / "mimic-cxr")
    return list(read_studies(MIMIC_CXR_TEST, release, tally))


def said(study: Study) -> dict[str, str]:
    return {finding.name: str(finding.value) for finding in study.findings}


def test_a_phantom_s_test_reports_are_labelled_and_no_others(root: Path) -> None:
    studies = studies_in(root)
    assert [study.study_id for study in studies] == ids(root)
    assert len(studies) == 2
    release = Release(root=root / "mimic-cxr-jpg", second_root=root / "mimic-cxr")
    whole = {study.study_id: study for study in read_studies(MIMIC_CXR, release)}
    for study in studies:
        assert study.split == whole[study.study_id].split == "test"
        assert study.radiographs == whole[study.study_id].radiographs
        assert study.report == whole[study.study_id].report
        assert said(study) == {"Pleural Effusion": "present", "Edema": "absent"}


def test_labels_go_by_name_and_blank_is_not_mentioned(root: Path) -> None:
    (first, second) = ids(root)
    # The order of LABELS: no finding, enlarged, cardiomegaly, lesion, opacity, edema, ...
    labels(root, f"{first}.0,,,0.0,,1.0,-1.0,,,,,,,,", f"s{second},1,,,,,,,,,,,,,1")
    one, two = studies_in(root)
    assert said(one) == {"Cardiomegaly": "absent", "Lung Opacity": "present", "Edema": "uncertain"}
    assert said(two) == {"No Finding": "present", "Support Devices": "present"}


def test_labels_win_over_those_of_the_labellers(root: Path) -> None:
    labels(root, f"{ids(root)[0]},,,,,,1,,,,,0,,,")
    (study,) = studies_in(root)
    assert said(study) == {"Edema": "present", "Pleural Effusion": "absent"}  # theirs: the reverse


def test_a_study_that_is_odd_is_counted(root: Path) -> None:
    rows = root / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-split.csv.gz"
    tally = Tally()
    labels(root, f"{ids(root)[0]},{',' * 13}", f"59999999,{',' * 13}")
    rows.unlink()
    (study,) = studies_in(root, tally)
    assert (study.split, study.findings) == ("test", ())
    assert tally.counts["labelled studies that the metadata lack"] == 1
    labels(root, f"59999999,{',' * 13}")
    with pytest.raises(DatasetError, match=r"none of its 1 studies is in the metadata of .*Take"):
        studies_in(root)


def test_a_study_of_another_split_is_counted_and_tested(root: Path) -> None:
    release = Release(root=root / "mimic-cxr-jpg", second_root=root / "mimic-cxr")
    trained = next(s for s in read_studies(MIMIC_CXR, release) if s.split == "train")
    labels(root, f"{trained.study_id},{',' * 13}")
    tally = Tally()
    assert studies_in(root, tally)[0].split == "test"
    assert tally.counts["labelled studies that the split table has in train"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5.04e7" + "," * 14, r"row 2, study_id: found '5\.04e7', expected such as 50414267"),
        ("50000001,2" + "," * 13, "row 2, No Findings: found '2', expected 1, 0, -1 or nothing"),
        (f"50000001{',' * 14}\n50000001{',' * 14}", "row 3, study_id: 50000001 is listed a second"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(root: Path, row: str, message: str) -> None:
    labels(root, row)
    with pytest.raises(DatasetError, match=message):
        studies_in(root)


def test_another_table_and_two_tables_are_refused(root: Path) -> None:
    labels(root, header="study_id,Edema,Airspace Opacity")
    with pytest.raises(DatasetError, match=r"expected Atelectasis, .*No Finding or No Findings, "):
        studies_in(root)
    labels(root, header=LABELS)
    with pytest.raises(DatasetError, match=r"expected study_id too. Take the file that came"):
        studies_in(root)
    table(root).with_name("mimic-cxr-2.2.0-test-set-labeled.csv").write_text("x")
    with pytest.raises(DatasetError, match=r"expected one of them. Move the others away"):
        studies_in(root)
