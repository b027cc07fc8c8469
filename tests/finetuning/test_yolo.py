import pytest
import torch

from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, QueryError
from carina.finetuning.yolo import (
    ANCHORS,
    YOLODetector,
    YOLODetectorConfig,
    anchors_of,
    corners,
    decoded_scale,
)
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.zeroshot.protocol import Query, ZeroShotModel

VIT = ViTConfig(size=64, patch=16, dim=16, layers=1, heads=2, hidden=16, channels=1)
GREY = Preprocessing(size=64, resize=Squash(), mean=(0.5,), std=(0.25,))
CONFIG = YOLODetectorConfig(
    image=VIT, preprocessing=GREY, findings=("nodule", "mass"), width=8, expansion=2
)


def test_zeros_say_the_anchor_in_the_middle_of_its_cell() -> None:
    anchors = anchors_of(0, 416, torch.device("cpu"))
    places = decoded_scale(torch.zeros(1, 3, 6, 2, 2), anchors, 416)
    assert places.shape == (1, 12, 6)
    # The second anchor, row 1, column 0: centre at (104, 312) of 416.
    assert places[0, 4 + 2].tolist() == [104.0, 312.0, *map(float, ANCHORS[0][1]), 0.5, 0.5]


def test_corners_are_half_a_side_away_from_the_centre() -> None:
    assert corners(torch.tensor([[10.0, 20.0, 4.0, 6.0]])).tolist() == [[8.0, 17.0, 12.0, 23.0]]


def test_a_detector_can_be_asked_and_draws_in_the_picture() -> None:
    torch.manual_seed(0)
    model = YOLODetector(CONFIG).eval()
    assert isinstance(model, ZeroShotModel)
    pictures = torch.randn(3, 1, 64, 64)
    found = model.detect(pictures)
    assert [len(image) for image in found] == [2, 2, 2]
    for image in found:
        for boxes in image:
            assert boxes.boxes.min() >= 0
            assert boxes.boxes.max() <= 64
            assert (boxes.scores.diff() <= 0).all()
    answers = model.answer(pictures, model.encode_queries([Query("mass"), Query("nodule")]))
    best = torch.tensor([[float(image[1].scores[0]), float(image[0].scores[0])] for image in found])
    torch.testing.assert_close(answers.scores, best)
    assert answers.grids is not None
    assert answers.grids.shape == (3, 2, 8, 8)
    with pytest.raises(QueryError, match="trained on nodule, mass"):
        model.encode_queries([Query("fracture")])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"findings": ()}, "findings must be different"),
        ({"width": 6}, "width must be a multiple of 4, got 6"),
        ({"expansion": 0}, "expansion and most"),
        ({"overlap": 1.0}, "overlap must be in"),
        ({"least": 1.0}, "least in"),
    ],
)
def test_configs_that_cannot_work_are_refused(changed: dict[str, object], message: str) -> None:
    good = {"image": VIT, "preprocessing": GREY, "findings": ("nodule",)}
    with pytest.raises(ConfigError, match=message):
        YOLODetectorConfig(**{**good, **changed})
