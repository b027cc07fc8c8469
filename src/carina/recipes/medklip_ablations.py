"""The ablations of MedKLIP's Tables 9 and 10, each a change of one thing in a recipe.

Source: Wu et al., ICCV 2023 (MedKLIP), "Ablation Study".
"""

from collections.abc import Callable
from dataclasses import replace

from carina.pretraining.medklip import BareName
from carina.pretraining.medklip_objective import NoPositionContrast
from carina.pretraining.medklip_stage import MedKLIPStage
from carina.recipes.recipe import Recipe

Ablation = Callable[[Recipe], Recipe]


def stage_of(recipe: Recipe) -> MedKLIPStage:
    """The last stage of a MedKLIP recipe."""
    stage = recipe.stages[-1]
    assert isinstance(stage, MedKLIPStage)
    return stage


def with_stage(base: Recipe, ending: str, what: str, stage: MedKLIPStage) -> Recipe:
    """The recipe with another last stage, named after what changed."""
    return Recipe(
        name=f"{base.name}_{ending}",
        summary=f"{base.name} {what}.",
        stages=(*base.stages[:-1], stage),
    )


def without_descriptions(base: Recipe) -> Recipe:
    """Findings are asked by their bare names."""
    stage = stage_of(base)
    changed = replace(stage, model=replace(stage.model, wording=BareName()))
    return with_stage(base, "no_descriptions", "without descriptions", changed)


def without_position(base: Recipe) -> Recipe:
    """Existence alone is learnt."""
    stage = stage_of(base)
    changed = replace(stage, losses=replace(stage.losses, position=NoPositionContrast()))
    return with_stage(base, "no_position", "without the position contrast", changed)


ABLATIONS: tuple[Ablation, ...] = (without_descriptions, without_position)
