from dataclasses import dataclass
from typing import Any

import pytest

from carina.errors import ConfigError
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.recipes.override import with_settings
from carina.recipes.recipe import Recipe
from carina.training.settings import Precision, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class FakeStage:
    name: str
    training: TrainingSettings = TrainingSettings(batch_size=4)
    widths: tuple[int, ...] = (1, 2)
    frozen: bool = False

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        raise AssertionError


RECIPE = Recipe(name="fake", summary="", stages=(FakeStage(name="one"), FakeStage(name="two")))


def changed(*assignments: str) -> Any:
    return with_settings(RECIPE, assignments).stages


def test_bare_name_sets_every_stage() -> None:
    assert [stage.training.steps for stage in changed("steps=2")] == [2, 2]


def test_path_with_a_stage_sets_that_stage_alone() -> None:
    assert [stage.training.steps for stage in changed("two.training.steps=2")] == [None, 2]


def test_values_are_read_by_their_type() -> None:
    stage = changed("precision=bf16", "widths=3,4,5", "frozen=true", "clip_norm=0.5", "rate=1e-3")[
        0
    ]
    assert stage.training.precision is Precision.BF16
    assert stage.widths == (3, 4, 5)
    assert stage.frozen is True
    assert stage.training.clip_norm == 0.5
    assert stage.training.optimiser.rate == 1e-3
    assert changed("clip_norm=0.5", "clip_norm=none")[0].training.clip_norm is None


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("stepz=2", "Did you mean steps"),
        ("steps", "expected key=value"),
        ("steps=two", "steps=two: expected a whole number or none"),
        ("frozen=1", "expected true or false"),
        ("steps=0", "steps must be at least 1"),
        ("betas=0.9", "expected tuple"),
    ],
)
def test_assignment_that_cannot_be_carried_out_says_why(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        changed(assignment)


def test_stages_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="different names"):
        Recipe(name="x", summary="", stages=(FakeStage(name="a"), FakeStage(name="a")))
