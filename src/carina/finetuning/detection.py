"""Fine-tuning for detection: which place answers for which box, the loss, and validation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.finetuning.detector import Detector, Predicted
from carina.finetuning.outlines import Outlines
from carina.finetuning.pictures import pictures_of
from carina.finetuning.tuned_model import TunedModel
from carina.imaging.augmentation import WarpAugmentation
from carina.imaging.geometry import warp_points
from carina.imaging.preprocessing import Preprocessing
from carina.losses.detection import focal_loss, giou_loss
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term
from carina.training.optimiser import AdamW, LayerwiseDecay
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings

REACHES = (0.0, 64 / 224, 128 / 224, 9.0)
"""Level i answers for boxes whose longer half side, of the input's, lies from entry i to i + 1.

FCOS gives 64, 128, ... pixels at 800 px to strides 8, 16, ...; here shares of the input's side.
"""
NEAR = 1.5
"""Only places within so many strides of a box's centre answer for it (FCOS's centre sampling)."""

BOX_AUGMENTATION = WarpAugmentation(
    scale=(0.6, 1.0),
    aspect=(0.9, 1.11),
    rotation_degrees=0.0,  # a turned box is no box
    brightness=0.2,
    contrast=0.2,
)


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """How a detector is fine-tuned: the same for every start. No flips: sides have names."""

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            batch_size=16,
            steps=600,
            optimiser=AdamW(rate=2e-3, weight_decay=0.05, layers=LayerwiseDecay(factor=0.75)),
            schedule=WarmupCosine(warmup_share=0.1),
            clip_norm=5.0,
            checkpoint_every=60,
        )
    )
    augmentation: WarpAugmentation = BOX_AUGMENTATION
    frozen: bool = False


@dataclass(frozen=True, kw_only=True)
class TrueBoxes:
    """The boxes of a batch, in pixels of the input: [boxes, 4], and whose and of what they are."""

    boxes: Tensor
    rows: Tensor
    findings: Tensor


class DetectionObjective(TunedModel[Detector]):
    """Names, sides and centredness of boxes; an `Objective`."""

    def __init__(
        self, model: Detector, outlines: Sequence[Outlines], settings: DetectionSettings
    ) -> None:
        super().__init__(model, frozen=settings.frozen)
        self.outlines = outlines
        self.settings = settings

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        preprocessing = self.model.preprocessing
        pictures, truth = moved_together(
            batch, self.outlines, self.settings.augmentation, preprocessing
        )
        known = torch.tensor([self.outlines[row].known for row in batch.rows.tolist()])
        return detection_losses(self.model(pictures), truth, known, preprocessing.size)


def moved_together(
    batch: ImageBatch,
    outlines: Sequence[Outlines],
    augmentation: WarpAugmentation,
    preprocessing: Preprocessing,
) -> tuple[Float[Tensor, "batch channels size size"], TrueBoxes]:
    """The pictures of a batch, augmented and standardised, and where their boxes are then."""
    pictures = pictures_of(batch, augmentation, preprocessing)
    warps = augmentation.warps(batch.sizes, preprocessing.size, batch.share)
    return pictures, warped_boxes(outlines, batch, warps, preprocessing.size)


def stored_boxes(
    outlines: Outlines, height: int, width: int
) -> list[tuple[int, Float[Tensor, "4"]]]:
    """The finding and the corners of every box of an image, in pixels of its stored picture."""
    across, down = width / outlines.width, height / outlines.height
    scale = torch.tensor([across, down, across, down])
    return [
        (finding, torch.tensor([box.x1, box.y1, box.x2, box.y2]) * scale)
        for finding, boxes in enumerate(outlines.boxes)
        for box in boxes
    ]


def warped_boxes(
    outlines: Sequence[Outlines], batch: ImageBatch, warps: Float[Tensor, "batch 2 3"], size: int
) -> TrueBoxes:
    """Where the boxes of a batch are after its warp; what is cut off to a sliver is left out."""
    boxes, rows, findings = [], [], []
    for row, (image, shape) in enumerate(
        zip(batch.rows.tolist(), batch.sizes.tolist(), strict=True)
    ):
        for finding, corners in stored_boxes(outlines[image], int(shape[0]), int(shape[1])):
            points = warp_points(corners.view(1, 2, 2), warps[row : row + 1].cpu())[0]
            low, high = points.amin(0), points.amax(0)
            seen = torch.cat([low.clamp(0, size), high.clamp(0, size)])
            whole = (high - low).prod()
            if (seen[2:] - seen[:2]).prod() >= 0.25 * whole and (seen[2:] - seen[:2]).min() >= 2:
                boxes.append(seen)
                rows.append(row)
                findings.append(finding)
    device = batch.pixels.device
    stacked = torch.stack(boxes) if boxes else torch.zeros(0, 4)
    return TrueBoxes(
        boxes=stacked.to(device),
        rows=torch.tensor(rows, dtype=torch.long, device=device),
        findings=torch.tensor(findings, dtype=torch.long, device=device),
    )


def detection_losses(predicted: Predicted, truth: TrueBoxes, known: Tensor, size: int) -> Losses:
    """The terms of FCOS: names by focal loss; sides and centredness of places inside boxes."""
    owner = assigned(predicted, truth, size)
    chosen = owner >= 0
    rows, places = chosen.nonzero(as_tuple=True)
    boxes = owner[rows, places]
    targets = torch.zeros_like(predicted.logits)
    targets[rows, truth.findings[boxes], places] = 1
    mask = known.to(targets.device)[:, :, None].float()
    named = focal_loss(torch.where(mask > 0, predicted.logits, -30.0), targets * mask)
    sides, count = giou_loss(predicted.boxes[rows, places], truth.boxes[boxes])
    middle = middleness(predicted.points[places], truth.boxes[boxes])
    centredness = F.binary_cross_entropy_with_logits(
        predicted.centredness[rows, places], middle, reduction="sum"
    )
    return {
        "names": Term(sum=named, count=count),
        "sides": Term(sum=sides, count=count),
        "centredness": Term(sum=centredness, count=count, weight=0.5),
    }


def assigned(predicted: Predicted, truth: TrueBoxes, size: int) -> Tensor:
    """The box that each place of each picture answers for, -1 for none: [batch, places].

    A place answers for a box of its level's size if it lies in the box, near its centre; of
    several for the smallest.
    """
    batch, count = len(predicted.boxes), len(predicted.points)
    owner = torch.full((batch, count), -1, dtype=torch.long, device=predicted.points.device)
    strides = torch.tensor([8.0, 16.0, 32.0], device=owner.device)[predicted.levels]
    reaches = torch.tensor(REACHES, device=owner.device) * size
    smallest = torch.full((batch, count), torch.inf, device=owner.device)
    for number in range(len(truth.boxes)):
        box, row = truth.boxes[number], int(truth.rows[number])
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        away = (predicted.points - middle).abs()
        inside = (away < torch.minimum(half, NEAR * strides[:, None])).all(1)
        fitting = (half.max() >= reaches[predicted.levels]) & (
            half.max() < reaches[predicted.levels + 1]
        )
        if not (inside & fitting).any():  # a small box between the centres: the nearest place
            distance = away.square().sum(1).masked_fill(~fitting, torch.inf)
            inside = torch.zeros_like(inside)
            inside[distance.argmin()] = True
        area = half.prod()
        better = inside & fitting & (area < smallest[row])
        owner[row][better] = number
        smallest[row][better] = area
    return owner


def middleness(
    points: Float[Tensor, "places 2"], boxes: Float[Tensor, "places 4"]
) -> Float[Tensor, "places"]:
    """1 in the middle of a box, 0 on its sides (Tian et al., Eq. 3)."""
    low, high = (points - boxes[:, :2]).clamp(min=0), (boxes[:, 2:] - points).clamp(min=0)
    ratio = torch.minimum(low, high) / torch.maximum(low, high).clamp(min=1e-6)
    middle: Tensor = ratio.prod(1).sqrt()
    return middle
