"""Masks of images for segmentation, stored at the size of the stored pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from carina.errors import ExamplesError, ManifestError
from carina.imaging.store import ImageStore
from carina.metrics.grounding import box_mask
from carina.studies.batches import ImageBatch, ImageBatches
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, canonical, truth_of
from carina.studies.views import stored_frontals
from carina.study import Box, Study
from carina.training.objective import Place

MaskPaths = tuple[str, ...]
"""Mask files of one structure on one radiograph."""
Boxes = tuple[Box, ...]
"""Boxes of one finding on one radiograph."""


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """What is known of the structures of one image.

    `masks` has the mask files of each structure and `boxes` its boxes; a structure that is
    neither outlined nor said to be absent is not `known`. Boxes are in pixels of a picture of
    `width` x `height`.
    """

    masks: tuple[MaskPaths, ...]
    boxes: tuple[Boxes, ...]
    known: tuple[bool, ...]
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class OutlinedImages:
    """Frontal radiographs of a part of a manifest of which at least one structure is known."""

    keys: tuple[str, ...]
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    outlines: tuple[Outlines, ...]

    @property
    def labels(self) -> Float[np.ndarray, "images structures"]:
        """1 where a structure is outlined, 0 where it is absent, nan where nothing is known."""
        rows = [
            [
                float(bool(masks or boxes)) if known else np.nan
                for masks, boxes, known in zip(one.masks, one.boxes, one.known, strict=True)
            ]
            for one in self.outlines
        ]
        return np.array(rows, dtype=np.float64)

    def of_patients(self, patients: frozenset[str]) -> "OutlinedImages":
        """The images of some of the patients."""
        rows = [row for row, patient in enumerate(self.patients) if patient in patients]
        return OutlinedImages(
            keys=tuple(self.keys[row] for row in rows),
            studies=tuple(self.studies[row] for row in rows),
            patients=tuple(self.patients[row] for row in rows),
            outlines=tuple(self.outlines[row] for row in rows),
        )


OutlineReader = Callable[[Study, int, Sequence[str]], tuple[list[MaskPaths], list[Boxes]]]
"""Takes a study, the place of a radiograph and names; gives masks and boxes of each name."""


def masks_else_boxes(
    study: Study, place: int, names: Sequence[str]
) -> tuple[list[MaskPaths], list[Boxes]]:
    """For segmentation: where a structure has masks its boxes, which enclose them, are not used."""
    masks = [masks_of(study, place, name) for name in names]
    boxes = [
        () if found else boxes_of(study, place, name)
        for name, found in zip(names, masks, strict=True)
    ]
    return masks, boxes


def boxes_alone(
    study: Study, place: int, names: Sequence[str]
) -> tuple[list[MaskPaths], list[Boxes]]:
    """For detection."""
    return [() for _ in names], [boxes_of(study, place, name) for name in names]


def outlined_images(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    *,
    reader: OutlineReader,
    unmentioned: Unmentioned,
) -> OutlinedImages:
    """The stored frontal radiographs of which at least one structure is known.

    A structure is known where it is outlined, and, as nothing at all, where it is absent: listed
    as such, or not listed in a manifest that lists it elsewhere and only where it is present.
    Where it is present but not outlined it is unknown.

    Raises:
        ExamplesError: nothing is outlined.
    """
    images = stored_frontals(part, store)
    truth = truth_of([study for study, _ in images], names, everything.studies, unmentioned)
    listed = np.array([bool(sources) for sources in truth.sources])
    rows = [
        (
            study,
            place,
            outlines_of(study, place, reader(study, place, names), listed & (values == 0), store),
        )
        for (study, place), values in zip(images, truth.values, strict=True)
    ]
    rows = [row for row in rows if any(row[2].known)]
    if not any(any(one.masks) or any(one.boxes) for _, _, one in rows):
        raise ExamplesError(
            f"{part.path}: no stored frontal radiograph has an outline of {', '.join(names)}; "
            "expected masks or boxes.",
            "The manifest's masks are of: "
            f"{', '.join(listed_structures(part.studies)) or 'nothing'}; its boxes of: "
            f"{', '.join(listed_boxes(part.studies)) or 'nothing'}.",
        )
    return OutlinedImages(
        keys=tuple(study.radiographs[place].path for study, place, _ in rows),
        studies=tuple(study.study_id for study, _, _ in rows),
        patients=tuple(study.patient_id for study, _, _ in rows),
        outlines=tuple(found for _, _, found in rows),
    )


def picture_size(study: Study, place: int, store: ImageStore) -> tuple[int, int]:
    """Width and height that the outlines of a radiograph are pixels of.

    Where the manifest is silent they are those of the file that was packed.
    """
    radiograph = study.radiographs[place]
    height, width = store.source_shape(radiograph.path)
    return radiograph.width or width, radiograph.height or height


def outlines_of(
    study: Study,
    place: int,
    found: tuple[list[MaskPaths], list[Boxes]],
    absent: Bool[np.ndarray, " names"],
    store: ImageStore,
) -> Outlines:
    """The outlines of one radiograph; of what is absent, that nothing is there."""
    masks, boxes = found
    width, height = picture_size(study, place, store)
    return Outlines(
        masks=tuple(masks),
        boxes=tuple(boxes),
        known=tuple(
            bool(mask or box or gone)
            for mask, box, gone in zip(masks, boxes, absent.tolist(), strict=True)
        ),
        width=width,
        height=height,
    )


def masks_of(study: Study, place: int, name: str) -> MaskPaths:
    """The mask files of one structure on one radiograph."""
    return tuple(
        mask.path
        for mask in study.masks
        if mask.radiograph == place and canonical(mask.label) == canonical(name)
    )


def boxes_of(study: Study, place: int, name: str) -> Boxes:
    """The boxes of one finding on one radiograph."""
    return tuple(
        box
        for box in study.boxes
        if box.radiograph == place and canonical(box.label) == canonical(name)
    )


def listed_boxes(studies: Sequence[Study]) -> tuple[str, ...]:
    """Everything that has a box, in canonical form and alphabetical order."""
    return tuple(sorted({canonical(box.label) for study in studies for box in study.boxes}))


def listed_structures(studies: Sequence[Study]) -> tuple[str, ...]:
    """Everything that has a mask, in canonical form and alphabetical order."""
    return tuple(sorted({canonical(mask.label) for study in studies for mask in study.masks}))


def listed_outlines(studies: Sequence[Study]) -> tuple[str, ...]:
    """Everything that has a mask or a box, in canonical form and alphabetical order."""
    return tuple(sorted({*listed_structures(studies), *listed_boxes(studies)}))


@dataclass(frozen=True, kw_only=True)
class OutlinedBatch:
    """A batch of radiographs with their masks, padded alike."""

    images: ImageBatch
    masks: UInt8[Tensor, "batch structures height width"]
    known: Bool[Tensor, "batch structures"]

    @property
    def names(self) -> Sequence[str]:
        """The studies."""
        return self.images.names

    def to(self, device: torch.device) -> "OutlinedBatch":
        """Copies the tensors to a device."""
        return replace(
            self,
            images=self.images.to(device),
            masks=self.masks.to(device, non_blocking=True),
            known=self.known.to(device, non_blocking=True),
        )


class OutlinedBatches:
    """Batches of radiographs and their masks: a pure function of seed, step and place.

    Args:
        images: which.
        pictures: the store of the radiographs.
        masks: the store of the mask files, packed to the same size.
        batch_size: rows of the global batch.
        seed: of the order.
    """

    def __init__(
        self,
        images: OutlinedImages,
        pictures: ImageStore,
        masks: ImageStore | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self.images = images
        self.masks = masks
        self.pictures = ImageBatches(images.keys, images.studies, pictures, batch_size, seed)
        self.batch_size = batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen."""
        return self.pictures.steps_per_epoch

    def batch(self, step: int, place: Place) -> OutlinedBatch:
        """The share of `place` of the batch of `step` (from 0)."""
        pictures = self.pictures.batch(step, place)
        rows, (height, width) = pictures.rows.tolist(), pictures.pixels.shape[2:]
        structures = len(self.images.outlines[0].known)
        masks = torch.zeros(len(rows), structures, height, width, dtype=torch.uint8)
        for target, row, size in zip(masks, rows, pictures.sizes.tolist(), strict=True):
            drawn = torch.from_numpy(self.mask(row, int(size[0]), int(size[1])))
            target[:, : drawn.shape[1], : drawn.shape[2]] = drawn
        known = torch.tensor([self.images.outlines[row].known for row in rows])
        return OutlinedBatch(images=pictures, masks=masks, known=known)

    def mask(self, row: int, height: int, width: int) -> NDArray[np.uint8]:
        """The masks of one image at the size of its stored picture: [structures, h, w], 0 or 255.

        Raises:
            ManifestError: a mask has another shape than its radiograph.
        """
        outlines = self.images.outlines[row]
        drawn = np.zeros((len(outlines.known), height, width), dtype=np.uint8)
        for place, (paths, boxes) in enumerate(zip(outlines.masks, outlines.boxes, strict=True)):
            for path in paths:
                assert self.masks is not None
                stored = self.masks[path]
                if stored.shape != (height, width):
                    raise ManifestError(
                        f"{path}: the mask, stored as {stored.shape[1]} x {stored.shape[0]} "
                        f"pixels, is of another shape than its radiograph ({width} x {height}); "
                        "expected the same. Turn or resize the mask to its radiograph."
                    )
                drawn[place][stored > 127] = 255
            if boxes:
                drawn[place][self._boxes(outlines, boxes, height, width)] = 255
        return drawn

    def _boxes(
        self, outlines: Outlines, boxes: Sequence[Box], height: int, width: int
    ) -> NDArray[np.bool_]:
        across, down = width / outlines.width, height / outlines.height
        scaled = [(b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down) for b in boxes]
        return box_mask(scaled, height, width)


def check_outlined(images: OutlinedImages, structures: Sequence[str], where: str) -> None:
    """Refuses structures that no image outlines.

    Raises:
        ExamplesError: names them.
    """
    outlined = (images.labels == 1).sum(axis=0)
    lacking = [name for name, count in zip(structures, outlined, strict=True) if not count]
    if lacking:
        raise ExamplesError(
            f"{where}: none of {len(images.keys)} images outlines {', '.join(lacking)}.",
            "Name the structures to train with --finding, or give this part more patients: of "
            "training ones, a larger --fraction.",
        )
