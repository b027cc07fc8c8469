"""Recipes of KAD: as the paper, as the published code, small, and the paper's ablations."""

from dataclasses import replace

from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.imaging.augmentation import RandomAugmentOfficial, WarpAugmentation
from carina.imaging.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    Squash,
)
from carina.knowledge.pairs import OfficialPairs, PaperPairs
from carina.pretraining.image_source import FreshImage, PublishedResNet
from carina.pretraining.kad import KADConfig
from carina.pretraining.kad_objective import BothMemories, KADLosses, RandomSelect
from carina.pretraining.kad_stage import AlignmentStage
from carina.pretraining.knowledge_batches import BertNoise
from carina.pretraining.knowledge_contrast import OfficialContrast, PaperContrast
from carina.pretraining.knowledge_encoder import KnowledgeStage
from carina.pretraining.pair_contrast import CosineContrast, ScaledDotContrast
from carina.pretraining.query_side import LastLayer
from carina.pretraining.report_targets import (
    FrequentObservations,
    OfficialQueries,
    PaperQueries,
)
from carina.pretraining.text_source import BertText
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
from carina.training.schedule import StaircaseEpochCosine, WarmupCosine, WarmupStepsCosine
from carina.training.settings import TrainingSettings

PUBMEDBERT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
RESNET50_TO_LAYER4 = ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512))


def preprocessing(size: int) -> Preprocessing:
    """KAD's evaluation transform: squashed to a square, standardised as ImageNet."""
    return Preprocessing(size=size, resize=Squash(), mean=IMAGENET_MEAN, std=IMAGENET_STD)


def kad_paper() -> Recipe:
    """KAD as the paper describes it: ResNet-50 at 224 px, both stages."""
    knowledge = KnowledgeStage(
        text=BertText(paper_weights=PUBMEDBERT),
        pairs=PaperPairs(),
        contrast=PaperContrast(),
        training=TrainingSettings(
            batch_size=128,
            steps=100_000,
            optimiser=AdamW(rate=1e-4),
            schedule=WarmupCosine(warmup_share=0.1, start_rate=1e-5),
        ),
    )
    alignment = AlignmentStage(
        model=KADConfig(preprocessing=preprocessing(224)),
        losses=KADLosses(
            # "Random grayscale (brightness, sharpness and contrast)"; the paper gives no ranges.
            augmentation=WarpAugmentation(
                scale=(0.2, 1.0),
                aspect=(0.75, 1.33),
                flip=0.5,
                rotation_degrees=10.0,
                brightness=0.2,
                contrast=0.2,
                sharpness=0.5,
            ),
            memory=RandomSelect(),
            contrast=CosineContrast(),
        ),
        image_start=PublishedResNet(),
        queries=PaperQueries(),
        training=TrainingSettings(
            batch_size=64,
            epochs=50.0,
            optimiser=AdamW(rate=1e-4),
            schedule=WarmupCosine(warmup_share=0.1, start_rate=1e-5),
        ),
    )
    return Recipe(
        name="kad_paper",
        summary="KAD as the paper describes it, ResNet-50 at 224 px; flips images as it does.",
        stages=(knowledge, alignment),
    )


def kad_official() -> Recipe:
    """KAD as the published code computes it, its proven bugs apart: ResNet-50 at 224 px."""
    knowledge = KnowledgeStage(
        encoder=TextEncoderConfig(max_tokens=128),
        text=BertText(paper_weights=PUBMEDBERT),
        pairs=OfficialPairs(),
        contrast=OfficialContrast(),
        noise=BertNoise(),
        training=TrainingSettings(
            batch_size=64,
            epochs=100.0,
            optimiser=AdamW(rate=5e-5, weight_decay=0.2),
            schedule=WarmupStepsCosine(warmup_steps=10_000),
        ),
    )
    alignment = AlignmentStage(
        model=KADConfig(preprocessing=preprocessing(224), maps=LastLayer()),
        losses=KADLosses(
            augmentation=RandomAugmentOfficial(),
            memory=BothMemories(),
            contrast=ScaledDotContrast(),
        ),
        image_start=PublishedResNet(),
        queries=OfficialQueries(),
        measured_standardisation=False,
        training=TrainingSettings(
            batch_size=64,
            epochs=100.0,
            optimiser=AdamW(rate=5e-5, weight_decay=0.02, decay=DecayAllButVectors()),
            schedule=StaircaseEpochCosine(floor=1e-6, stairs=20, stair=100),
        ),
    )
    return Recipe(
        name="kad_official",
        summary="KAD as the published code computes it, its proven bugs apart.",
        stages=(knowledge, alignment),
    )


def with_image(
    base: Recipe, name: str, summary: str, image: ResNetConfig | ViTConfig, size: int
) -> Recipe:
    """A recipe with another image encoder, at another input size."""
    knowledge, alignment = base.stages
    assert isinstance(alignment, AlignmentStage)
    model = replace(alignment.model, image=image, preprocessing=preprocessing(size))
    changed = replace(alignment, model=model, store_size=size + size // 8)
    return Recipe(name=name, summary=summary, stages=(knowledge, changed))


def at_size(base: Recipe, name: str, summary: str, size: int) -> Recipe:
    """A recipe with a ResNet-50 up to layer 4, as KAD-512 and KAD-1024."""
    return with_image(base, name, summary, RESNET50_TO_LAYER4, size)


def with_vit(base: Recipe, name: str, summary: str, image: ViTConfig) -> Recipe:
    """A recipe with a ViT, whose own size decides the input; its weights are fresh."""
    knowledge, alignment = with_image(base, name, summary, image, image.size).stages
    assert isinstance(alignment, AlignmentStage)
    fresh = replace(alignment, image_start=FreshImage())
    return Recipe(name=name, summary=summary, stages=(knowledge, fresh))


def kad_paper_512() -> Recipe:
    """KAD-512: ResNet-50 up to layer 4."""
    return at_size(kad_paper(), "kad_paper_512", "kad_paper at 512 px, up to layer 4.", 512)


def kad_paper_1024() -> Recipe:
    """KAD-1024: ResNet-50 up to layer 4."""
    return at_size(kad_paper(), "kad_paper_1024", "kad_paper at 1024 px, up to layer 4.", 1024)


def kad_paper_vit() -> Recipe:
    """KAD with a ViT-B/16 at 224 px, as the paper's table 2 says."""
    image = ViTConfig(size=224)
    return with_vit(kad_paper(), "kad_paper_vit", "kad_paper with ViT-B/16 at 224 px.", image)


def kad_official_vit() -> Recipe:
    """KAD with the published code's ViT-B/16, which was built for 384 px."""
    image = ViTConfig(size=384, final_norm=False)
    return with_vit(
        kad_official(), "kad_official_vit", "kad_official with ViT-B/16, 384 px.", image
    )


SMALL_MODEL = KADConfig(
    image=small_resnet(SMALL_DIM),
    text=SMALL_TEXT,
    decoder=SMALL_DECODER,
    preprocessing=SMALL_PREPROCESSING,
    standardised_queries=True,
)


def kad_small() -> Recipe:
    """The same code at a size that learns the phantom cohort on two CPU cores in minutes."""
    return Recipe(
        name="kad_small",
        summary="KAD small enough for two CPU cores: a ResNet of 0.1 M weights at 96 px; no flips.",
        stages=(small_knowledge(), small_alignment()),
    )


def small_alignment() -> AlignmentStage:
    """Stage 2 of `kad_small`."""
    return AlignmentStage(
        model=SMALL_MODEL,
        losses=KADLosses(
            augmentation=SMALL_AUGMENTATION,
            # Minutes are short: most rows go to the image, and the existence term leads.
            memory=RandomSelect(report_share=0.1),
            contrast_weight=0.02,
        ),
        queries=FrequentObservations(count=32, sided=12),
        store_size=112,
        positive_weight_power=0.5,
        training=SMALL_TRAINING,
    )
