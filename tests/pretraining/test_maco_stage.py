"""MaCo through the runner: what a run leaves, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import carina
from carina.errors import ConfigError
from carina.models.folder import load_model
from carina.pages.weight_maps import weight_maps
from carina.pretraining.maco import MaCoModel
from carina.pretraining.maco_stage import MaCoStage
from carina.pretraining.weight_history import NUMBERS, PICTURE, moments
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.recipes.recipe import Recipe
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest

SETTINGS = ("steps=6", "batch_size=4", "checkpoint_every=2", "log_every=1")


def tiny(name: str) -> Recipe:
    """A recipe at 48 px, which is a change of several settings at once."""
    recipe = with_settings(find_recipe(name), SETTINGS)
    (stage,) = recipe.stages
    assert isinstance(stage, MaCoStage)
    image = replace(stage.model.image, vit=replace(stage.model.image.vit, size=48))
    preprocessing = replace(stage.model.preprocessing, size=48)
    model = replace(stage.model, image=image, preprocessing=preprocessing)
    return replace(recipe, stages=(replace(stage, model=model, store_size=96),))


@pytest.fixture(scope="module")
def run(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("maco") / "run"
    pretrain(tiny("maco_small"), Manifest.read(tiny_cohort), out)
    return out


def test_a_run_can_be_asked_with_maps(run: Path, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 50)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "chest.png")
    answer = carina.load(run).ask([tmp_path / "chest.png"], ["pneumothorax", "nodule"])
    assert answer.scores.shape == (1, 2)
    assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
    assert answer.heatmap(0, 1).shape == (60, 50)


def test_a_run_that_was_stopped_is_the_run_that_was_not(
    run: Path, tiny_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = tmp_path / "run"
    original = MaCoStage.prepare
    seen = []

    def stops(self, inputs):
        prepared = original(self, inputs)
        losses = prepared.objective.losses

        def counted(batch):
            seen.append(batch.step)
            if len(seen) == 5:
                raise KeyboardInterrupt
            return losses(batch)

        prepared.objective.losses = counted
        return prepared

    monkeypatch.setattr(MaCoStage, "prepare", stops)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny("maco_small"), Manifest.read(tiny_cohort), stopped)
    monkeypatch.undo()
    pretrain(tiny("maco_small"), Manifest.read(tiny_cohort), stopped, RunOptions(resume=True))
    whole, resumed = load_model(run).state_dict(), load_model(stopped).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (stopped / "maco" / NUMBERS).read_text() == (run / "maco" / NUMBERS).read_text()


def test_a_run_leaves_the_weights_of_the_patches_over_the_training(run: Path) -> None:
    found = json.loads((run / "maco" / NUMBERS).read_text())
    maps = np.array(found["weights"])
    assert found["steps"] == [0, 1, 2, 3, 4, 5]
    assert maps.shape == (7, 6, 6)
    assert (maps[0] == 0).all()
    assert all((maps[i] != maps[i + 1]).any() for i in range(6))
    model = load_model(run)
    assert isinstance(model, MaCoModel)
    last = model.importance.weight.detach().numpy().reshape(6, 6)
    np.testing.assert_allclose(maps[-1], last, atol=1e-6)
    picture = (run / "maco" / PICTURE).read_text()
    assert picture.startswith("<svg")
    assert picture.count("<rect") == 1 + 7 * 36 + 40


def test_moments_lie_evenly_over_a_training() -> None:
    assert moments(600) == [0, 100, 200, 300, 400, 500]
    assert moments(2) == [0, 1]


@pytest.mark.parametrize("name", ["maco_small_mae", "maco_small_mae_hr", "maco_small_clip"])
def test_ablations_train(name: str, tiny_cohort: Path, tmp_path: Path) -> None:
    recipe = with_settings(tiny(name), ["steps=2"])
    pretrain(recipe, Manifest.read(tiny_cohort), tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert isinstance(model, MaCoModel)
    assert model.config.reads_reports == (name == "maco_small_clip")
    assert model.decoder.config.resolution == (1 if name == "maco_small_mae" else 2)
    assert (model.importance.weight == 0).all()
    assert not (tmp_path / "run" / "maco" / PICTURE).exists()


def test_a_store_smaller_than_what_is_guessed_is_refused() -> None:
    stage = find_recipe("maco_official").stages[0]
    assert isinstance(stage, MaCoStage)
    with pytest.raises(ConfigError, match=r"store_size \(400\) must be at least .*\(448"):
        replace(stage, store_size=400)


def test_a_given_tokenizer_is_used(tiny_cohort: Path, tmp_path: Path, vocab_dir: Path) -> None:
    path = vocab_dir / "maco_mimic_wordpiece.json"
    recipe = with_settings(
        tiny("maco_small"), ["steps=1", f"tokenizer={path}", "text.vocabulary=30000"]
    )
    pretrain(recipe, Manifest.read(tiny_cohort), tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert model.tokenizer.encode("no nodule.").tokens == ["[CLS]", "no", "nodule", "."]


def test_weight_maps_share_one_scale_and_leave_gaps() -> None:
    maps = np.array([[[0.0, np.nan]], [[-1.0, 3.0]]])
    picture = weight_maps(["first", "end"], maps)
    assert ">−1.000<" in picture
    assert ">3.000<" in picture
    assert picture.count("<rect") == 1 + 3 + 40
