"""Recipes of MedKLIP: as the paper, as the published code, and small."""

from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import Projected
from carina.imaging.augmentation import RandomAugmentOfficial
from carina.pretraining.medklip import MedKLIPConfig
from carina.pretraining.medklip_objective import MedKLIPLosses, PositionContrast
from carina.pretraining.medklip_stage import MedKLIPStage
from carina.pretraining.medklip_targets import FrequentTriplets, LabelsOfFindings
from carina.pretraining.text_source import FinishedStage
from carina.recipes.recipe import Recipe
from carina.recipes.small import (
    SMALL_AUGMENTATION,
    SMALL_DECODER,
    SMALL_DIM,
    SMALL_PREPROCESSING,
    SMALL_TEXT,
    SMALL_TRAINING,
    small_knowledge,
    small_resnet,
)
from carina.training.optimiser import AdamW, DecayAllButVectors
from carina.training.schedule import StaircaseEpochCosine, WarmupCosine
from carina.training.settings import TrainingSettings

TRUE_SIZE = MedKLIPConfig(image=ResNetConfig(dim=256, channels_last=True))


def medklip_paper() -> Recipe:
    """MedKLIP as the paper describes it: ResNet-50 at 224 px, 75 entities, 51 positions."""
    stage = MedKLIPStage(
        model=TRUE_SIZE,
        # The paper says nothing of augmentation or weight decay; both are the published code's.
        losses=MedKLIPLosses(augmentation=RandomAugmentOfficial()),
        training=TrainingSettings(
            batch_size=32,
            epochs=60.0,
            optimiser=AdamW(rate=1e-4),
            schedule=WarmupCosine(warmup_share=5 / 60, start_rate=1e-5),
        ),
    )
    return Recipe(
        name="medklip_paper",
        summary="MedKLIP as the paper describes it: ResNet-50 at 224 px; flips images as its code.",
        stages=(stage,),
    )


def medklip_official() -> Recipe:
    """MedKLIP as the published code computes it, its proven bugs apart."""
    stage = MedKLIPStage(
        model=TRUE_SIZE,
        losses=MedKLIPLosses(augmentation=RandomAugmentOfficial()),
        training=TrainingSettings(
            batch_size=48,
            epochs=100.0,
            optimiser=AdamW(rate=1e-4, weight_decay=0.02, decay=DecayAllButVectors()),
            schedule=StaircaseEpochCosine(floor=1e-5, stairs=5, stair=100),
        ),
    )
    return Recipe(
        name="medklip_official",
        summary="MedKLIP as the published code computes it, its proven bugs apart.",
        stages=(stage,),
    )


SMALL_MODEL = MedKLIPConfig(
    image=small_resnet(SMALL_DIM),
    text=SMALL_TEXT,
    reading=Projected(),
    decoder=SMALL_DECODER,
    preprocessing=SMALL_PREPROCESSING,
    standardised_queries=True,
)


def medklip_small() -> Recipe:
    """The same code at a size that learns the phantom cohort on two CPU cores in minutes."""
    stage = MedKLIPStage(
        model=SMALL_MODEL,
        losses=MedKLIPLosses(
            augmentation=SMALL_AUGMENTATION,
            position=PositionContrast(weight=0.2),
        ),
        text=FinishedStage(),
        triplets=FrequentTriplets(entities=32, positions=40),
        labels=LabelsOfFindings(sided=12),
        store_size=112,
        measured_standardisation=True,
        positive_weight_power=0.5,
        training=SMALL_TRAINING,
    )
    return Recipe(
        name="medklip_small",
        summary="MedKLIP small enough for two CPU cores: ResNet of 0.1 M weights, 96 px; no flips.",
        stages=(small_knowledge(), stage),
    )
