"""What GLoRIA minimises: the contrast of places and words, and that of image and report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
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
from carina.pretraining.report_pieces import Single, drawn_texts, each_once
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


@dataclass(frozen=True, kw_only=True)
class Captions:
    """The captions of a batch: each different one once, and for each draw the one of each image."""

    words: Words
    rows: Int[Tensor, "draws batch"]

    def to(self, kind: torch.dtype) -> "Captions":
        """The same in another precision."""
        words = replace(
            self.words, vectors=self.words.vectors.to(kind), reports=self.words.reports.to(kind)
        )
        return replace(self, words=words)


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

    def captions(self, batch: ImageBatch) -> Captions:
        """The captions drawn for each row; equal ones are read once."""
        different, rows = each_once(drawn_texts(self.settings.draw, self.pieces, batch))
        encoder = self.model.text_encoder
        words: Words = encoder(encoder.tokenize(different).to(batch.pixels.device))
        return Captions(words=words, rows=torch.tensor(rows, device=batch.pixels.device))

    def terms(self, features: ImageFeatures, captions: Captions, *, first: int) -> Losses:
        """The terms of features and captions that are given.

        Args:
            features: of this process's images.
            captions: theirs.
            first: place of the first image in the global batch.
        """
        settings = self.settings
        with torch.autocast(features.pooled.device.type, enabled=False):
            wide = torch.promote_types(features.pooled.dtype, torch.float32)
            places, summaries = features.tokens.to(wide), features.pooled.to(wide)
            to_words, to_image = self.local(places, captions.to(wide), first=first)
            reports = captions.words.reports.to(wide)
            whole = [
                cosine_contrast(
                    *(summaries, reports[rows], gather_rows(summaries), gather_rows(reports[rows])),
                    first=first,
                    temperature=1 / settings.scale,
                )
                for rows in captions.rows
            ]
        return {
            "image_to_words": term(to_words, settings.local_weight),
            "words_to_image": term(to_image, settings.local_weight),
            "contrast": term(whole, settings.global_weight),
        }

    def local(
        self, places: Float[Tensor, "local cells dim"], captions: Captions, *, first: int
    ) -> tuple[list[Summed], list[Summed]]:
        """For each draw the contrast of places and words, to captions and to images."""
        mine = self.likeness(places, captions.words)
        if place().processes == 1:
            logits = [mine[:, rows] for rows in captions.rows]
            to_words = [matched(one, first=first) for one in logits]
            return to_words, [matched(one.T, first=first) for one in logits]
        everything = gather_rows(places.flatten(1)).unflatten(1, places.shape[1:])
        theirs = self.likeness(everything, captions.words)
        others = [gathered_words(captions, rows, self.model.max_tokens) for rows in captions.rows]
        to_words = [matched(self.likeness(places, words), first=first) for words in others]
        return to_words, [matched(theirs[:, rows].T, first=first) for rows in captions.rows]

    def likeness(
        self, places: Float[Tensor, "images cells dim"], words: Words
    ) -> Float[Tensor, "images captions"]:
        """Scaled for the softmax."""
        return self.settings.scale * local_likeness(
            places,
            words.vectors,
            words.counted,
            temperature=self.model.config.attention_temperature,
            pooling=self.settings.pooling,
            captions_at_once=self.settings.captions_at_once,
        )


def term(draws: Sequence[Summed], weight: float) -> Term:
    """Sums and counts of all draws added up."""
    sums, counts = zip(*draws, strict=True)
    return Term(sum=torch.stack(sums).sum(), count=torch.stack(counts).sum(), weight=weight)


def gathered_words(captions: Captions, rows: Int[Tensor, " local"], most: int) -> Words:
    """One draw's captions of all processes, padded to `most` entries."""
    words = captions.words.rows(rows)
    texts, entries, dim = words.vectors.shape
    padded = torch.cat([words.vectors, words.vectors.new_zeros(texts, most - entries, dim)], 1)
    return Words(
        vectors=gather_rows(padded.flatten(1)).unflatten(1, (most, dim)),
        lengths=gather_rows(words.lengths[:, None].to(padded))[:, 0].long(),
        reports=gather_rows(words.reports),
    )
