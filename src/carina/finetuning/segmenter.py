"""An image encoder under a decoder: one mask a structure or finding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.encoders.unet import UNetDecoder
from carina.encoders.upsampling import ProgressiveUpsampling, PyramidUpsampling
from carina.errors import ConfigError
from carina.finetuning.outputs import check_outputs, columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """Settings of a segmenter: `structures` are its outputs, in canonical form."""

    image: ImageConfig
    preprocessing: Preprocessing
    structures: tuple[str, ...]
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Checks the outputs."""
        check_outputs("structures", self.structures)
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}.")

    def decoder(self) -> nn.Module:
        """A fresh U-Net over the encoder's maps."""
        return UNetDecoder(
            self.image.levels, self.preprocessing.channels, len(self.structures), self.dropout
        )


@dataclass(frozen=True, kw_only=True)
class UpsamplingSegmenterConfig:
    """Settings of a segmenter whose decoder is no U-Net: progressive upsampling, or a pyramid."""

    image: ImageConfig
    preprocessing: Preprocessing
    structures: tuple[str, ...]
    upsampling: ProgressiveUpsampling | PyramidUpsampling = ProgressiveUpsampling()

    def __post_init__(self) -> None:
        """Checks the outputs."""
        check_outputs("structures", self.structures)

    def decoder(self) -> nn.Module:
        """A fresh decoder over the encoder's maps."""
        return self.upsampling.build(self.image.levels, len(self.structures))


class Segmenter(nn.Module):
    """Probability of each structure at each pixel of the input.

    Fulfils `ZeroShotModel`, for its own structures: the score of one is the greatest probability
    of any pixel, its map the probabilities. `thresholds` were chosen on validation images.
    """

    thresholds: Tensor

    def __init__(self, config: SegmenterConfig | UpsamplingSegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.decoder = config.decoder()
        self.register_buffer("thresholds", torch.full((len(config.structures),), 0.5))

    @classmethod
    def from_config(cls, config: SegmenterConfig | UpsamplingSegmenterConfig) -> "Segmenter":
        """A segmenter with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> Float[Tensor, "batch structures size size"]:
        """Logits of all structures."""
        encoder: Any = self.image_encoder
        logits: Tensor = self.decoder(encoder.pyramid(radiographs), radiographs)
        return logits

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Finds the output of each query.

        Raises:
            QueryError: a structure that this segmenter was not trained on.
        """
        return encoded_by_output(queries, self.config.structures)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """The greatest probability of each structure, and the probabilities."""
        columns = columns_of(queries, radiographs.device)
        with evaluating(self):
            maps = self(radiographs)[:, columns].float().sigmoid()
        return Answers(scores=maps.amax((2, 3)), grids=maps)


class UpsamplingSegmenter(Segmenter):
    """A segmenter whose decoder is no U-Net: a class of its own, so that its folder tells."""


@dataclass(frozen=True, kw_only=True)
class UNet:
    """A U-Net: transposed convolutions, joined with the encoder's finer maps."""

    dropout: float = 0.2


DecoderShape = UNet | ProgressiveUpsampling | PyramidUpsampling
"""The decoders of segmentation."""

DECODERS: dict[str, DecoderShape] = {
    "unet": UNet(),
    "progressive": ProgressiveUpsampling(),
    "pyramid": PyramidUpsampling(),
}
"""Every decoder by its name on the command line."""


@dataclass(frozen=True, kw_only=True)
class SegmenterParts:
    """What a segmenter is made of, whatever its decoder."""

    image: ImageConfig
    preprocessing: Preprocessing
    structures: tuple[str, ...]
    decoder: DecoderShape

    def build(self) -> Segmenter:
        """A segmenter with fresh weights."""
        image, preprocessing, structures = self.image, self.preprocessing, self.structures
        match self.decoder:
            case UNet(dropout=dropout):
                return Segmenter(
                    SegmenterConfig(
                        image=image,
                        preprocessing=preprocessing,
                        structures=structures,
                        dropout=dropout,
                    )
                )
            case upsampling:
                return UpsamplingSegmenter(
                    UpsamplingSegmenterConfig(
                        image=image,
                        preprocessing=preprocessing,
                        structures=structures,
                        upsampling=upsampling,
                    )
                )
