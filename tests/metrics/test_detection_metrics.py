import numpy as np
import pytest

from carina.metrics.detection import (
    COCO,
    PAPERS,
    Detections,
    detection_statistic,
    matched,
    overlaps,
)
from carina.metrics.ranking import ones

GENERATOR = np.random.default_rng(2)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def drawn(images: int) -> list[Detections]:
    made = []
    for _ in range(images):
        corners = GENERATOR.uniform(0, 60, (GENERATOR.integers(0, 4), 2))
        truth = np.hstack([corners, corners + GENERATOR.uniform(8, 40, corners.shape)])
        near = truth + GENERATOR.normal(0, 3, truth.shape)
        false = GENERATOR.uniform(0, 60, (GENERATOR.integers(0, 4), 2))
        predicted = np.vstack([near, np.hstack([false, false + 15])])
        scores = GENERATOR.permutation(1000)[: len(predicted)] / 1000
        made.append(Detections(boxes=predicted, scores=scores, truth=truth))
    return made


def oracle(images: list[Detections], thresholds: np.ndarray) -> float:
    """The mean average precision of COCO's own evaluation."""
    from faster_coco_eval import COCO as Annotations
    from faster_coco_eval import COCOeval_faster

    def entry(number: int, box: np.ndarray, **more: object) -> dict[str, object]:
        x1, y1, x2, y2 = box.tolist()
        size = [x1, y1, x2 - x1, y2 - y1]
        return {"image_id": number, "category_id": 1, "bbox": size, **more}

    truth = [
        entry(
            number,
            box,
            id=1000 * number + place + 1,
            iscrowd=0,
            area=float(np.prod(box[2:] - box[:2])),
        )
        for number, image in enumerate(images)
        for place, box in enumerate(image.truth)
    ]
    predicted = [
        entry(number, box, score=float(score))
        for number, image in enumerate(images)
        for box, score in zip(image.boxes, image.scores, strict=True)
    ]
    annotations = Annotations(
        {
            "images": [{"id": number} for number in range(len(images))],
            "categories": [{"id": 1, "name": "x"}],
            "annotations": truth,
            "info": {},
        }
    )
    evaluated = COCOeval_faster(annotations, annotations.loadRes(predicted), iouType="bbox")
    evaluated.params.iouThrs = thresholds
    evaluated.evaluate()
    evaluated.accumulate()
    precision = evaluated.eval["precision"][:, :, 0, 0, -1]
    return float(precision.mean())


@pytest.mark.parametrize("thresholds", [PAPERS, COCO])
def test_average_precision_is_that_of_coco(thresholds: np.ndarray) -> None:
    images = drawn(60)
    made = detection_statistic(images, {"map": thresholds})(ones(60))["map"][0]
    assert made == pytest.approx(oracle(images, thresholds), abs=1e-6)


def test_a_resample_is_the_images_repeated() -> None:
    images = drawn(20)
    counts = GENERATOR.integers(0, 3, (20, 3)).astype(np.uint16)
    made = detection_statistic(images, {"map": PAPERS})(counts)["map"]
    for column in range(3):
        repeated = [images[row] for row in np.repeat(np.arange(20), counts[:, column])]
        alone = detection_statistic(repeated, {"map": PAPERS})(ones(len(repeated)))["map"][0]
        assert made[column] == pytest.approx(alone, abs=0.02)  # ties stand in another order


def test_overlaps_by_hand() -> None:
    shared = overlaps(boxes((0, 0, 2, 2)), boxes((1, 1, 3, 3), (0, 0, 2, 2), (5, 5, 6, 6)))
    np.testing.assert_allclose(shared, [[1 / 7, 1, 0]])


def test_a_true_box_is_found_once_and_by_the_best_scored() -> None:
    image = Detections(
        boxes=boxes((0, 0, 10, 10), (0, 0, 10, 9)),
        scores=np.array([0.4, 0.9]),
        truth=boxes((0, 0, 10, 10)),
    )
    assert matched(image, np.array([0.5])).tolist() == [[False, True]]
    assert matched(image, np.array([0.95])).tolist() == [[True, False]]


def test_boxes_on_images_without_any_lower_precision() -> None:
    hit = Detections(boxes=boxes((0, 0, 5, 5)), scores=np.array([0.5]), truth=boxes((0, 0, 5, 5)))
    alarm = Detections(boxes=boxes((0, 0, 5, 5)), scores=np.array([0.9]), truth=boxes())
    silent = Detections(boxes=boxes(), scores=np.zeros(0), truth=boxes())
    alone = detection_statistic([hit, silent], {"map": PAPERS})(ones(2))["map"][0]
    beside = detection_statistic([hit, alarm], {"map": PAPERS})(ones(2))["map"][0]
    assert (alone, beside) == (1.0, 0.5)


def test_nothing_predicted_is_zero_and_nothing_true_is_undefined() -> None:
    missed = Detections(boxes=boxes(), scores=np.zeros(0), truth=boxes((0, 0, 5, 5)))
    empty = Detections(boxes=boxes(), scores=np.zeros(0), truth=boxes())
    assert detection_statistic([missed], {"map": PAPERS})(ones(1))["map"][0] == 0
    assert np.isnan(detection_statistic([empty], {"map": PAPERS})(ones(1))["map"][0])
