"""Every image encoder that a fine-tuned model may have."""

from carina.encoders.local_global import LocalGlobalResNetConfig, LocalGlobalViTConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.resnet import ResNetConfig
from carina.encoders.supervised import DenseNetConfig, PlainResNetConfig
from carina.encoders.vit import ViTConfig

ImageConfig = (
    ResNetConfig
    | ViTConfig
    | MaskedViTConfig
    | LocalGlobalResNetConfig
    | LocalGlobalViTConfig
    | PlainResNetConfig
    | DenseNetConfig
)
"""The pre-trained ones, and those of a supervised baseline."""
