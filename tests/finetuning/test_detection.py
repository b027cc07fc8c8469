"""Detection: boxes moved with their image, given to places, and drawn again."""

import numpy as np
import pytest
import torch

from carina.encoders.feature_pyramid import FeaturePyramid, centres, nearest
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, QueryError
from carina.finetuning.box_validation import placed_boxes
from carina.finetuning.detection import (
    TrueBoxes,
    assigned,
    detection_losses,
    middleness,
    warped_boxes,
)
from carina.finetuning.detector import Detector, DetectorConfig, Predicted, suppressed
from carina.finetuning.outlines import Outlines
from carina.imaging.augmentation import BatchShare, WarpAugmentation
from carina.imaging.preprocessing import CentreCrop, Letterbox, Preprocessing, Squash
from carina.studies.batches import ImageBatch
from carina.study import Box
from carina.zeroshot.protocol import Query, ZeroShotModel

IMAGE = ResNetConfig(block=Basic(), depths=(1, 1), widths=(8, 8), stem_width=4, channels=1, dim=6)
VIT = ViTConfig(size=64, patch=16, dim=16, layers=1, heads=2, hidden=16, channels=1)
SIZE = 64
GREY = Preprocessing(size=SIZE, resize=Squash(), mean=(0.5,), std=(0.25,))
CONFIG = DetectorConfig(
    image=IMAGE, preprocessing=GREY, findings=("nodule", "mass"), width=8, depth=1
)


def outlines(*boxes: tuple[int, float, float, float, float], width: int = 64) -> Outlines:
    listed: list[list[Box]] = [[], []]
    for finding, x1, y1, x2, y2 in boxes:
        listed[finding].append(
            Box(radiograph=0, label=CONFIG.findings[finding], x1=x1, y1=y1, x2=x2, y2=y2)
        )
    return Outlines(
        masks=((), ()),
        boxes=tuple(tuple(one) for one in listed),
        known=(True, True),
        width=width,
        height=64,
    )


def test_every_encoder_gives_maps_of_one_width_at_three_strides() -> None:
    for image in (IMAGE, VIT):
        pyramid = FeaturePyramid(image.levels, 8)
        encoder = image.build().eval()
        pictures = torch.randn(1, 1, SIZE, SIZE)
        levels = pyramid(encoder.pyramid(pictures), SIZE)
        assert [tuple(level.shape[1:]) for level in levels] == [(8, 8, 8), (8, 4, 4), (8, 2, 2)]


def test_the_nearest_map_is_taken_and_of_two_the_finer() -> None:
    assert [nearest([2, 4, 8, 16], wanted) for wanted in (8, 16, 32)] == [2, 3, 3]
    assert [nearest([16], wanted) for wanted in (8, 16, 32)] == [0, 0, 0]
    assert nearest([4, 16], 8) == 0


def test_places_lie_in_the_middle_of_their_cells() -> None:
    points = centres(2, 32, SIZE, torch.device("cpu"))
    assert points.tolist() == [[16, 16], [48, 16], [16, 48], [48, 48]]


def test_boxes_move_with_their_picture() -> None:
    augmentation = WarpAugmentation(
        scale=(0.5, 1.0), flip=0.5, rotation_degrees=0.0, brightness=0.0, contrast=0.0
    )
    pixels = torch.zeros(4, 1, 64, 64, dtype=torch.uint8)
    pixels[:, :, 20:40, 30:50] = 255
    moved = 0
    for step in range(5):
        batch = ImageBatch(
            pixels=pixels,
            sizes=torch.tensor([[64, 64]] * 4),
            rows=torch.zeros(4, dtype=torch.long),
            names=("a",) * 4,
            seed=0,
            step=step,
            places=range(4),
            batch_size=4,
        )
        share = BatchShare(seed=0, step=step, rows=range(4), batch_size=4)
        pictures = augmentation(pixels, batch.sizes, SIZE, share)
        truth = warped_boxes(
            [outlines((1, 30.0, 20.0, 50.0, 40.0))],
            batch,
            augmentation.warps(batch.sizes, SIZE, share),
            SIZE,
        )
        for box, row in zip(truth.boxes, truth.rows.tolist(), strict=True):
            bright = (pictures[row, 0] > 0.5).nonzero()
            seen = torch.tensor(
                [
                    float(bright[:, 1].min()),
                    float(bright[:, 0].min()),
                    float(bright[:, 1].max() + 1),
                    float(bright[:, 0].max() + 1),
                ]
            )
            torch.testing.assert_close(box, seen, atol=1.2, rtol=0)
            moved += 1
    assert moved >= 15


@pytest.mark.parametrize("resize", [Squash(), CentreCrop(), Letterbox()])
def test_true_boxes_lie_where_the_plain_picture_is(
    resize: Squash | CentreCrop | Letterbox,
) -> None:
    from carina.imaging.preprocessing import prepare

    picture = np.zeros((64, 96), dtype=np.float32)
    picture[20:40, 40:60] = 1
    preprocessing = Preprocessing(size=SIZE, resize=resize, mean=(0.0,), std=(1.0,))
    inside = (prepare(picture, preprocessing)[0][0] > 0.5).nonzero()
    expected = [
        float(inside[:, 1].min()),
        float(inside[:, 0].min()),
        float(inside[:, 1].max() + 1),
        float(inside[:, 0].max() + 1),
    ]
    boxes = placed_boxes(outlines((0, 40.0, 20.0, 60.0, 40.0), width=96), 64, 96, preprocessing)
    np.testing.assert_allclose(boxes[0], [expected], atol=1.0)
    assert boxes[1].shape == (0, 4)


def predicted_by(model: Detector) -> Predicted:
    return model(torch.randn(2, 1, SIZE, SIZE))


def true_boxes(*rows: tuple[int, int, float, float, float, float]) -> TrueBoxes:
    return TrueBoxes(
        boxes=torch.tensor([row[2:] for row in rows]).reshape(-1, 4),
        rows=torch.tensor([row[0] for row in rows], dtype=torch.long),
        findings=torch.tensor([row[1] for row in rows], dtype=torch.long),
    )


def test_places_near_the_centre_answer_at_the_level_of_the_size() -> None:
    predicted = predicted_by(Detector(CONFIG))
    truth = true_boxes((0, 0, 19.0, 19.0, 37.0, 37.0), (1, 1, 2.0, 2.0, 62.0, 60.0))
    owner = assigned(predicted, truth, SIZE)
    small = (owner[0] == 0).nonzero()[:, 0]
    assert set(predicted.levels[small].tolist()) == {0}
    assert ((predicted.points[small] - 28).abs() < 9).all()
    assert len(small) == 9
    assert set(predicted.levels[(owner[1] == 1)].tolist()) == {1}
    assert (owner[0] <= 0).all()


def test_a_box_between_the_centres_has_the_nearest_place() -> None:
    predicted = predicted_by(Detector(CONFIG))
    owner = assigned(predicted, true_boxes((0, 0, 22.0, 22.0, 25.0, 25.0)), SIZE)
    (place,) = (owner[0] == 0).nonzero()[:, 0]
    assert predicted.points[place].tolist() in ([20.0, 20.0], [28.0, 28.0])


def test_of_two_boxes_the_smaller_one_owns_a_place() -> None:
    predicted = predicted_by(Detector(CONFIG))
    truth = true_boxes((0, 0, 14.0, 14.0, 42.0, 42.0), (0, 1, 22.0, 22.0, 34.0, 34.0))
    owner = assigned(predicted, truth, SIZE)
    middle = ((predicted.points - 28).abs() <= 4).all(1) & (predicted.levels == 0)
    assert (owner[0][middle] == 1).all()


def test_middleness_by_hand() -> None:
    points = torch.tensor([[5.0, 5.0], [2.0, 5.0], [0.0, 5.0]])
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(3, 1)
    torch.testing.assert_close(middleness(points, boxes), torch.tensor([1.0, 0.5, 0.0]))


def test_a_finding_that_is_not_known_teaches_nothing() -> None:
    model = Detector(CONFIG)
    predicted = predicted_by(model)
    predicted.logits.retain_grad()
    known = torch.tensor([[True, False], [False, False]])
    terms = detection_losses(predicted, true_boxes((0, 0, 20.0, 20.0, 36.0, 36.0)), known, SIZE)
    terms["names"].sum.backward()
    assert predicted.logits.grad is not None
    assert predicted.logits.grad[0, 0].any()
    assert not predicted.logits.grad[0, 1].any()
    assert not predicted.logits.grad[1].any()


def test_a_batch_without_a_box_has_a_loss() -> None:
    terms = detection_losses(
        predicted_by(Detector(CONFIG)), true_boxes(), torch.ones(2, 2).bool(), SIZE
    )
    assert all(torch.isfinite(term.sum) for term in terms.values())
    assert float(terms["names"].sum.detach()) > 0
    assert float(terms["sides"].count) == 0


def test_overlapping_boxes_are_suppressed_by_the_best() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 30.0]])
    assert suppressed(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert suppressed(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.9).tolist() == [1, 0, 2]
    assert suppressed(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.9, most=2).tolist() == [1, 0]
    assert suppressed(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


def test_a_detector_can_be_asked() -> None:
    model = Detector(CONFIG)
    assert isinstance(model, ZeroShotModel)
    answers = model.answer(torch.randn(2, 1, SIZE, SIZE), model.encode_queries([Query("Mass")]))
    assert answers.scores.shape == (2, 1)
    assert answers.grids is not None
    assert answers.grids.shape == (2, 1, 8, 8)
    with pytest.raises(QueryError, match=r"trained on nodule, mass.*asked about heart"):
        model.encode_queries([Query("heart")])


def test_settings_that_cannot_work_are_refused() -> None:
    for changed, message in (
        ({"findings": ()}, "findings must be different"),
        ({"width": 0}, "at least 1"),
        ({"overlap": 1.0}, "overlap"),
    ):
        with pytest.raises(ConfigError, match=message):
            DetectorConfig(
                **{"image": IMAGE, "preprocessing": GREY, "findings": ("mass",), **changed}
            )
