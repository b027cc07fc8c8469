"""The ablations of KAD's Table 1, each a change of one thing in a recipe.

Source: Zhang et al., Nat Commun 2023, Table 1 and "Ablation study".
"""

from collections.abc import Callable
from dataclasses import replace

from carina.pretraining.contrast import ContrastConfig
from carina.pretraining.contrast_stage import ContrastStage
from carina.pretraining.kad_objective import ImageMemory
from carina.pretraining.kad_stage import AlignmentStage
from carina.pretraining.report_targets import RawReport, SentenceRuleEntities
from carina.pretraining.text_source import BertText
from carina.recipes import kad
from carina.recipes.recipe import Recipe

Ablation = Callable[[Recipe], Recipe]


def alignment_of(recipe: Recipe) -> AlignmentStage:
    """The alignment stage of a KAD recipe."""
    stage = recipe.stages[-1]
    assert isinstance(stage, AlignmentStage)
    return stage


def with_alignment(base: Recipe, ending: str, what: str, stage: AlignmentStage) -> Recipe:
    """The recipe with another alignment stage, named after what changed."""
    return Recipe(
        name=f"{base.name}_{ending}",
        summary=f"{base.name} {what}.",
        stages=(*base.stages[:-1], stage),
    )


def without_stage_1(base: Recipe) -> Recipe:
    """Text encoder that has not learnt the knowledge graph.

    The paper's is PubMedBERT; without it at hand the weights are fresh, and frozen all the same.
    """
    stage = replace(alignment_of(base), text=BertText(paper_weights=kad.PUBMEDBERT))
    changed = with_alignment(base, "no_stage_1", "without stage 1", stage)
    return replace(changed, stages=(stage,))


def without_random_select(base: Recipe) -> Recipe:
    """Findings are asked of images alone."""
    stage = alignment_of(base)
    changed = replace(stage, losses=replace(stage.losses, memory=ImageMemory()))
    return with_alignment(base, "no_random_select", "without random select", changed)


def without_query_network(base: Recipe) -> Recipe:
    """Contrast alone, asked by "X" against "no X"."""
    stage = alignment_of(base)
    model = ContrastConfig(
        image=stage.model.image, text=stage.model.text, preprocessing=stage.model.preprocessing
    )
    contrast = ContrastStage(
        training=stage.training,
        model=model,
        losses=replace(stage.losses, contrast_weight=1.0),
        image_start=stage.image_start,
        text=stage.text,
        entities=stage.entities,
        reports=stage.reports,
        store_size=stage.store_size,
        measured_standardisation=stage.measured_standardisation,
    )
    return Recipe(
        name=f"{base.name}_no_dqn",
        summary=f"{base.name} without the disease query network.",
        stages=(*base.stages[:-1], contrast),
    )


def with_raw_reports(base: Recipe) -> Recipe:
    """Images are contrasted with reports as written, without entity extraction."""
    stage = replace(alignment_of(base), reports=RawReport())
    return with_alignment(base, "raw_reports", "with raw reports", stage)


def with_sentence_rule(base: Recipe) -> Recipe:
    """Entities by the paper's heuristic: "no", "none" or "normal" denies a whole sentence."""
    stage = replace(alignment_of(base), entities=SentenceRuleEntities())
    return with_alignment(base, "sentence_rule", "with the heuristic entity source", stage)


ABLATIONS: tuple[Ablation, ...] = (
    without_stage_1,
    without_random_select,
    without_query_network,
    with_raw_reports,
    with_sentence_rule,
)
