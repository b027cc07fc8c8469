"""ECAMP's own detector, YOLOv3's head over an image encoder: model, loss and defaults."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.encoders.yolo import ThreeMaps, YOLOHead
from carina.errors import ConfigError
from carina.finetuning.detection import BOX_AUGMENTATION, moved_together
from carina.finetuning.detector import FoundBoxes, suppressed
from carina.finetuning.outlines import Outlines
from carina.finetuning.outputs import check_outputs, columns_of, encoded_by_output
from carina.finetuning.tuned_model import TunedModel
from carina.imaging.augmentation import WarpAugmentation
from carina.imaging.preprocessing import Preprocessing
from carina.losses.yolo import WEIGHTS, yolo_targets, yolo_terms
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Term
from carina.training.optimiser import AdamW, LayerwiseDecay
from carina.training.schedule import WarmupCosine
from carina.training.settings import TrainingSettings
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

ANCHORS = (
    ((116, 90), (156, 198), (373, 326)),
    ((30, 61), (62, 45), (59, 119)),
    ((10, 13), (16, 30), (33, 23)),
)
"""Width and height of YOLOv3's anchors, in pixels of 416, of the coarse, middle and fine scale."""
ANCHORED = 416


@dataclass(frozen=True, kw_only=True)
class YOLODetectorConfig:
    """Settings of ECAMP's detector: `findings` are its outputs, in canonical form.

    `width` are the channels of its finest map, `expansion` how many times narrower its
    bottlenecks are inside: 4 where all labels are used, 8 where 1 or 10% are. Of boxes that
    overlap by more than `overlap` the most confident is kept, at most `most` an image and
    finding, none below `least`; ECAMP's `least` is 0.5, which cuts the precision-recall curve.
    """

    image: ImageConfig
    preprocessing: Preprocessing
    findings: tuple[str, ...]
    width: int = 512
    expansion: int = 4
    overlap: float = 0.5
    most: int = 100
    least: float = 0.01

    def __post_init__(self) -> None:
        """Checks the values."""
        check_outputs("findings", self.findings)
        if self.width < 4 or self.width % 4:
            raise ConfigError(f"width must be a multiple of 4, got {self.width}.")
        if min(self.expansion, self.most) < 1:
            raise ConfigError("expansion and most must be at least 1.")
        if not 0 < self.overlap < 1 or not 0 <= self.least < 1:
            raise ConfigError("overlap must be in (0, 1) and least in [0, 1).")


class YOLODetector(nn.Module):
    """Three anchors a place on three scales, each with a box, a confidence and the findings.

    Source: Redmon and Farhadi, 2018 (arXiv:1804.02767), over the one map of a ViT as in ECAMP's
    detection code. Fulfils `ZeroShotModel`, for its own findings: the score is that of the best
    box, the map the best score of every place of the finest scale.
    """

    def __init__(self, config: YOLODetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.maps = ThreeMaps(config.image.levels[-1][0], config.width, config.expansion)
        self.head = YOLOHead(config.width, len(ANCHORS[0]) * (5 + len(config.findings)))

    @classmethod
    def from_config(cls, config: YOLODetectorConfig) -> "YOLODetector":
        """A detector with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> list[Float[Tensor, "batch 3 values _ _"]]:
        """What every anchor of every place says, the coarsest scale first."""
        encoder: Any = self.image_encoder
        outputs = self.head(self.maps(encoder.pyramid(radiographs)[-1]))
        return [scale.unflatten(1, (len(ANCHORS[0]), -1)) for scale in outputs]

    def decoded(
        self, outputs: Sequence[Float[Tensor, "batch 3 values _ _"]]
    ) -> list[Float[Tensor, "batch places values"]]:
        """Boxes (centre x, centre y, width, height) in pixels, confidence, and findings."""
        size = self.preprocessing.size
        return [
            decoded_scale(scale, anchors_of(place, size, scale.device), size)
            for place, scale in enumerate(outputs)
        ]

    @torch.no_grad()
    def detect(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> list[list[FoundBoxes]]:
        """The boxes of every finding on every picture."""
        with evaluating(self):
            places = torch.cat(self.decoded([scale.float() for scale in self(radiographs)]), 1)
        return [
            [self._kept(image, finding) for finding in range(len(self.config.findings))]
            for image in places
        ]

    def _kept(self, places: Float[Tensor, "places values"], finding: int) -> FoundBoxes:
        boxes = corners(places[:, :4]).clamp(0, self.preprocessing.size)
        scores = places[:, 4] * places[:, 5 + finding]
        above = scores >= self.config.least
        boxes, scores = boxes[above], scores[above]
        kept = suppressed(boxes, scores, self.config.overlap, most=self.config.most)
        return FoundBoxes(boxes=boxes[kept], scores=scores[kept])

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Finds the output of each query.

        Raises:
            QueryError: a finding that this detector was not trained on.
        """
        return encoded_by_output(queries, self.config.findings)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """The best box's score of each finding, and the best of every place's anchors."""
        columns = columns_of(queries, radiographs.device)
        with evaluating(self):
            outputs = [scale.float() for scale in self(radiographs)]
        scores = [
            (scale[:, :, 4:5].sigmoid() * scale[:, :, 5:].sigmoid()).amax(1)[:, columns]
            for scale in outputs
        ]
        best = torch.stack([scale.amax((2, 3)) for scale in scores]).amax(0)
        return Answers(scores=best, grids=scores[-1])


def anchors_of(scale: int, size: int, device: torch.device) -> Float[Tensor, "3 2"]:
    """The anchors of a scale (0 the coarsest), in pixels of an input of `size`."""
    return torch.tensor(ANCHORS[scale], device=device, dtype=torch.float32) * (size / ANCHORED)


def decoded_scale(
    outputs: Float[Tensor, "batch 3 values rows cols"], anchors: Float[Tensor, "3 2"], size: int
) -> Float[Tensor, "batch places values"]:
    """Boxes in pixels of the input, confidence and findings as probabilities, anchor by anchor."""
    rows, cols = outputs.shape[3:]
    down = torch.arange(rows, device=outputs.device).view(rows, 1)
    across = torch.arange(cols, device=outputs.device).view(1, cols)
    x = (outputs[:, :, 0].sigmoid() + across) * (size / cols)
    y = (outputs[:, :, 1].sigmoid() + down) * (size / rows)
    sides = outputs[:, :, 2:4].exp() * anchors.view(1, len(anchors), 2, 1, 1)
    named = outputs[:, :, 4:].sigmoid()
    values = torch.cat([x[:, :, None], y[:, :, None], sides, named], 2)
    return values.movedim(2, 4).flatten(1, 3)


def corners(boxes: Float[Tensor, "boxes 4"]) -> Float[Tensor, "boxes 4"]:
    """(x1, y1, x2, y2) of (centre x, centre y, width, height)."""
    half = boxes[:, 2:] / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1)


@dataclass(frozen=True, kw_only=True)
class YOLOSettings:
    """How ECAMP's detector is fine-tuned. ECAMP does not augment; here the picture is moved.

    `width` and `expansion` are those of `YOLODetectorConfig`.
    """

    width: int = 512
    expansion: int = 4

    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            batch_size=16,
            steps=600,
            optimiser=AdamW(rate=5e-4, weight_decay=0.05, layers=LayerwiseDecay(factor=0.75)),
            schedule=WarmupCosine(warmup_share=0.1),
            clip_norm=5.0,
            checkpoint_every=60,
        )
    )
    augmentation: WarpAugmentation = BOX_AUGMENTATION
    frozen: bool = False


class YOLOObjective(TunedModel[YOLODetector]):
    """The loss of ECAMP's detector, added up over its scales; an `Objective`.

    A finding that is present but was not boxed is taught as background, as by ECAMP's code: its
    loss has no place for what is unknown.
    """

    def __init__(
        self, model: YOLODetector, outlines: Sequence[Outlines], settings: YOLOSettings
    ) -> None:
        super().__init__(model, frozen=settings.frozen)
        self.outlines = outlines
        self.settings = settings

    def losses(self, batch: ImageBatch) -> Losses:
        """The terms for this process's share of the batch."""
        preprocessing = self.model.preprocessing
        size = preprocessing.size
        pictures, truth = moved_together(
            batch, self.outlines, self.settings.augmentation, preprocessing
        )
        low, high = truth.boxes[:, :2], truth.boxes[:, 2:]
        boxes = torch.cat([(low + high) / 2, high - low], 1) / size
        outputs = [scale.float() for scale in self.model(pictures)]
        total = summed_terms(outputs, boxes, truth.rows, truth.findings, size)
        count = torch.tensor(float(len(pictures)), device=pictures.device)
        return {
            name: Term(sum=value * count, count=count, weight=WEIGHTS[name])
            for name, value in total.items()
        }


def summed_terms(
    outputs: Sequence[Float[Tensor, "batch 3 values _ _"]],
    boxes: Float[Tensor, "boxes 4"],
    rows: Tensor,
    findings: Tensor,
    size: int,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of all scales added up, before their weights.

    Args:
        outputs: of the scales, the coarsest first.
        boxes: (centre x, centre y, width, height) as shares of the picture.
        rows: the picture of each box.
        findings: what each box is of.
        size: the side of the input in pixels.
    """
    total: dict[str, Tensor] = {}
    for place, scale in enumerate(outputs):
        for name, value in scale_terms(scale, place, boxes, rows, findings, size).items():
            total[name] = total[name] + value if name in total else value
    return total


def scale_terms(
    outputs: Float[Tensor, "batch 3 values rows cols"],
    scale: int,
    boxes: Float[Tensor, "boxes 4"],
    pictures: Tensor,
    findings: Tensor,
    size: int,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of one scale (0 the coarsest)."""
    batch, _, values, rows, cols = outputs.shape
    cells = torch.tensor([cols / size, rows / size], device=outputs.device)
    anchors = anchors_of(scale, size, outputs.device) * cells
    shape = (batch, rows, cols, values - 5)
    return yolo_terms(outputs, yolo_targets(boxes, pictures, findings, anchors, shape))
