"""Recipes of ECAMP: as the paper, as the published code, small, and with contrast."""

from dataclasses import replace

from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.positions import MAEPositions, OfficialPositions
from carina.encoders.super_resolution import Rectified, SuperResolutionConfig
from carina.encoders.vit import ViTConfig
from carina.imaging.augmentation import WarpAugmentation
from carina.pretraining.ecamp import ECAMPConfig
from carina.pretraining.ecamp_contrast_objective import ReportContrast
from carina.pretraining.ecamp_objective import AllPatches, AllPositions, ECAMPLosses
from carina.pretraining.ecamp_stage import ECAMPStage, MapSource
from carina.pretraining.entity_maps import SquareWindow
from carina.pretraining.entity_texts import ByRules, DistilledEntities, DistilledSentences
from carina.pretraining.learnt_temperature import LearntTemperature
from carina.pretraining.local_alignment_stage import GLoRIAStage
from carina.pretraining.masked_text import MaskedTextConfig
from carina.pretraining.published_mae import PublishedMAE
from carina.pretraining.report_pieces import Single, Statements
from carina.pretraining.report_targets import AnnotatedEntities
from carina.pretraining.text_composition import Inserted
from carina.pretraining.text_marks import TokenMarks
from carina.pretraining.text_masking import DescriptorsNever
from carina.pretraining.text_weights import PhraseWeights
from carina.recipes.gloria import OFFICIAL, gloria_small
from carina.recipes.recipe import Recipe
from carina.recipes.small import SMALL_MASKED_VIT, SMALL_PREPROCESSING
from carina.training.optimiser import AdamW, DecayAllButVectors
from carina.training.schedule import StoppedCosine, WarmupCosine
from carina.training.settings import Precision, TrainingSettings

# RandomResizedCrop with its usual range of aspects, and a flip: the published code's.
CROP_AND_FLIP = WarpAugmentation(
    scale=(0.2, 1.0),
    aspect=(3 / 4, 4 / 3),
    rotation_degrees=0.0,
    flip=0.5,
    brightness=0.0,
    contrast=0.0,
)

PUBLISHED_SCALE = TrainingSettings(
    batch_size=8192,
    epochs=115.0,
    optimiser=AdamW(rate=1.5e-4, weight_decay=0.05, betas=(0.9, 0.95), decay=DecayAllButVectors()),
    schedule=WarmupCosine(warmup_share=40 / 115),
    precision=Precision.BF16,
)
PIECES = 32  # of 256 pairs: the accumulation of gradients over 4 GPUs


def true_maps() -> GLoRIAStage:
    """GLoRIA as published, but on distilled reports: all that ECAMP's paper tells of it."""
    return replace(OFFICIAL, pieces=DistilledSentences(), entities=AnnotatedEntities())


def ecamp_paper() -> Recipe:
    """ECAMP as the paper describes it: 8 layers, descriptors masked, soft maps.

    The paper says nothing of augmentation, warm-up or where weights start; the first two are the
    published code's, and weights start fresh, as no masked autoencoder of 8 layers is published.
    """
    stage = ECAMPStage(
        model=ECAMPConfig(
            image=MaskedViTConfig(vit=ViTConfig(layers=8, dropout=0.0), positions=MAEPositions())
        ),
        losses=ECAMPLosses(augmentation=CROP_AND_FLIP, micro_batches=PIECES),
        entities=AnnotatedEntities(),
        store_size=512,
        training=PUBLISHED_SCALE,
    )
    return Recipe(
        name="ecamp_paper",
        summary="ECAMP as the paper describes it, an 8-layer ViT at 224 px; flips images.",
        stages=(true_maps(), stage),
    )


def ecamp_official() -> Recipe:
    """ECAMP as the published code computes it, its proven bugs apart.

    The corners of its windows were never released: here a window holds most of an entity map, and
    moves with its picture.
    """
    stage = ECAMPStage(
        model=ECAMPConfig(
            image=MaskedViTConfig(positions=OfficialPositions()),
            super_resolution=SuperResolutionConfig(output=Rectified()),
        ),
        losses=ECAMPLosses(
            augmentation=CROP_AND_FLIP,
            words=AllPositions(),
            patches=AllPatches(),
            window=SquareWindow(),
            micro_batches=PIECES,
        ),
        image_start=PublishedMAE(),
        texts=MaskedTextConfig(
            padded=True,
            composition=Inserted(),
            marks=TokenMarks(),
            masking=DescriptorsNever(),
            weights=PhraseWeights(),
        ),
        entities=AnnotatedEntities(),
        store_size=512,
        training=replace(PUBLISHED_SCALE, epochs=120.0, schedule=StoppedCosine()),
    )
    return Recipe(
        name="ecamp_official",
        summary="ECAMP as the published code computes it, its proven bugs apart; flips images.",
        stages=(true_maps(), stage),
    )


SMALL_LANGUAGE = MaskedLanguageConfig(
    vocabulary=2000,
    width=64,
    layers=2,
    heads=4,
    hidden=128,
    positions=96,
    max_tokens=96,
    dropout=0.0,
)
SMALL_STAGE = ECAMPStage(
    model=ECAMPConfig(
        image=SMALL_MASKED_VIT,
        decoder=MaskedDecoderConfig(dim=48, layers=1, heads=3, hidden=96, resolution=1),
        language=SMALL_LANGUAGE,
        preprocessing=SMALL_PREPROCESSING,
    ),
    losses=ECAMPLosses(
        # No flips: left and right matter.
        augmentation=WarpAugmentation(
            scale=(0.8, 1.0),
            aspect=(0.93, 1.07),
            rotation_degrees=5.0,
            brightness=0.2,
            contrast=0.2,
        ),
    ),
    texts=MaskedTextConfig(length=96),
    distillation=ByRules(),
    entities=AnnotatedEntities(),
    maps=MapSource(texts=DistilledEntities(source=ByRules())),
    store_size=208,
    measured_standardisation=True,
    training=TrainingSettings(
        batch_size=64,
        steps=400,
        optimiser=AdamW(rate=2e-3, weight_decay=0.05, betas=(0.9, 0.95)),
        schedule=WarmupCosine(warmup_share=0.05),
        clip_norm=1.0,
    ),
)


def small_maps() -> GLoRIAStage:
    """A small GLoRIA whose maps guide super-resolution, trained less long than by itself."""
    (stage,) = gloria_small().stages
    assert isinstance(stage, GLoRIAStage)
    return replace(stage, training=replace(stage.training, steps=300))


def ecamp_small() -> Recipe:
    """The same code at a size that learns the phantom cohort on two CPU cores in minutes."""
    return Recipe(
        name="ecamp_small",
        summary="ECAMP small enough for two CPU cores: a ViT at 96 px, maps of a small GLoRIA.",
        stages=(small_maps(), SMALL_STAGE),
    )


def ecamp_contrast() -> Recipe:
    """ECAMP small, with the contrast that lets it be asked."""
    contrast = ReportContrast(
        pieces=Statements(present=2),
        draw=Single(count=8),
        dim=SMALL_MASKED_VIT.dim,
        scale=LearntTemperature(start=0.07),
    )
    return Recipe(
        name="ecamp_contrast",
        summary="ecamp_small with the contrast of MaCo, so that it can be asked.",
        stages=(small_maps(), replace(SMALL_STAGE, contrast=contrast)),
    )


def ecamp_contrast_paper() -> Recipe:
    """ECAMP as the paper describes it, with the contrast that lets it be asked: ours."""
    base = ecamp_paper()
    maps, stage = base.stages
    assert isinstance(stage, ECAMPStage)
    return Recipe(
        name="ecamp_contrast_paper",
        summary="ecamp_paper with the contrast of MaCo, so that it can be asked.",
        stages=(maps, replace(stage, contrast=ReportContrast())),
    )
