"""Detection: are the separate parts of a finding found, each by a region of its own?

A thresholded heat-map falls into regions, the truth into boxes or the connected parts of masks.
Like is compared with like: boxes with the boxes that enclose the regions, parts of masks with
the regions' own pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

FOUND = 0.1
"""The intersection over union from which a region has found a part of the truth.

Source: Wu et al. (MedKLIP), ICCV 2023, section 4.5. They do not say how regions and boxes are
paired; see `parts_found`.
"""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The connected parts of a mask: 1, 2, ... on their pixels in `labels`, 0 elsewhere."""

    labels: Int[np.ndarray, "height width"]
    count: int

    def boxes(self) -> Float[np.ndarray, "count 4"]:
        """The enclosing boxes (x1, y1, x2, y2); x2 and y2 lie outside."""
        rows, columns = np.nonzero(self.labels)
        which = self.labels[rows, columns] - 1
        corners = np.tile([np.inf, np.inf, -np.inf, -np.inf], (self.count, 1))
        np.minimum.at(corners[:, 0], which, columns)
        np.minimum.at(corners[:, 1], which, rows)
        np.maximum.at(corners[:, 2], which, columns + 1)
        np.maximum.at(corners[:, 3], which, rows + 1)
        return corners

    def greatest(self, heatmap: Float[np.ndarray, "height width"]) -> Float[np.ndarray, " count"]:
        """The greatest value of a map in each part."""
        peaks = np.full(self.count + 1, -np.inf)
        np.maximum.at(peaks, self.labels.ravel(), heatmap.ravel())
        return peaks[1:]


def connected(mask: Bool[np.ndarray, "height width"]) -> Regions:
    """The parts of a mask; pixels that touch at a side or a corner are of one part.

    Parts are numbered by their first pixel, row by row.
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    part = _parts_of_runs(rows, starts, ends, mask.shape[1])
    labels = np.zeros(mask.shape, dtype=np.int64)
    labels[mask] = np.repeat(part, ends - starts)
    return Regions(labels=labels, count=int(part.max(initial=0)))


def _parts_of_runs(
    rows: Int[np.ndarray, " runs"],
    starts: Int[np.ndarray, " runs"],
    ends: Int[np.ndarray, " runs"],
    width: int,
) -> Int[np.ndarray, " runs"]:
    """The part of each horizontal run of pixels; runs come row by row, `ends` lie outside."""
    # One number a place, rows so far apart that no run reaches into the next.
    apart = width + 2
    first = np.searchsorted(rows * apart + ends, (rows - 1) * apart + starts, side="left")
    last = np.searchsorted(rows * apart + starts, (rows - 1) * apart + ends, side="right")
    parent = list(range(len(rows)))
    for run, (above, beyond) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for other in range(above, beyond):
            a, b = _root(parent, run), _root(parent, other)
            parent[max(a, b)] = min(a, b)
    roots = np.array([_root(parent, run) for run in range(len(rows))], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64) + 1


def _root(parent: list[int], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def box_overlaps(
    first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every two boxes (x1, y1, x2, y2), each of some area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    overlaps: Float[np.ndarray, "n m"] = common / (areas[0][:, None] + areas[1][None] - common)
    return overlaps


def region_overlaps(first: Regions, second: Regions) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every two parts of two masks of one size, pixel by pixel."""
    pairs = first.labels.ravel() * (second.count + 1) + second.labels.ravel()
    size = (first.count + 1) * (second.count + 1)
    common = np.bincount(pairs, minlength=size).reshape(first.count + 1, second.count + 1)
    total = common.sum(axis=1)[1:, None] + common.sum(axis=0)[None, 1:]
    overlaps: Float[np.ndarray, "n m"] = common[1:, 1:] / (total - common[1:, 1:])
    return overlaps


def parts_found(
    overlaps: Float[np.ndarray, "regions parts"], peaks: Float[np.ndarray, " regions"]
) -> int:
    """How many parts of the truth are found, each by a region of its own.

    The region with the greatest peak chooses first, the part that it overlaps most; it has found
    it from an overlap of `FOUND` on. A part that is found is no one else's, so a second region on
    it is a false alarm, and one region over two parts has found one.

    Source: the matching of COCO's detection metrics (Lin et al., ECCV 2014), at one threshold.
    """
    free = np.ones(overlaps.shape[1], dtype=bool)
    for region in np.argsort(-peaks, kind="stable"):
        left = np.where(free, overlaps[region], -1.0)
        if len(left) and left.max() >= FOUND:
            free[left.argmax()] = False
    return int((~free).sum())


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One map against one truth: predicted regions, true parts, and how many were found."""

    regions: int
    parts: int
    found: int


def detect(
    heatmap: Float[np.ndarray, "height width"],
    inside: Bool[np.ndarray, "height width"],
    truth: Bool[np.ndarray, "height width"],
    boxes: Sequence[tuple[float, float, float, float]] = (),
) -> Detection:
    """Counts of one map, from which precision and recall of many maps are made.

    Precision is the sum of `found` over the sum of `regions`, recall that over the sum of
    `parts`.

    Args:
        heatmap: whose peaks say which region chooses first.
        inside: the map above its threshold.
        truth: the outline; its connected parts count where there are no boxes.
        boxes: the truth as boxes (x1, y1, x2, y2) within the image; each counts for itself.
    """
    regions = connected(inside)
    if len(boxes):
        parts = len(boxes)
        overlaps = box_overlaps(regions.boxes(), np.array(boxes, dtype=np.float64))
    else:
        of_truth = connected(truth)
        parts = of_truth.count
        overlaps = region_overlaps(regions, of_truth)
    found = parts_found(overlaps, regions.greatest(heatmap))
    return Detection(regions=regions.count, parts=parts, found=found)
