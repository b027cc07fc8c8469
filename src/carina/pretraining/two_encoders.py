"""What models and objectives of an image and a text encoder have in common."""

from typing import Generic, Protocol, TypeVar, runtime_checkable

from tokenizers import Tokenizer
from torch import nn

from carina.encoders.fusion import Fused
from carina.encoders.resnet import ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.preprocessing import Preprocessing


@runtime_checkable
class TwoEncodersConfig(Protocol):
    """The settings that each of these models has."""

    @property
    def image(self) -> ResNetConfig | ViTConfig:
        """Of the image encoder."""
        ...

    @property
    def text(self) -> TextEncoderConfig:
        """Of the text encoder."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        ...


ConfigT = TypeVar("ConfigT", bound=TwoEncodersConfig)


class TwoEncoders(nn.Module, Generic[ConfigT]):
    """An image encoder beside a text encoder; what is asked of them is the model's own."""

    def __init__(self, config: ConfigT, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.text_encoder = text_encoder
        self._fused = Fused()

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side wants."""
        return self.config.preprocessing

    @property
    def tokenizer(self) -> Tokenizer:
        """The text encoder's tokenizer."""
        return self.text_encoder.tokenizer

    @property
    def max_tokens(self) -> int:
        """The longest text that is read, special tokens included."""
        return self.text_encoder.config.max_tokens


def check_image_side(image: ResNetConfig | ViTConfig, preprocessing: Preprocessing) -> None:
    """Checks that an image encoder takes what the preprocessing makes.

    Raises:
        ConfigError: the channels or the size differ.
    """
    if image.channels != preprocessing.channels:
        raise ConfigError(
            f"The image encoder takes {image.channels} channels, the preprocessing gives "
            f"{preprocessing.channels}."
        )
    if isinstance(image, ViTConfig) and image.size != preprocessing.size:
        raise ConfigError(
            f"The ViT takes {image.size} pixels, the preprocessing gives {preprocessing.size}."
        )
