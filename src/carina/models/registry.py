"""Which classes a model folder can hold: name -> module class and its config class."""

from typing import Any

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.pretraining.kad import KADConfig, KADModel

MODELS: dict[str, tuple[Any, Any]] = {
    "KADModel": (KADModel, KADConfig),
    "TextEncoder": (TextEncoder, TextEncoderConfig),
}
