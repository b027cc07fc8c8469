"""What ECAMP minimises, and the choices in it: each choice is a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from carina.encoders.masked_vit import MaskedViT
from carina.encoders.masking import PatchMasks
from carina.errors import ConfigError
from carina.imaging.augmentation import WarpAugmentation, standardise
from carina.losses.contrast import Summed
from carina.losses.masked_language import masked_word_loss
from carina.losses.reconstruction import (
    patches_of,
    picture_of,
    reconstruction_loss,
    weighted_squares,
)
from carina.pretraining.ecamp import ECAMPModel
from carina.pretraining.entity_maps import EntityMaps, SoftWindow, SquareWindow, moved
from carina.pretraining.image_side import (
    BatchStatistics,
    SynchronisedStatistics,
    lower_resolution,
)
from carina.pretraining.masked_side import (
    check_masking,
    encoded_piece,
    kept_patches,
    masks_of,
    pieces_of,
)
from carina.pretraining.masked_text import MaskedTextBatch, MaskedTexts
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term

PIXELS, FINER, WORDS = "reconstruction", "super_resolution", "words"


@dataclass(frozen=True, kw_only=True)
class MaskedWords:
    """The words that are masked count: ECAMP's paper, Eq. 4."""

    def terms(
        self, model: ECAMPModel, tokens: Float[Tensor, "batch seen dim"], texts: MaskedTextBatch
    ) -> dict[str, Summed]:
        """The error of the masked words."""
        return {WORDS: word_error(model, tokens, texts, texts.chosen)}

    def freeze(self, model: ECAMPModel) -> None:
        """Everything is trained."""


@dataclass(frozen=True, kw_only=True)
class AllPositions:
    """Every position counts, words that can be read and padding included: the published code."""

    def terms(
        self, model: ECAMPModel, tokens: Float[Tensor, "batch seen dim"], texts: MaskedTextBatch
    ) -> dict[str, Summed]:
        """The error of all positions."""
        return {WORDS: word_error(model, tokens, texts, torch.ones_like(texts.chosen))}

    def freeze(self, model: ECAMPModel) -> None:
        """Everything is trained."""


@dataclass(frozen=True, kw_only=True)
class NoWords:
    """Reports are not read: a masked autoencoder."""

    def terms(
        self, model: ECAMPModel, tokens: Float[Tensor, "batch seen dim"], texts: MaskedTextBatch
    ) -> dict[str, Summed]:
        """None."""
        return {}

    def freeze(self, model: ECAMPModel) -> None:
        """Nothing that reads is trained."""
        model.language.requires_grad_(False)
        model.project.requires_grad_(False)


def word_error(
    model: ECAMPModel,
    tokens: Float[Tensor, "batch seen dim"],
    texts: MaskedTextBatch,
    counted: Bool[Tensor, "batch tokens"],
) -> Summed:
    """The weighted error of the positions that count."""
    hidden = model.language(texts.ids, texts.attention, model.places(tokens))
    return masked_word_loss(
        model.language.head, hidden[counted], texts.originals[counted], texts.weights[counted]
    )


@dataclass(frozen=True, kw_only=True)
class RemovedPatches:
    """The error is the mean over removed patches: ECAMP's paper, Eq. 2."""

    def mean_over(self, error: Summed, patches: int) -> Summed:
        """As it is."""
        return error


@dataclass(frozen=True, kw_only=True)
class AllPatches:
    """The error of removed patches is divided by the number of all: the published code."""

    def mean_over(self, error: Summed, patches: int) -> Summed:
        """The same sum, with the number of all patches."""
        total, count = error
        return total, torch.full_like(count, float(patches))


@runtime_checkable
class Guidance(Protocol):
    """What says how much each pixel of a batch's finer pictures counts."""

    def weights(
        self, batch: ImageBatch, augmentation: WarpAugmentation, side: int
    ) -> Float[Tensor, "batch 1 side side"]:
        """Weights >= 0 of side x side pixels."""
        ...


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """All pixels of the finer picture count the same."""

    def weights(
        self, batch: ImageBatch, augmentation: WarpAugmentation, side: int
    ) -> Float[Tensor, "batch 1 side side"]:
        """1 everywhere."""
        one = torch.ones(1, device=batch.pixels.device)
        return one.expand(len(batch.pixels), 1, side, side)


class Guided:
    """Pixels count by where the entities of the report are."""

    def __init__(
        self, maps: EntityMaps, keys: Sequence[str], window: SoftWindow | SquareWindow
    ) -> None:
        """Takes the maps of a store and the key of each row of the training set."""
        self.maps = maps
        self.keys = tuple(keys)
        self.window = window

    def weights(
        self, batch: ImageBatch, augmentation: WarpAugmentation, side: int
    ) -> Float[Tensor, "batch 1 side side"]:
        """The window of each map, which has moved as its picture has."""
        maps = self.maps.of([self.keys[row] for row in batch.rows.tolist()])
        maps = maps.to(batch.pixels.device)
        # Twice as fine as the maps, so that a crop keeps what they say.
        cells = 2 * maps.shape[-1]
        return self.window(moved(maps, augmentation, batch.sizes.cpu(), batch.share, cells), side)


@dataclass(frozen=True, kw_only=True)
class ECAMPLosses:
    """The choices of ECAMP's objective. Defaults are the paper's.

    `mask_ratio` is the share of patches that are removed. `window` says how much each pixel of
    the finer picture counts. The weights multiply the three losses. With `micro_batches` above 1
    the batch is seen in as many pieces, whose activations are computed again for the gradient.
    """

    augmentation: WarpAugmentation = WarpAugmentation()
    words: MaskedWords | AllPositions | NoWords = MaskedWords()
    patches: RemovedPatches | AllPatches = RemovedPatches()
    window: Everywhere | SoftWindow | SquareWindow = SoftWindow()
    batch_norm: BatchStatistics = SynchronisedStatistics()
    mask_ratio: float = 0.75
    reconstruction_weight: float = 1.0
    resolution_weight: float = 1.0
    words_weight: float = 1.0
    micro_batches: int = 1

    def __post_init__(self) -> None:
        """Checks ratio, weights and pieces."""
        check_masking(self.mask_ratio, self.micro_batches)
        if not all(weight >= 0 for weight in self.weights.values()):
            raise ConfigError(f"Weights of losses must be >= 0, got {self.weights}.")

    @property
    def weights(self) -> dict[str, float]:
        """What multiplies each term."""
        return {
            PIXELS: self.reconstruction_weight,
            FINER: self.resolution_weight,
            WORDS: self.words_weight,
        }


class ECAMPObjective(nn.Module):
    """An ECAMP model in training on radiographs and masked reports; an `Objective`."""

    def __init__(
        self, model: ECAMPModel, texts: MaskedTexts, losses: ECAMPLosses, guide: Guidance
    ) -> None:
        """Takes the model, the reports of the training set, and what guides super-resolution.

        Raises:
            ConfigError: the ratio of the mask leaves nothing to see, or nothing to guess.
        """
        super().__init__()
        self.model = model
        self.texts = texts
        self.settings = losses
        self.guide = guide
        self.kept = kept_patches(losses.mask_ratio, model.config.image.patches)
        losses.words.freeze(model)
        prepared = losses.batch_norm.prepare(model.image_encoder)
        model.image_encoder = cast(MaskedViT, prepared)
        self.train()

    def train(self, mode: bool = True) -> "ECAMPObjective":
        """Sets the mode, but keeps frozen batch norms in eval mode."""
        super().train(mode)
        self.settings.batch_norm.hold(self.model.image_encoder)
        return self

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        return self.seen(batch)[1]

    def seen(self, batch: ImageBatch) -> tuple[Float[Tensor, "batch dim"], Losses]:
        """What was seen of each image, the mean over patches, and the terms."""
        config = self.model.config
        side, augmentation = config.side, self.settings.augmentation
        pictures = augmentation(batch.pixels, batch.sizes, side, batch.share)
        masks = masks_of(batch, patches=config.image.patches, kept=self.kept)
        texts = self.texts.of(batch.rows.cpu(), batch.places, seed=batch.seed, step=batch.step)
        return self.terms(
            standardise(pictures, config.preprocessing),
            masks,
            texts.to(pictures.device),
            self.guide.weights(batch, augmentation, side),
        )

    def terms(
        self,
        pictures: Float[Tensor, "batch channels side side"],
        masks: PatchMasks,
        texts: MaskedTextBatch,
        window: Float[Tensor, "batch 1 side side"],
    ) -> tuple[Float[Tensor, "batch dim"], Losses]:
        """What is seen of pictures, masks and texts that are given, and the terms.

        Args:
            pictures: standardised, as fine as the finest picture that is guessed.
            masks: which patches are seen.
            texts: the masked report of each.
            window: how much each pixel of the finer picture counts.
        """
        pooled: list[Tensor] = []
        found: dict[str, list[Summed]] = {}
        pieces = self.settings.micro_batches
        for rows in pieces_of(len(pictures), pieces):
            given = (pictures[rows], masks.part(rows), part_of(texts, rows), window[rows])
            seen, terms = encoded_piece(self._piece, given, self.model.image_encoder, pieces)
            pooled.append(seen)
            for name, term in terms.items():
                found.setdefault(name, []).append(term)
        sums = {name: [*zip(*terms, strict=True)] for name, terms in found.items()}
        weights = self.settings.weights
        return torch.cat(pooled), {
            name: Term(
                sum=torch.stack(total).sum(), count=torch.stack(count).sum(), weight=weights[name]
            )
            for name, (total, count) in sums.items()
        }

    def _piece(
        self,
        pictures: Float[Tensor, "batch channels side side"],
        masks: PatchMasks,
        texts: MaskedTextBatch,
        window: Float[Tensor, "batch 1 side side"],
    ) -> tuple[Float[Tensor, "batch dim"], dict[str, Summed]]:
        """The mean of the patches seen, and sums and counts of one piece of the batch."""
        model, config = self.model, self.model.config
        lower = lower_resolution(pictures, config.guessed_side)
        tokens = model.image_encoder(lower_resolution(lower, config.preprocessing.size), masks.kept)
        guessed = model.decoder(tokens, masks.restore)
        patch = config.image.vit.patch * config.decoder.resolution
        error = reconstruction_loss(guessed, patches_of(lower, patch), masks.removed)
        terms = {PIXELS: self.settings.patches.mean_over(error, masks.removed.numel())}
        if config.super_resolution.scale > 1:
            finer = model.super_resolution(picture_of(guessed, patch))
            terms[FINER] = weighted_squares(finer, pictures, window)
        return tokens[:, 1:].mean(1), terms | self.settings.words.terms(model, tokens, texts)


def part_of(texts: MaskedTextBatch, rows: slice) -> MaskedTextBatch:
    """Some of the texts."""
    return MaskedTextBatch(
        ids=texts.ids[rows],
        originals=texts.originals[rows],
        attention=texts.attention[rows],
        weights=texts.weights[rows],
        chosen=texts.chosen[rows],
    )
