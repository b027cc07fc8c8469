import pytest

from carina.errors import ConfigError
from carina.models.codec import to_json
from carina.pretraining.contrast_stage import ContrastStage
from carina.pretraining.kad_objective import ImageMemory
from carina.pretraining.kad_stage import AlignmentStage
from carina.recipes.catalogue import RECIPES, find_recipe


def alignment(name: str) -> AlignmentStage:
    stage = find_recipe(name).stages[-1]
    assert isinstance(stage, AlignmentStage)
    return stage


def test_every_recipe_has_its_own_name_and_can_be_written_down() -> None:
    for name, make in RECIPES.items():
        recipe = make()
        assert recipe.name == name
        assert recipe.summary.endswith(".")
        assert to_json(recipe.stages)


def test_kad_paper_has_the_numbers_of_the_paper() -> None:
    knowledge, stage = find_recipe("kad_paper").stages
    # "Model pre-training": 64 + 64 pairs, 100K steps, 1e-4; batch 64, 50 epochs, 5 of warm-up.
    assert (knowledge.training.batch_size, knowledge.training.steps) == (128, 100_000)
    assert knowledge.training.optimiser.rate == stage.training.optimiser.rate == 1e-4
    assert (stage.training.batch_size, stage.training.epochs) == (64, 50)
    assert alignment("kad_paper").model.preprocessing.size == 224


def test_kad_official_has_the_numbers_of_the_published_code() -> None:
    stage = alignment("kad_official")
    assert stage.training.optimiser.rate == 5e-5
    assert stage.training.optimiser.weight_decay == 0.02
    assert (stage.training.batch_size, stage.training.epochs) == (64, 100)
    assert len(stage.queries.names(())) == 41


def test_each_ablation_changes_one_thing() -> None:
    whole = alignment("kad_small")
    assert isinstance(alignment("kad_small_no_random_select").losses.memory, ImageMemory)
    assert alignment("kad_small_raw_reports").reports != whole.reports
    assert alignment("kad_small_raw_reports").losses == whole.losses
    assert alignment("kad_small_sentence_rule").entities != whole.entities
    assert [stage.name for stage in find_recipe("kad_small_no_stage_1").stages] == ["alignment"]
    assert isinstance(find_recipe("kad_small_no_dqn").stages[-1], ContrastStage)


def test_recipe_that_does_not_exist_names_close_ones() -> None:
    with pytest.raises(ConfigError, match="Did you mean kad_paper"):
        find_recipe("kad_papr")
