from pathlib import Path

import pytest

from carina.errors import ConfigError
from carina.models.folder import load_model
from carina.pretraining.contrast import ContrastModel
from carina.pretraining.pair_contrast import DirectedContrast
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.runs.run import pretrain
from carina.studies.manifest import Manifest


def test_convirt_trains_both_encoders(tiny_cohort: Path, tmp_path: Path) -> None:
    settings = ("steps=2", "batch_size=4", "preprocessing.size=64", "store_size=72")
    recipe = with_settings(find_recipe("convirt_small"), settings)
    pretrain(recipe, Manifest.read(tiny_cohort), tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert isinstance(model, ContrastModel)
    log = (tmp_path / "run" / "contrast" / "metrics.csv").read_text().splitlines()
    assert log[0] == "step,loss,contrast,rate"


def test_settings_of_directed_contrast_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"temperature must be > 0, got 0"):
        DirectedContrast(temperature=0.0)
    with pytest.raises(ConfigError, match=r"image_weight must be in \[0, 1\], got 1.5"):
        DirectedContrast(image_weight=1.5)
