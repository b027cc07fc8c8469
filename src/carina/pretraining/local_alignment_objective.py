"""What GLoRIA minimises: the contrast of places and words, and that of image and report."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.words import Words
from carina.errors import ConfigError
from carina.imaging.augmentation import WarpAugmentation
from carina.losses.contrast import Summed, cosine_contrast
from carina.losses.local_alignment import (
    AveragedWords,
    SummedWords,
    check_factor,
    local_likeness,
    matched,
)
from carina.pretraining.image_side import (
    AugmentationChoice,
    BatchStatistics,
    SynchronisedStatistics,
    encode_batch,
)
from carina.pretraining.local_alignment import GLoRIAModel
from carina.pretraining.report_pieces import Single
from carina.studies.batches import ImageBatch
from carina.training.distributed import gather_rows, place
from carina.training.objective import Losses, Term

# "Random crop of 224 of 256 pixels": an area of 0.766, no other change.
CROP = WarpAugmentation(
    scale=(0.765625, 0.765625),
    aspect=(1.0, 1.0),
    rotation_degrees=0.0,
    brightness=0.0,
    contrast=0.0,
)


@dataclass(frozen=True, kw_only=True)
class GLoRIALosses:
    """The choices of GLoRIA's objective. Defaults are the published code's.

    `pooling` makes one likeness of a caption's words. `scale` multiplies likeness and cosine
    before their softmax. `captions_at_once` bounds the memory of the maps. With `image_chunks`
    above 1 the image encoder sees the batch in as many pieces, to save memory.
    """

    augmentation: AugmentationChoice = CROP
    draw: Single = Single()
    pooling: SummedWords | AveragedWords = SummedWords()
    scale: float = 10.0
    local_weight: float = 1.0
    global_weight: float = 1.0
    captions_at_once: int = 64
    batch_norm: BatchStatistics = SynchronisedStatistics()
    image_chunks: int = 1

    def __post_init__(self) -> None:
        """Checks weights and numbers."""
        check_factor(self.scale)
        if not (self.local_weight >= 0 and self.global_weight >= 0):
            raise ConfigError(
                f"Weights of losses must be >= 0, got {self.local_weight} and {self.global_weight}."
            )
        if self.captions_at_once < 1 or self.image_chunks < 1:
            raise ConfigError(
                "captions_at_once and image_chunks must be at least 1, got "
                f"{self.captions_at_once} and {self.image_chunks}."
            )


class GLoRIAObjective(nn.Module):
    """A GLoRIA model in training on radiographs and the captions of their reports."""

    def __init__(
        self, model: GLoRIAModel, pieces: Sequence[Sequence[str]], losses: GLoRIALosses
    ) -> None:
        """Takes the model and the captions of the report of every image of the training set."""
        super().__init__()
        self.model = model
        cleaning = model.config.cleaning
        cleaned = {text: cleaning.of(text) for parts in pieces for text in parts}
        self.pieces = tuple(tuple(cleaned[text] for text in parts) for parts in pieces)
        self.settings = losses
        model.image_encoder = losses.batch_norm.prepare(model.image_encoder)
        self.train()

    def train(self, mode: bool = True) -> "GLoRIAObjective":
        """Sets the mode, but keeps frozen batch norms in eval mode."""
        super().train(mode)
        self.settings.batch_norm.hold(self.model.image_encoder)
        return self

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        features = encode_batch(
            self.model.image_encoder, batch, self.settings, self.model.config.preprocessing
        )
        return self.terms(features, self.captions(batch), first=batch.places.start)

    def captions(self, batch: ImageBatch) -> list[Words]:
        """For each draw the words of each row's caption; equal captions are read once."""
        drawn = [
            self.settings.draw.texts(
                self.pieces[row], seed=batch.seed, step=batch.step, place=number
            )
            for row, number in zip(batch.rows.tolist(), batch.places, strict=True)
        ]
        different = [*dict.fromkeys(text for texts in drawn for text in texts)]
        numbers = {text: number for number, text in enumerate(different)}
        encoder = self.model.text_encoder
        words: Words = encoder(encoder.tokenize(different).to(batch.pixels.device))
        rows = torch.tensor([[numbers[text] for text in texts] for texts in drawn])
        return [words.rows(column.to(batch.pixels.device)) for column in rows.T]

    def terms(self, features: ImageFeatures, captions: Sequence[Words], *, first: int) -> Losses:
        """The terms of features and captions that are given.

        Args:
            features: of this process's images.
            captions: one draw or more, each with a caption for each image.
            first: place of the first image in the global batch.
        """
        settings = self.settings
        with torch.autocast(features.pooled.device.type, enabled=False):
            images = widened(features)
            local = [self.local(images, words, first=first) for words in captions]
            whole = [
                cosine_contrast(
                    images.pooled,
                    words.reports.to(images.pooled),
                    gather_rows(images.pooled),
                    gather_rows(words.reports.to(images.pooled)),
                    first=first,
                    temperature=1 / settings.scale,
                )
                for words in captions
            ]
        to_words, to_places = zip(*local, strict=True)
        return {
            "image_to_words": term(to_words, settings.local_weight),
            "words_to_image": term(to_places, settings.local_weight),
            "contrast": term(whole, settings.global_weight),
        }

    def local(self, images: ImageFeatures, words: Words, *, first: int) -> tuple[Summed, Summed]:
        """The contrast of places and words, to captions and to images."""
        vectors = words.vectors.to(images.pooled)
        mine = self.likeness(images.tokens, vectors, words)
        if place().processes == 1:
            return matched(mine, first=first), matched(mine.T, first=first)
        everything = gathered_words(words, vectors, self.model.max_tokens)
        places = gather_rows(images.tokens.flatten(1)).unflatten(1, images.tokens.shape[1:])
        to_words = self.likeness(images.tokens, everything.vectors, everything)
        to_places = self.likeness(places, vectors, words)
        return matched(to_words, first=first), matched(to_places.T, first=first)

    def likeness(
        self,
        places: Float[Tensor, "images cells dim"],
        vectors: Float[Tensor, "captions entries dim"],
        words: Words,
    ) -> Float[Tensor, "images captions"]:
        """Scaled for the softmax."""
        settings = self.settings
        return settings.scale * local_likeness(
            places,
            vectors,
            words.counted,
            temperature=self.model.config.attention_temperature,
            pooling=settings.pooling,
            captions_at_once=settings.captions_at_once,
        )


def widened(features: ImageFeatures) -> ImageFeatures:
    """The same in float32 or more, whatever the precision around it."""
    wide = torch.promote_types(features.pooled.dtype, torch.float32)
    return ImageFeatures(grid=features.grid.to(wide), pooled=features.pooled.to(wide))


def term(draws: Sequence[Summed], weight: float) -> Term:
    """Sums and counts of all draws added up."""
    sums, counts = zip(*draws, strict=True)
    return Term(sum=torch.stack(sums).sum(), count=torch.stack(counts).sum(), weight=weight)


def gathered_words(words: Words, vectors: Float[Tensor, "local entries dim"], most: int) -> Words:
    """The captions of all processes, padded to `most` entries."""
    texts, entries, dim = vectors.shape
    padded = torch.cat([vectors, vectors.new_zeros(texts, most - entries, dim)], 1)
    return Words(
        vectors=gather_rows(padded.flatten(1)).unflatten(1, (most, dim)),
        lengths=gather_rows(words.lengths[:, None].to(vectors))[:, 0].long(),
        reports=gather_rows(words.reports),
    )
