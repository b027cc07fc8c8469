"""Recipes of ConVIRT (Zhang et al., MLHC 2022, arXiv:2010.00747): contrast alone, on a ResNet.

The baseline on the other backbone. A whole report is contrasted, where ConVIRT draws one of its
sentences; and a text is its first token, where ConVIRT takes the largest value of all tokens.
"""

from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.imaging.augmentation import WarpAugmentation
from carina.pretraining.contrast import ContrastConfig
from carina.pretraining.contrast_stage import ContrastStage
from carina.pretraining.image_source import PublishedResNet
from carina.pretraining.kad_objective import KADLosses
from carina.pretraining.pair_contrast import DirectedContrast
from carina.pretraining.report_targets import EntitySequence, RawReport
from carina.pretraining.text_source import BertText
from carina.recipes.kad import SMALL_MODEL, preprocessing
from carina.recipes.recipe import Recipe
from carina.training.optimiser import AdamW
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

CLINICAL_BERT = "emilyalsentzer/Bio_ClinicalBERT"
TEMPERATURE = 0.1


def convirt_paper() -> Recipe:
    """ConVIRT: ResNet-50 at 224 px and ClinicalBERT, both trained."""
    stage = ContrastStage(
        name="contrast",
        model=ContrastConfig(
            image=ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512), dim=512),
            text=TextEncoderConfig(dim=512),
            preprocessing=preprocessing(224),
            temperature=TEMPERATURE,
        ),
        losses=KADLosses(
            augmentation=WarpAugmentation(
                scale=(0.6, 1.0),
                aspect=(0.95, 1.05),
                rotation_degrees=20.0,
                translation=0.1,
                flip=0.5,
                brightness=0.4,
                contrast=0.4,
            ),
            contrast=DirectedContrast(temperature=TEMPERATURE),
        ),
        image_start=PublishedResNet(),
        text=BertText(paper_weights=CLINICAL_BERT),
        text_is_trained=True,
        reports=RawReport(),
        training=TrainingSettings(
            batch_size=32,
            epochs=200.0,
            optimiser=AdamW(rate=1e-4, weight_decay=1e-6),
            schedule=WarmupCosine(warmup_share=0.0),
        ),
    )
    return Recipe(
        name="convirt_paper",
        summary="ConVIRT: contrast alone, ResNet-50 at 224 px and ClinicalBERT; flips images.",
        stages=(stage,),
    )


def convirt_small() -> Recipe:
    """The same code with the networks of `kad_small`; no flips."""
    stage = ContrastStage(
        name="contrast",
        model=ContrastConfig(
            image=SMALL_MODEL.image,
            text=SMALL_MODEL.text,
            preprocessing=SMALL_MODEL.preprocessing,
            temperature=TEMPERATURE,
        ),
        losses=KADLosses(
            augmentation=WarpAugmentation(
                scale=(0.85, 1.0),
                aspect=(0.95, 1.05),
                rotation_degrees=4.0,
                brightness=0.15,
                contrast=0.15,
            ),
            contrast=DirectedContrast(temperature=TEMPERATURE),
        ),
        text=BertText(),
        text_is_trained=True,
        reports=EntitySequence(),
        store_size=112,
        training=TrainingSettings(
            batch_size=64,
            steps=800,
            optimiser=AdamW(rate=1e-3),
            schedule=WarmupCosine(warmup_share=0.05),
        ),
    )
    return Recipe(
        name="convirt_small",
        summary="ConVIRT small enough for two CPU cores, with the networks of kad_small; no flips.",
        stages=(stage,),
    )
