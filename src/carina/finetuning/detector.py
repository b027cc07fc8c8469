"""An image encoder under a feature pyramid: boxes, without anchors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.encoders.feature_pyramid import FeaturePyramid, centres
from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.errors import ConfigError
from carina.finetuning.outputs import check_outputs, columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

PRIOR = 0.01
"""The probability that every place begins with (Lin et al., ICCV 2017, section 4.1)."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Settings of a detector: `findings` are its outputs, in canonical form.

    `width` are the channels of the pyramid and the head, `depth` the convolutions of each of
    the head's two towers. Of boxes that overlap by more than `overlap` the best-scored is kept,
    at most `most` an image and finding, none below `least`.
    """

    image: ImageConfig
    preprocessing: Preprocessing
    findings: tuple[str, ...]
    width: int = 64
    depth: int = 2
    overlap: float = 0.5
    most: int = 100
    least: float = 0.01

    def __post_init__(self) -> None:
        """Checks the values."""
        check_outputs("findings", self.findings)
        if min(self.width, self.depth, self.most) < 1:
            raise ConfigError("width, depth and most must be at least 1.")
        if not 0 < self.overlap < 1 or not 0 <= self.least < 1:
            raise ConfigError("overlap must be in (0, 1) and least in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What a detector says at every place of its pyramid.

    `logits` [batch, findings, places]; `boxes` [batch, places, 4] are (x1, y1, x2, y2) in pixels
    of the input; `centredness` [batch, places] are logits; `points` [places, 2] the centres (x,
    y) and `levels` [places] which map each is of.
    """

    logits: Tensor
    boxes: Tensor
    centredness: Tensor
    points: Tensor
    levels: Tensor


@dataclass(frozen=True, kw_only=True)
class FoundBoxes:
    """The boxes of one finding on one picture, the best-scored first.

    `boxes` [boxes, 4] in pixels of the input, `scores` [boxes] in [0, 1].
    """

    boxes: Tensor
    scores: Tensor


class Detector(nn.Module):
    """Every place says which finding's box it lies in, and where its four sides are.

    Source: Tian et al., ICCV 2019 (FCOS). The papers of MaCo and ECAMP fine-tune ViTDet's Mask
    R-CNN and YOLOv3 instead; this is one head for any encoder. Fulfils `ZeroShotModel`, for its
    own findings: the score is that of the best box, the map the scores of the finest level.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.pyramid = FeaturePyramid(config.image.levels, config.width)
        self.name_tower = tower(config.width, config.depth)
        self.box_tower = tower(config.width, config.depth)
        self.names = nn.Conv2d(config.width, len(config.findings), 3, padding=1)
        self.sides = nn.Conv2d(config.width, 4, 3, padding=1)
        self.centre = nn.Conv2d(config.width, 1, 3, padding=1)
        assert self.names.bias is not None
        nn.init.constant_(self.names.bias, math.log(PRIOR / (1 - PRIOR)))

    @classmethod
    def from_config(cls, config: DetectorConfig) -> "Detector":
        """A detector with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(self, radiographs: Float[Tensor, "batch channels size size"]) -> Predicted:
        """What every place of the pyramid says."""
        encoder: Any = self.image_encoder
        size = radiographs.shape[2]
        maps = self.pyramid(encoder.pyramid(radiographs), size)
        logits, boxes, centredness, points, levels = [], [], [], [], []
        for number, (level, stride) in enumerate(zip(maps, FeaturePyramid.STRIDES, strict=True)):
            named, boxed = self.name_tower(level), self.box_tower(level)
            place = centres(level.shape[2], stride, size, radiographs.device)
            reach = self.sides(boxed).float().flatten(2).transpose(1, 2).clamp(max=8).exp() * stride
            logits.append(self.names(named).float().flatten(2))
            boxes.append(torch.cat([place - reach[..., :2], place + reach[..., 2:]], 2))
            centredness.append(self.centre(boxed).float().flatten(1))
            points.append(place)
            levels.append(torch.full((len(place),), number, device=radiographs.device))
        return Predicted(
            logits=torch.cat(logits, 2),
            boxes=torch.cat(boxes, 1),
            centredness=torch.cat(centredness, 1),
            points=torch.cat(points),
            levels=torch.cat(levels),
        )

    @torch.no_grad()
    def detect(
        self, radiographs: Float[Tensor, "batch channels size size"]
    ) -> list[list[FoundBoxes]]:
        """The boxes of every finding on every picture."""
        with evaluating(self):
            predicted = self(radiographs)
        scores = (predicted.logits.sigmoid() * predicted.centredness.sigmoid()[:, None]).sqrt()
        boxes = predicted.boxes.clamp(0, radiographs.shape[2])
        return [
            [self._kept(boxes[image], scores[image, finding]) for finding in range(scores.shape[1])]
            for image in range(len(scores))
        ]

    def _kept(
        self, boxes: Float[Tensor, "places 4"], scores: Float[Tensor, "places"]
    ) -> FoundBoxes:
        above = scores >= self.config.least
        kept = suppressed(boxes[above], scores[above], self.config.overlap, most=self.config.most)
        return FoundBoxes(boxes=boxes[above][kept], scores=scores[above][kept])

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
        """The best box's score of each finding, and the scores of the finest level's places."""
        columns = columns_of(queries, radiographs.device)
        with evaluating(self):
            predicted = self(radiographs)
        scores = (predicted.logits.sigmoid() * predicted.centredness.sigmoid()[:, None]).sqrt()
        scores = scores[:, columns]
        finest = scores[..., predicted.levels == 0]
        side = int(finest.shape[2] ** 0.5)
        return Answers(scores=scores.amax(2), grids=finest.unflatten(2, (side, side)))


def tower(width: int, depth: int) -> nn.Sequential:
    """3 x 3 convolutions of one width, each with a group norm and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        groups = 8 if width % 8 == 0 else 1
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(groups, width), nn.ReLU()]
    return nn.Sequential(*layers)


def suppressed(
    boxes: Float[Tensor, "boxes 4"],
    scores: Float[Tensor, "boxes"],
    overlap: float,
    *,
    border: float = 0.0,
    most: int | None = None,
) -> Int[Tensor, "kept"]:
    """Non-maximum suppression: the boxes to keep, the best-scored first, and at most so many.

    A box is dropped if it overlaps one that is kept by more than `overlap` (IoU). With a
    `border` of 1 sides count from pixel to pixel, as in ECAMP's detection code.
    """
    order = scores.argsort(descending=True, stable=True)
    # Box by box on the processor: each kept one against the rest, never all pairs of thousands.
    ordered = boxes[order].cpu().numpy()
    kept: list[int] = []
    rest = np.arange(len(ordered))
    while len(rest) and (most is None or len(kept) < most):
        kept.append(int(rest[0]))
        shared = overlap_with(ordered[rest[0]], ordered[rest[1:]], border)
        rest = rest[1:][shared <= overlap]
    return order[torch.tensor(kept, dtype=torch.long, device=boxes.device)]


def overlap_with(
    box: Float[np.ndarray, "4"], others: Float[np.ndarray, "others 4"], border: float = 0.0
) -> Float[np.ndarray, "others"]:
    """Intersection over union of one box and each of others; `border` is added to every side."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = np.clip(sides + border, 0, None).prod(axis=1)
    own = np.clip(box[2:] - box[:2] + border, 0, None).prod()
    areas = np.clip(others[:, 2:] - others[:, :2] + border, 0, None).prod(axis=1)
    union = own + areas - both
    shared: Float[np.ndarray, "others"] = np.divide(
        both, union, out=np.zeros_like(both), where=union > 0
    )
    return shared
