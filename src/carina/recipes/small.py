"""What the small recipes share: sizes that learn the synthetic cohort on two cores in minutes."""

from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.patch_embedding import ConvolvedPatches
from carina.encoders.query_decoder import Alone, QueryDecoderConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.imaging.augmentation import WarpAugmentation
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.knowledge.pairs import AppearancePairs
from carina.pretraining.knowledge_contrast import KinshipContrast
from carina.pretraining.knowledge_encoder import KnowledgeStage
from carina.training.optimiser import AdamW
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

SMALL_DIM = 128
SMALL_PREPROCESSING = Preprocessing(size=96, resize=Squash(), mean=(0.5,), std=(0.25,))
SMALL_TEXT = TextEncoderConfig(
    vocabulary=4000,
    width=SMALL_DIM,
    layers=2,
    heads=4,
    hidden=256,
    positions=256,
    max_tokens=192,
    dim=SMALL_DIM,
    dropout=0.0,  # at this rate and size any more collapses stage 1, see docs/knowledge.md
)


def small_resnet(dim: int) -> ResNetConfig:
    """A ResNet of 0.1 M weights.

    Few convolutions see far: a feature that knows its own place only is one to point at.
    """
    return ResNetConfig(
        depths=(1, 2),
        widths=(16, 32),
        stem_width=8,
        channels=1,
        dim=dim,
        output_norm=True,
        channels_last=True,
    )


MASKED_DIM = 96
SMALL_MASKED_VIT = MaskedViTConfig(
    vit=ViTConfig(
        size=96,
        patch=8,
        dim=MASKED_DIM,
        layers=1,
        heads=3,
        hidden=4 * MASKED_DIM,
        channels=1,
        dropout=0.0,
    ),
    embedding=ConvolvedPatches(network=small_resnet(MASKED_DIM)),
)
"""The encoder of masked pictures: MaCo's and ECAMP's."""
SMALL_DECODER = QueryDecoderConfig(
    dim=SMALL_DIM,
    layers=1,
    heads=8,
    hidden=512,
    dropout=0.0,
    initial_deviation=SMALL_DIM**-0.5,
    queries=Alone(),
)
# No flips: left and right matter.
SMALL_AUGMENTATION = WarpAugmentation(
    scale=(0.85, 1.0),
    aspect=(0.95, 1.05),
    rotation_degrees=4.0,
    brightness=0.15,
    contrast=0.15,
)
SMALL_TRAINING = TrainingSettings(
    batch_size=32,
    steps=2400,
    optimiser=AdamW(rate=1e-3),
    schedule=WarmupCosine(warmup_share=0.03),
    checkpoint_every=500,
)


def small_knowledge() -> KnowledgeStage:
    """The text encoder learns the embedded concept graph: the first stage of both."""
    return KnowledgeStage(
        encoder=SMALL_TEXT,
        pairs=AppearancePairs(),
        contrast=KinshipContrast(),
        training=TrainingSettings(
            batch_size=64,
            steps=200,
            optimiser=AdamW(rate=1e-3),
            schedule=WarmupCosine(warmup_share=0.1),
            checkpoint_every=100,
        ),
    )
