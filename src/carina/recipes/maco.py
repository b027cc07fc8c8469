"""Recipes of MaCo: as the paper, as the published code, small."""

from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.positions import MAEPositions, OfficialPositions
from carina.encoders.report_encoder import Linear, ReportEncoderConfig, Tanh
from carina.imaging.augmentation import WarpAugmentation
from carina.pretraining.learnt_temperature import LearntScale, LearntTemperature
from carina.pretraining.maco import (
    MaCoConfig,
    ScaledCosines,
)
from carina.pretraining.maco_objective import MaCoLosses
from carina.pretraining.maco_stage import MaCoStage
from carina.pretraining.published_mae import PublishedMAE
from carina.pretraining.report_pieces import FullStops, Sentences, Single, Statements
from carina.pretraining.report_targets import AnnotatedEntities
from carina.recipes.recipe import Recipe
from carina.recipes.small import SMALL_MASKED_VIT, SMALL_PREPROCESSING
from carina.training.optimiser import AdamW, DecayAllButVectors
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings
from carina.zeroshot.prompts import PROMPT_SETS

TEMPERATURE = 0.03
# "Random affine (degrees 20, scale 0.8 to 1.2)": a scale above 1 crops 1 / 1.2 of each side, one
# below leaves a black rim, which ours does not.
AFFINE = WarpAugmentation(
    scale=(0.69, 1.0),
    aspect=(1.0, 1.0),
    rotation_degrees=20.0,
    flip=0.5,
    brightness=0.0,
    contrast=0.0,
)


def maco_paper() -> Recipe:
    """MaCo as the paper describes it: ViT-B/16 at 224 px, reconstruction at 448 px."""
    stage = MaCoStage(
        model=MaCoConfig(
            image=MaskedViTConfig(positions=MAEPositions()),
            text=ReportEncoderConfig(pooling=Linear()),
            scale=LearntTemperature(start=TEMPERATURE),
            importance_bias=False,
        ),
        losses=MaCoLosses(augmentation=AFFINE, reconstruction_weight=0.1, contrast_weight=0.9),
        image_start=PublishedMAE(),
        pieces=Sentences(),
        training=TrainingSettings(
            batch_size=512,
            epochs=51.0,
            optimiser=AdamW(rate=4.5e-4, weight_decay=0.05, betas=(0.9, 0.95)),
            schedule=WarmupCosine(warmup_share=2 / 51),
        ),
    )
    return Recipe(
        name="maco_paper",
        summary="MaCo as the paper describes it, ViT-B/16 at 224 px; flips images as it does.",
        stages=(stage,),
    )


def maco_official() -> Recipe:
    """MaCo as the published code computes it, its proven bugs apart."""
    stage = MaCoStage(
        model=MaCoConfig(
            image=MaskedViTConfig(positions=OfficialPositions()),
            text=ReportEncoderConfig(pooling=Tanh()),
            scale=LearntScale(start=1 / TEMPERATURE),
            importance_bias=True,
        ),
        losses=MaCoLosses(augmentation=AFFINE),
        image_start=PublishedMAE(),
        pieces=FullStops(),
        training=TrainingSettings(
            batch_size=2048,
            epochs=51.0,
            optimiser=AdamW(
                rate=2.5e-4, weight_decay=0.05, betas=(0.9, 0.95), decay=DecayAllButVectors()
            ),
            schedule=WarmupCosine(warmup_share=2 / 51),
        ),
    )
    return Recipe(
        name="maco_official",
        summary="MaCo as the published code computes it, its proven bugs apart; flips images.",
        stages=(stage,),
    )


SMALL_MODEL = MaCoConfig(
    image=SMALL_MASKED_VIT,
    decoder=MaskedDecoderConfig(dim=48, layers=1, heads=3, hidden=96),
    text=ReportEncoderConfig(
        vocabulary=2000,
        width=64,
        layers=2,
        heads=4,
        hidden=128,
        positions=64,
        max_tokens=64,
        dim=SMALL_MASKED_VIT.dim,
        dropout=0.0,
        pooling=Linear(),
    ),
    preprocessing=SMALL_PREPROCESSING,
    scale=LearntTemperature(start=0.07),
    importance_bias=False,
    comparison=ScaledCosines(),
    prompts=PROMPT_SETS["there-is"],
)


def maco_small() -> Recipe:
    """The same code at a size that learns the phantom cohort on two CPU cores in minutes."""
    stage = MaCoStage(
        model=SMALL_MODEL,
        losses=MaCoLosses(
            # No flips: left and right matter.
            augmentation=WarpAugmentation(
                scale=(0.8, 1.0),
                aspect=(0.93, 1.07),
                rotation_degrees=5.0,
                brightness=0.2,
                contrast=0.2,
            ),
            draw=Single(count=8),
            reconstruction_weight=0.1,
            contrast_weight=0.9,
        ),
        pieces=Statements(present=2),
        entities=AnnotatedEntities(),
        store_size=208,
        measured_standardisation=True,
        training=TrainingSettings(
            batch_size=64,
            steps=800,
            optimiser=AdamW(rate=2e-3, weight_decay=0.05, betas=(0.9, 0.95)),
            schedule=WarmupCosine(warmup_share=0.05),
            clip_norm=1.0,
        ),
    )
    return Recipe(
        name="maco_small",
        summary="MaCo small enough for two CPU cores: a ViT at 96 px; no flips.",
        stages=(stage,),
    )
