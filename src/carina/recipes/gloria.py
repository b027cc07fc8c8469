"""Recipes of GLoRIA: as the published code, with a ViT, small."""

from carina.encoders.local_global import LocalGlobalResNetConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.words import WordEncoderConfig
from carina.losses.local_alignment import AveragedWords
from carina.pretraining.entity_texts import ByRules, DistilledSentences
from carina.pretraining.gloria_text import AsWritten
from carina.pretraining.local_alignment import GLoRIAConfig, TrainedComparison
from carina.pretraining.local_alignment_objective import GLoRIALosses
from carina.pretraining.local_alignment_stage import GLoRIAStage
from carina.pretraining.report_pieces import Single
from carina.pretraining.report_targets import AnnotatedEntities
from carina.recipes.recipe import Recipe
from carina.recipes.small import SMALL_AUGMENTATION, SMALL_PREPROCESSING
from carina.training.optimiser import AdamW
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings
from carina.zeroshot.prompts import PROMPT_SETS

SMALL_DIM = 64


def gloria_small() -> Recipe:
    """The same code at a size that learns the phantom cohort on two CPU cores in minutes."""
    stage = GLoRIAStage(
        model=GLoRIAConfig(
            image=LocalGlobalResNetConfig(
                resnet=ResNetConfig(
                    depths=(1, 2, 1),
                    widths=(16, 32, 48),
                    stem_width=8,
                    channels=1,
                    dim=SMALL_DIM,
                    output_norm=True,
                    channels_last=True,
                ),
                enlarged=None,
            ),
            text=WordEncoderConfig(
                vocabulary=2000,
                width=SMALL_DIM,
                layers=2,
                heads=4,
                hidden=128,
                positions=64,
                max_tokens=64,
                dropout=0.0,
                last_layers=2,
            ),
            preprocessing=SMALL_PREPROCESSING,
            cleaning=AsWritten(),
            comparison=TrainedComparison(),
            prompts=PROMPT_SETS["there-is"],
        ),
        losses=GLoRIALosses(
            augmentation=SMALL_AUGMENTATION,  # no flips: left and right matter
            draw=Single(count=4),
            pooling=AveragedWords(),
        ),
        pieces=DistilledSentences(source=ByRules(), present=3),
        entities=AnnotatedEntities(),
        store_size=112,
        measured_standardisation=True,
        training=TrainingSettings(
            batch_size=64,
            steps=800,
            optimiser=AdamW(rate=2e-3, weight_decay=0.05),
            schedule=WarmupCosine(warmup_share=0.05),
            clip_norm=1.0,
        ),
    )
    return Recipe(
        name="gloria_small",
        summary="GLoRIA small enough for two CPU cores: a ResNet at 96 px; no flips.",
        stages=(stage,),
    )
