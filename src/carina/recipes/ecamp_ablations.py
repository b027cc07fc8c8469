"""The ablations of ECAMP's Tables 4 and 5, each a change in a recipe; MRM and MAE are among them.

Source: Wang et al., arXiv:2312.13316. CD is context distillation, DM descriptors masking, RF the
re-balanced factor, SR super-resolution; the last row of Table 4, with all, is the recipe itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from carina.encoders.context_fusion import AddedMean, Fusion, GlobalOnly, LocalOnly
from carina.encoders.super_resolution import NoSuperResolution
from carina.pretraining.ecamp_objective import Everywhere, NoWords
from carina.pretraining.ecamp_stage import ECAMPStage, NotDistilled
from carina.pretraining.text_composition import ReportAlone
from carina.pretraining.text_masking import EveryWord
from carina.pretraining.text_weights import EvenWeights, RebalancedWeights
from carina.recipes.recipe import Recipe

Ablation = Callable[[Recipe], Recipe]
Change = Callable[[ECAMPStage], ECAMPStage]


def no_distillation(stage: ECAMPStage) -> ECAMPStage:
    """Without CD: reports as they are."""
    texts = replace(stage.texts, composition=ReportAlone())
    return replace(stage, distillation=NotDistilled(), texts=texts)


def no_descriptors(stage: ECAMPStage) -> ECAMPStage:
    """Without DM: descriptors are masked as other words are."""
    return replace(stage, texts=replace(stage.texts, masking=EveryWord()))


def no_rebalancing(stage: ECAMPStage) -> ECAMPStage:
    """Without RF: all words count the same."""
    return replace(stage, texts=replace(stage.texts, weights=EvenWeights()))


def no_super_resolution(stage: ECAMPStage) -> ECAMPStage:
    """Without SR."""
    model = replace(stage.model, super_resolution=NoSuperResolution())
    return replace(stage, model=model, losses=replace(stage.losses, window=Everywhere()))


def unguided(stage: ECAMPStage) -> ECAMPStage:
    """Super-resolution of the whole picture: no maps."""
    return replace(stage, losses=replace(stage.losses, window=Everywhere()))


def fused(stage: ECAMPStage, fusion: Fusion) -> ECAMPStage:
    """Another way in which words see the image."""
    language = replace(stage.model.language, fusion=fusion)
    return replace(stage, model=replace(stage.model, language=language))


def negative_weight(stage: ECAMPStage, weight: float) -> ECAMPStage:
    """Another lambda_neg of Eq. 3: Table 5."""
    weights = RebalancedWeights(negative=weight)
    return replace(stage, texts=replace(stage.texts, weights=weights))


def masked_record_modelling(stage: ECAMPStage) -> ECAMPStage:
    """MRM (Zhou et al., ICLR 2023): words see the mean of the image, half of them are masked.

    The decoder guesses patches at twice the resolution, without super-resolution behind it.
    """
    stage = fused(no_rebalancing(no_distillation(no_super_resolution(stage))), AddedMean())
    decoder = replace(stage.model.decoder, resolution=2)
    texts = replace(stage.texts, masking=EveryWord(ratio=0.5))
    return replace(stage, model=replace(stage.model, decoder=decoder), texts=texts)


def masked_autoencoder(stage: ECAMPStage) -> ECAMPStage:
    """MAE: reports are not read."""
    stage = no_distillation(no_super_resolution(stage))
    return replace(stage, losses=replace(stage.losses, words=NoWords()))


@dataclass(frozen=True)
class Row:
    """A row of a table: the ending of the recipe's name, what it is, and the changes."""

    ending: str
    what: str
    changes: tuple[Change, ...]

    def of(self, base: Recipe) -> Recipe:
        """The changed recipe; a stage of maps that nothing needs any more falls away."""
        maps, stage = base.stages
        assert isinstance(stage, ECAMPStage)
        for change in self.changes:
            stage = change(stage)
        guided = not isinstance(stage.losses.window, Everywhere)
        return Recipe(
            name=f"{base.name}_{self.ending}",
            summary=f"{base.name} {self.what}.",
            stages=(maps, stage) if guided else (stage,),
        )


TABLE_4 = (
    Row(
        "plain",
        "without CD, DM, RF and SR",
        (no_distillation, no_descriptors, no_rebalancing, no_super_resolution),
    ),
    Row("cd", "without DM, RF and SR", (no_descriptors, no_rebalancing, no_super_resolution)),
    Row("cd_dm", "without RF and SR", (no_rebalancing, no_super_resolution)),
    Row("no_sr", "without super-resolution", (no_super_resolution,)),
    Row("no_cd", "without distilled reports", (no_distillation,)),
    Row("no_dm", "without descriptors masking", (no_descriptors,)),
    Row("no_rf", "without the re-balanced factor", (no_rebalancing,)),
    Row(
        "global", "with the global part of the fusion alone", (partial(fused, fusion=GlobalOnly()),)
    ),
    Row("local", "with the local part of the fusion alone", (partial(fused, fusion=LocalOnly()),)),
)
TABLE_5 = tuple(
    Row(f"lambda_{weight}", f"with lambda {weight}", (partial(negative_weight, weight=weight),))
    for weight in (0.025, 0.1, 0.25, 0.5)
)
OTHERS = (
    Row("unguided", "with super-resolution that no map guides", (unguided,)),
    Row("mrm", "as masked record modelling (MRM)", (masked_record_modelling,)),
    Row("mae", "as a masked autoencoder alone, without reports", (masked_autoencoder,)),
)
ABLATIONS: tuple[Ablation, ...] = tuple(row.of for row in (*TABLE_4, *TABLE_5, *OTHERS))
