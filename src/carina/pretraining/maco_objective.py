"""What MaCo minimises, and the choices in it: each choice is a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.masked_vit import MaskedViT
from carina.encoders.masking import PatchMasks
from carina.errors import ConfigError
from carina.imaging.augmentation import WarpAugmentation, standardise
from carina.losses.contrast import Summed
from carina.losses.reconstruction import normalised, patches_of, reconstruction_loss
from carina.losses.weighted_contrast import scaled_cosine_contrast, weighted_contrast
from carina.pretraining.image_side import (
    AugmentationChoice,
    BatchStatistics,
    SynchronisedStatistics,
    lower_resolution,
)
from carina.pretraining.maco import MaCoModel
from carina.pretraining.masked_side import (
    check_masking,
    encoded_piece,
    kept_patches,
    masks_of,
    pieces_of,
)
from carina.pretraining.report_pieces import ShuffledSome, Single, drawn_texts, each_once
from carina.studies.batches import ImageBatch
from carina.training.distributed import gather_rows
from carina.training.objective import Losses, Term


class Embedded(NamedTuple):
    """The pairs of one process in the joint space, and what each is worth.

    Every image has as many texts as were drawn for it, one in each of the `reports`.
    """

    images: Float[Tensor, "local dim"]
    reports: tuple[Float[Tensor, "local dim"], ...]
    importance: Float[Tensor, " local"]


@dataclass(frozen=True, kw_only=True)
class NoContrast:
    """A masked autoencoder alone: the first two rows of the paper's Table 7."""

    def terms(self, pairs: Embedded, *, first: int, scale: Float[Tensor, ""]) -> dict[str, Summed]:
        """None."""
        return {}

    def freeze(self, model: MaCoModel) -> None:
        """Nothing but encoder and decoder is trained."""
        for part in (model.text_encoder, model.project, model.importance):
            part.requires_grad_(False)
        model.scale.requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class PlainContrast:
    """Contrast in which all pairs count the same: the paper's Table 7, "+ CLIP"."""

    def terms(self, pairs: Embedded, *, first: int, scale: Float[Tensor, ""]) -> dict[str, Summed]:
        """One term over all draws."""
        images = gather_rows(pairs.images)
        found = [
            scaled_cosine_contrast(
                pairs.images, reports, images, gather_rows(reports), first=first, scale=scale
            )
            for reports in pairs.reports
        ]
        return {"contrast": added(found)}

    def freeze(self, model: MaCoModel) -> None:
        """The layer that scores visible patches stays at 0: all patches weigh the same."""
        model.importance.requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class ImportanceContrast:
    """Contrast with correlation weighting of logits and of loss terms: MaCo."""

    def terms(self, pairs: Embedded, *, first: int, scale: Float[Tensor, ""]) -> dict[str, Summed]:
        """The sharpened and the weighted term, each worth half."""
        images = gather_rows(pairs.images)
        importance = gather_rows(pairs.importance[:, None])[:, 0]
        found = [
            weighted_contrast(
                *(pairs.images, reports, pairs.importance),
                *(images, gather_rows(reports), importance),
                first=first,
                scale=scale,
            )
            for reports in pairs.reports
        ]
        sharpened, weighted = (added(terms) for terms in zip(*found, strict=True))
        return {"contrast": sharpened, "weighted_contrast": weighted}

    def freeze(self, model: MaCoModel) -> None:
        """Everything is trained."""


def added(terms: Sequence[Summed]) -> Summed:
    """Sums and counts added up."""
    sums, counts = zip(*terms, strict=True)
    return torch.stack(sums).sum(), torch.stack(counts).sum()


@dataclass(frozen=True, kw_only=True)
class MaCoLosses:
    """The choices of MaCo's objective. Defaults are the published code's.

    `mask_ratio` is the share of patches that are removed. `normalised_target` gives each patch
    of the target mean 0 and deviation 1. `batch_norm` is for image encoders that have batch
    norms, which a ViT has none of. The weights multiply reconstruction and contrast. With
    `micro_batches` above 1 the encoders see the batch in as many pieces, whose activations are
    computed again for the gradient: contrast over a large batch in the memory of a small one.
    """

    augmentation: AugmentationChoice = WarpAugmentation()
    contrast: NoContrast | PlainContrast | ImportanceContrast = ImportanceContrast()
    draw: ShuffledSome | Single = ShuffledSome()
    batch_norm: BatchStatistics = SynchronisedStatistics()
    mask_ratio: float = 0.5
    normalised_target: bool = False
    reconstruction_weight: float = 1.0
    contrast_weight: float = 1.0
    micro_batches: int = 1

    def __post_init__(self) -> None:
        """Checks ratio, weights and pieces."""
        check_masking(self.mask_ratio, self.micro_batches)
        if not (self.reconstruction_weight >= 0 and self.contrast_weight >= 0):
            raise ConfigError(
                f"Weights of losses must be >= 0, got {self.reconstruction_weight} and "
                f"{self.contrast_weight}."
            )


class MaCoObjective(nn.Module):
    """A MaCo model in training on radiographs and the pieces of their reports; an `Objective`."""

    def __init__(
        self, model: MaCoModel, pieces: Sequence[Sequence[str]], losses: MaCoLosses
    ) -> None:
        """Takes the model and what the report of every image of the training set says.

        Raises:
            ConfigError: the ratio of the mask leaves nothing to see, or nothing to guess.
        """
        super().__init__()
        self.model = model
        self.pieces = tuple(tuple(parts) for parts in pieces)
        self.settings = losses
        self.kept = kept_patches(losses.mask_ratio, model.config.image.patches)
        losses.contrast.freeze(model)
        prepared = losses.batch_norm.prepare(model.image_encoder)
        model.image_encoder = cast(MaskedViT, prepared)
        self.train()

    def train(self, mode: bool = True) -> "MaCoObjective":
        """Sets the mode, but keeps frozen batch norms in eval mode."""
        super().train(mode)
        self.settings.batch_norm.hold(self.model.image_encoder)
        return self

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        pictures = self._pictures(batch)
        masks = masks_of(batch, patches=self.model.config.image.patches, kept=self.kept)
        return self.terms(pictures, masks, self._texts(batch), first=batch.places.start)

    def terms(
        self,
        pictures: Float[Tensor, "batch channels height width"],
        masks: PatchMasks,
        texts: Sequence[Sequence[str]],
        *,
        first: int,
    ) -> Losses:
        """The terms of pictures, masks and texts that are given.

        Args:
            pictures: standardised, at the resolution that the decoder guesses.
            masks: which patches are seen.
            texts: for each draw, the text of each picture; none where nothing is contrasted.
            first: place of the first picture in the global batch.
        """
        images, reports, guessed, removed = [], [], [], []
        pieces = self.settings.micro_batches
        for rows in pieces_of(len(pictures), pieces):
            given = (pictures[rows], masks.part(rows), [draw[rows] for draw in texts])
            image, report, error, count = encoded_piece(
                self._encode, given, self.model.image_encoder, pieces
            )
            images.append(image)
            reports.append(report)
            guessed.append(error)
            removed.append(count)
        contrast = self._contrast(
            Embedded(
                images=torch.cat(images),
                reports=tuple(torch.cat(draw) for draw in zip(*reports, strict=True)),
                importance=self.model.importance_of(masks.removed),
            ),
            first,
        )
        error, count = torch.stack(guessed).sum(), torch.stack(removed).sum()
        weight = self.settings.reconstruction_weight
        return {"reconstruction": Term(sum=error, count=count, weight=weight), **contrast}

    def _pictures(self, batch: ImageBatch) -> Float[Tensor, "batch channels height width"]:
        config = self.model.config
        side = config.preprocessing.size * config.decoder.resolution
        pictures = self.settings.augmentation(batch.pixels, batch.sizes, side, batch.share)
        return standardise(pictures, config.preprocessing)

    def _texts(self, batch: ImageBatch) -> list[tuple[str, ...]]:
        """For each draw, the text of each row; none where nothing is contrasted."""
        if not self.model.config.reads_reports:
            return []
        return drawn_texts(self.settings.draw, self.pieces, batch)

    def _encode(
        self,
        pictures: Float[Tensor, "batch channels height width"],
        masks: PatchMasks,
        texts: Sequence[Sequence[str]],
    ) -> tuple[Tensor, tuple[Tensor, ...], Tensor, Tensor]:
        """Image vectors, the vectors of each draw's texts, squared error, patches guessed."""
        model = self.model
        tokens = model.image_encoder(self._input(pictures), masks.kept)
        target = patches_of(pictures, self._patch)
        if self.settings.normalised_target:
            target = normalised(target)
        error, count = reconstruction_loss(
            model.decoder(tokens, masks.restore), target, masks.removed
        )
        return model.pooled(tokens), self._read(texts), error, count

    def _read(self, texts: Sequence[Sequence[str]]) -> tuple[Float[Tensor, "batch dim"], ...]:
        """The vectors of each draw's texts."""
        if not texts:
            return ()
        encoder = self.model.text_encoder
        different, rows = each_once(texts)
        vectors = encoder(encoder.tokenize(different).to(encoder.pooler.weight.device))
        return tuple(vectors[draw] for draw in rows)

    @property
    def _patch(self) -> int:
        """Side of a patch of the target, in its pixels."""
        return self.model.config.image.vit.patch * self.model.config.decoder.resolution

    def _input(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels size size"]:
        """Pictures at the encoder's resolution."""
        return lower_resolution(pictures, self.model.config.image.vit.size)

    def _contrast(self, pairs: Embedded, first: int) -> Losses:
        """Contrast over the global batch, in float32 whatever the precision around it."""
        with torch.autocast(pairs.images.device.type, enabled=False):
            wide = torch.promote_types(pairs.images.dtype, torch.float32)
            scale = self.model.config.scale.of(self.model.scale)
            found = self.settings.contrast.terms(
                Embedded(
                    images=pairs.images.to(wide),
                    reports=tuple(report.to(wide) for report in pairs.reports),
                    importance=pairs.importance.to(wide),
                ),
                first=first,
                scale=scale.to(wide),
            )
        weight = self.settings.contrast_weight / max(1, len(found))
        return {
            name: Term(sum=total, count=count, weight=weight)
            for name, (total, count) in found.items()
        }
