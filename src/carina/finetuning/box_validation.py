"""The validation part of a detection, scored by the boxes that a detector of either kind draws."""

import numpy as np
from jaxtyping import Float

from carina.finetuning.detection import stored_boxes
from carina.finetuning.detector import Detector
from carina.finetuning.outlines import OutlinedImages, Outlines
from carina.finetuning.pictures import device_of, plain_pictures_of
from carina.finetuning.yolo import YOLODetector
from carina.imaging.preprocessing import Preprocessing, place
from carina.imaging.store import ImageStore
from carina.metrics.detection import PAPERS, Detections, detection_statistic
from carina.metrics.ranking import ones
from carina.studies.batches import ImageBatches
from carina.training.objective import Place

AnyDetector = Detector | YOLODetector
"""A model that draws boxes."""


class BoxValidation:
    """The validation part, scored by the papers' mean average precision."""

    def __init__(self, model: AnyDetector, images: OutlinedImages, pictures: ImageStore) -> None:
        self.model = model
        self.images = images
        self.batches = ImageBatches(images.keys, images.studies, pictures, 16, seed=0)

    def score(self) -> float:
        """The mean over findings."""
        found = self.detections()
        once = ones(len(self.images.keys))
        values = [
            detection_statistic(of_finding, {"map": PAPERS})(once)["map"][0] for of_finding in found
        ]
        return float(np.nanmean(values))

    def detections(self) -> list[list[Detections]]:
        """For each finding, for each image: predicted and true boxes, in pixels of the input."""
        preprocessing = self.model.preprocessing
        names = self.model.config.findings
        found: list[list[Detections | None]] = [[None] * len(self.images.keys) for _ in names]
        for step in range(self.batches.steps_per_epoch):
            batch = self.batches.batch(step, Place()).to(device_of(self.model))
            boxes = self.model.detect(plain_pictures_of(batch, preprocessing))
            for row, image in enumerate(batch.rows.tolist()):
                height, width = (int(side) for side in batch.sizes[row])
                truth = placed_boxes(self.images.outlines[image], height, width, preprocessing)
                for finding in range(len(names)):
                    found[finding][image] = Detections(
                        boxes=boxes[row][finding].boxes.double().cpu().numpy(),
                        scores=boxes[row][finding].scores.double().cpu().numpy(),
                        truth=truth[finding],
                    )
        return [[one for one in of_finding if one is not None] for of_finding in found]


def placed_boxes(
    outlines: Outlines, height: int, width: int, preprocessing: Preprocessing
) -> list[Float[np.ndarray, "boxes 4"]]:
    """The true boxes of each finding, in pixels of the plain input."""
    where = place(height, width, preprocessing)
    scale = np.array([where.scaled_width / width, where.scaled_height / height] * 2)
    shift = np.array([where.left, where.top] * 2)
    placed: list[list[np.ndarray]] = [[] for _ in outlines.boxes]
    for finding, corners in stored_boxes(outlines, height, width):
        placed[finding].append(corners.double().numpy() * scale + shift)
    return [np.array(boxes).reshape(-1, 4) for boxes in placed]
