"""Recipes of GLoRIA: as the published code, with a ViT, small."""

from carina.encoders.local_global import LocalGlobalResNetConfig, LocalGlobalViTConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.encoders.words import WordEncoderConfig
from carina.losses.local_alignment import AveragedWords
from carina.pretraining.entity_texts import ByRules, DistilledSentences
from carina.pretraining.gloria_comparison import TrainedComparison
from carina.pretraining.gloria_text import AsWritten, OfficialSentences
from carina.pretraining.image_source import PublishedResNet
from carina.pretraining.local_alignment import GLoRIAConfig
from carina.pretraining.local_alignment_objective import GLoRIALosses
from carina.pretraining.local_alignment_stage import GLoRIAStage, WordSource
from carina.pretraining.report_pieces import Single
from carina.pretraining.report_targets import AnnotatedEntities
from carina.recipes.recipe import Recipe
from carina.recipes.small import SMALL_AUGMENTATION, SMALL_PREPROCESSING
from carina.training.optimiser import AdamW
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings
from carina.zeroshot.prompts import PROMPT_SETS

SMALL_DIM = 64
CLINICAL_BERT = "emilyalsentzer/Bio_ClinicalBERT"
TRAINING = TrainingSettings(
    batch_size=48,
    epochs=50.0,
    # The code's plateau rule is read every 48 epochs or so: its rate practically never falls.
    optimiser=AdamW(rate=5e-5, weight_decay=1e-6, betas=(0.5, 0.999)),
    schedule=WarmupCosine(warmup_share=0.0, end_rate=5e-5),
    clip_norm=0.25,
)


OFFICIAL = GLoRIAStage(
    image_start=PublishedResNet(),
    text=WordSource(paper_weights=CLINICAL_BERT),
    pieces=OfficialSentences(),
    training=TRAINING,
)
"""As published, on the sentences of reports."""


def gloria_official() -> Recipe:
    """GLoRIA as the published code computes it: ResNet-50 at 299 px and ClinicalBERT."""
    return Recipe(
        name="gloria_official",
        summary="GLoRIA as the published code computes it, ResNet-50 and ClinicalBERT.",
        stages=(OFFICIAL,),
    )


def gloria_distilled_vit() -> Recipe:
    """The GLoRIA of ECAMP: a ViT-B/16 and the sentences of distilled reports."""
    stage = GLoRIAStage(
        model=GLoRIAConfig(image=LocalGlobalViTConfig(vit=ViTConfig(dropout=0.0))),
        text=WordSource(paper_weights=CLINICAL_BERT),
        pieces=DistilledSentences(),
        training=TRAINING,
    )
    return Recipe(
        name="gloria_distilled_vit",
        summary="GLoRIA on distilled reports, ViT-B/16: what ECAMP's paper tells, the rest ours.",
        stages=(stage,),
    )


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
            steps=450,
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
