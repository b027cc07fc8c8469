import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bright_cohort import BrightnessModel, write_cohort

from carina.studies.manifest import Manifest


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def model() -> BrightnessModel:
    return BrightnessModel()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "evaluation"
