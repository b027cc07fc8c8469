"""The four steps of MaCo's Table 7, each a change of one thing in a recipe.

Source: Huang et al., Nat Commun 2024, Table 7 and "Ablation study". The fourth step, with
correlation weighting, is the recipe itself.
"""

from collections.abc import Callable
from dataclasses import replace

from carina.pretraining.maco_objective import NoContrast, PlainContrast
from carina.pretraining.maco_stage import MaCoStage
from carina.recipes.recipe import Recipe

Ablation = Callable[[Recipe], Recipe]


def stage_of(recipe: Recipe) -> MaCoStage:
    """The stage of a MaCo recipe."""
    (stage,) = recipe.stages
    assert isinstance(stage, MaCoStage)
    return stage


def named(base: Recipe, ending: str, what: str, stage: MaCoStage) -> Recipe:
    """The recipe with another stage, named after what changed."""
    return Recipe(name=f"{base.name}_{ending}", summary=f"{base.name} {what}.", stages=(stage,))


def without_reports(base: Recipe) -> MaCoStage:
    """A masked autoencoder at the decoder's resolution."""
    stage = stage_of(base)
    return replace(
        stage,
        model=replace(stage.model, reads_reports=False),
        losses=replace(stage.losses, contrast=NoContrast(), reconstruction_weight=1.0),
    )


def masked_autoencoder(base: Recipe) -> Recipe:
    """MAE: no reports, reconstruction at the input's resolution."""
    stage = without_reports(base)
    model = replace(stage.model, decoder=replace(stage.model.decoder, resolution=1))
    changed = replace(stage, model=model)
    return named(base, "mae", "as a masked autoencoder alone, without reports", changed)


def with_high_resolution(base: Recipe) -> Recipe:
    """MAE, + high resolution."""
    what = "without reports, reconstruction at twice the resolution"
    return named(base, "mae_hr", what, without_reports(base))


def with_plain_contrast(base: Recipe) -> Recipe:
    """MAE, + high resolution, + contrast: CLIP on radiographs."""
    stage = stage_of(base)
    changed = replace(stage, losses=replace(stage.losses, contrast=PlainContrast()))
    return named(base, "clip", "without correlation weighting", changed)


ABLATIONS: tuple[Ablation, ...] = (
    masked_autoencoder,
    with_high_resolution,
    with_plain_contrast,
)
