"""ECAMP through the runner: maps made once, what a run leaves, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

import carina
from carina.encoders.context_fusion import AddedMean
from carina.encoders.super_resolution import NoSuperResolution
from carina.errors import ConfigError, ManifestError, ModelError
from carina.imaging.store import ImageStore
from carina.knowledge.graph import ConceptGraph
from carina.models.folder import load_model
from carina.models.load import answers_queries
from carina.pretraining.ecamp import ECAMPModel
from carina.pretraining.ecamp_contrast import ECAMPContrastModel
from carina.pretraining.ecamp_objective import NoWords
from carina.pretraining.ecamp_stage import MAPS, ECAMPStage, MapSource, reported_words
from carina.pretraining.entity_maps import EntityMaps
from carina.pretraining.entity_texts import DistilledSentences, FromManifest
from carina.pretraining.image_source import PublishedResNet
from carina.pretraining.local_alignment_stage import GLoRIAStage
from carina.pretraining.pairs import Pairs
from carina.pretraining.stage import StageInputs
from carina.pretraining.text_masking import EveryWord
from carina.pretraining.text_weights import RebalancedWeights
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.recipes.recipe import Recipe
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest
from carina.study import Report

SETTINGS = ("steps=3", "batch_size=4", "checkpoint_every=2", "log_every=1", "store_size=96")


def stage_of(recipe: Recipe) -> ECAMPStage:
    stage = recipe.stages[-1]
    assert isinstance(stage, ECAMPStage)
    return stage


def tiny(name: str) -> Recipe:
    """A recipe at 48 px, which is a change of several settings at once."""
    recipe = find_recipe(name)
    stage = stage_of(recipe)
    image = replace(stage.model.image, vit=replace(stage.model.image.vit, size=48))
    preprocessing = replace(stage.model.preprocessing, size=48)
    model = replace(stage.model, image=image, preprocessing=preprocessing)
    changed = replace(stage, model=model, store_size=112)
    return with_settings(replace(recipe, stages=(*recipe.stages[:-1], changed)), SETTINGS)


@pytest.fixture(scope="module")
def run(tiny_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ecamp") / "run"
    recipe = with_settings(tiny("ecamp_contrast"), ["gloria.model.preprocessing.size=64"])
    pretrain(recipe, Manifest.read(tiny_cohort), out)
    return out


def test_a_run_can_be_asked_with_maps(run: Path, tiny_cohort: Path) -> None:
    assert isinstance(load_model(run), ECAMPContrastModel)
    manifest = Manifest.read(tiny_cohort)
    image = manifest.root / manifest.studies[0].radiographs[0].path
    answer = carina.load(run).ask([image], ["pneumothorax", "nodule"])
    assert answer.scores.shape == (1, 2)
    assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
    assert answer.heatmap(0, 1).shape == (96, 96)


def test_maps_of_the_stage_before_are_kept(run: Path, tiny_cohort: Path) -> None:
    maps = EntityMaps.open(run / "ecamp" / MAPS)
    trained = Manifest.read(tiny_cohort).split("train").studies
    assert len(maps) == sum(len(study.radiographs) for study in trained)


def test_maps_that_the_first_process_left_are_taken_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first process prepares before the others: a barrier in here would hold both for ever.
    for name, value in (("is_initialized", True), ("get_rank", 1), ("get_world_size", 2)):
        monkeypatch.setattr(f"torch.distributed.{name}", lambda value=value: value)
    monkeypatch.setattr("torch.distributed.barrier", lambda: pytest.fail("it waits"))
    left = {
        "keys": np.frombuffer(b"a.png", dtype=np.uint8),
        "maps": np.ones((1, 2, 2), dtype=np.float16),
        "found": np.array([True]),
    }
    (tmp_path / MAPS).write_bytes(save(left))
    inputs = StageInputs(
        manifest=object.__new__(Manifest),
        store=lambda size: pytest.fail("no picture is needed"),
        graph=object.__new__(ConceptGraph),
        finished={},
        load=load_model,
        folder=tmp_path,
        seed=0,
        device=torch.device("cpu"),
    )
    nothing = Pairs(keys=(), names=(), reports=(), entities=())
    assert len(MapSource().maps(nothing, object.__new__(ImageStore), inputs)) == 1


def test_a_run_without_contrast_reads_and_answers_nothing(
    run: Path, tiny_cohort: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = RunOptions(start={"gloria": run})
    recipe = with_settings(tiny("ecamp_small"), ["gloria.model.preprocessing.size=64"])
    pretrain(recipe, Manifest.read(tiny_cohort), out, options)
    assert isinstance(load_model(out), ECAMPModel)
    assert answers_queries(run)
    assert not answers_queries(out)
    with pytest.raises(ModelError, match="ECAMPModel, answers no queries"):
        carina.load(out)


@pytest.mark.parametrize("name", ["ecamp_small_mae", "ecamp_small_mrm"])
def test_ablations_without_maps_train(name: str, tiny_cohort: Path, tmp_path: Path) -> None:
    recipe = tiny(name)
    assert [stage.name for stage in recipe.stages] == ["ecamp"]
    pretrain(recipe, Manifest.read(tiny_cohort), tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert isinstance(model, ECAMPModel)
    assert model.decoder.config.resolution == (2 if name == "ecamp_small_mrm" else 1)


def test_each_ablation_changes_what_its_name_says() -> None:
    whole = stage_of(find_recipe("ecamp_small"))
    one = {
        name: stage_of(find_recipe(f"ecamp_small_{name}"))
        for name in ("no_cd", "no_dm", "no_rf", "no_sr", "mrm", "mae", "lambda_0.25")
    }
    assert one["no_cd"].distillation != whole.distillation
    assert one["no_dm"].texts.masking == EveryWord(ratio=0.75)
    assert one["no_rf"].texts.weights != whole.texts.weights
    assert one["no_rf"].texts.masking == whole.texts.masking
    assert one["no_sr"].model.super_resolution == NoSuperResolution()
    assert one["mrm"].model.language.fusion == AddedMean()
    assert one["mae"].losses.words == NoWords()
    assert one["lambda_0.25"].texts.weights == RebalancedWeights(negative=0.25)


def test_paper_and_published_code_have_their_numbers() -> None:
    # "Implementation Details": 8 layers, 115 epochs, 8,192 pairs, 1.5e-4, decay 0.05.
    paper, code = (stage_of(find_recipe(f"ecamp_{name}")) for name in ("paper", "official"))
    assert (paper.model.image.vit.layers, code.model.image.vit.layers) == (8, 12)
    assert (paper.training.epochs, code.training.epochs) == (115.0, 120.0)
    for stage in (paper, code):
        assert stage.training.batch_size == 8192
        assert stage.training.optimiser.rate == 1.5e-4
        assert stage.training.optimiser.weight_decay == 0.05
        assert stage.losses.mask_ratio == 0.75
        assert stage.model.side == 448
        assert stage.distillation == FromManifest()
    assert code.texts.padded
    # The maps are those of GLoRIA as published, on distilled reports.
    for name in ("ecamp_paper", "ecamp_official"):
        maps = find_recipe(name).stages[0]
        assert isinstance(maps, GLoRIAStage)
        assert maps.pieces == DistilledSentences(source=FromManifest())
        assert maps.training.optimiser.betas == (0.5, 0.999)
        assert maps.training.clip_norm == 0.25
        assert isinstance(maps.image_start, PublishedResNet)
        assert maps.text.paper_weights == "emilyalsentzer/Bio_ClinicalBERT"
    # After 40 of 120 epochs the peak; at the end half of the curve for 200 is left.
    length = code.training.length(28)
    schedule = code.training.schedule
    assert schedule.rate(40 * 28 - 1, 1.0, length) == pytest.approx(1.0)
    assert schedule.rate(120 * 28 - 1, 1.0, length) == pytest.approx(0.5, abs=1e-3)


def test_what_a_stage_needs_and_has_not_is_named(tiny_cohort: Path, tmp_path: Path) -> None:
    recipe = tiny("ecamp_small")
    manifest = Manifest.read(tiny_cohort)
    alone = replace(recipe, stages=recipe.stages[-1:])
    with pytest.raises(ConfigError, match="maps of entities are to come from the stage 'gloria'"):
        pretrain(alone, manifest, tmp_path / "alone")
    stage = replace(stage_of(tiny("ecamp_small_plain")), distillation=FromManifest())
    undistilled = replace(recipe, stages=(stage,))
    with pytest.raises(ManifestError, match="never distilled"):
        pretrain(undistilled, manifest, tmp_path / "undistilled")


def test_sizes_that_do_not_fit_are_refused() -> None:
    stage = stage_of(find_recipe("ecamp_small"))
    with pytest.raises(ConfigError, match=r"store_size \(128\) must be at least the side"):
        replace(stage, store_size=128)
    with pytest.raises(ConfigError, match=r"length of the masked texts \(97\)"):
        replace(stage, texts=replace(stage.texts, length=97))


def test_the_sections_that_report_are_read_and_others_are_not() -> None:
    told = Report(text="INDICATION: cough.\nFINDINGS: No\nnodule.\nIMPRESSION: Clear.")
    assert reported_words(told) == "no nodule. clear."
    assert reported_words(Report(text="Clear lungs.")) == "clear lungs."
