"""A cohort that `carina phantom` wrote is read with all that is known of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from carina.datasets.declaration import Release, read_studies
from carina.datasets.registry import DATASETS
from carina.errors import DatasetError
from carina.studies.checks import check
from carina.studies.manifest import write_manifest
from carina.study import Assertion


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from carina.phantom.cohort import PhantomConfig, write_cohort

    out = tmp_path_factory.mktemp("phantom") / "cohort"
    write_cohort(PhantomConfig(studies=16, seed=5, size=128), out, processes=1)
    return out


def test_a_phantom_cohort_is_read_whole_and_is_healthy(cohort: Path, tmp_path: Path) -> None:
    studies = list(read_studies(DATASETS["phantom"], Release(root=cohort)))
    assert len(studies) == 16
    assert all(study.report.text and study.split and study.licence for study in studies)
    values = {finding.value for study in studies for finding in study.findings}
    assert values == {Assertion.PRESENT, Assertion.ABSENT}  # nothing is left open
    known = [len(study.findings) for study in studies]
    assert len(set(known)) == 1
    assert any(study.boxes for study in studies)
    assert any(study.masks for study in studies)
    assert check([write_manifest(studies, tmp_path / "m.parquet", cohort)]).healthy


def test_a_folder_without_a_cohort_is_refused(folder: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="images/ expected for phantom but not there"):
        read_studies(DATASETS["phantom"], Release(root=folder("image\na.png\n")))
