import math

import pytest
import torch

from carina.losses.yolo import shape_overlap, yolo_targets, yolo_terms

ANCHORS = torch.tensor([[1.0, 1.0], [3.0, 1.0]])


def test_shapes_overlap_with_one_more_cell_a_side() -> None:
    # 2 x 2 and 4 x 2 cells of pixel-to-pixel sides: 4 of 8.
    assert shape_overlap(torch.tensor([[1.0, 1.0]]), ANCHORS).tolist() == [[1.0, 0.5]]


def test_a_box_belongs_to_the_cell_of_its_centre_and_the_anchor_of_its_shape() -> None:
    boxes = torch.tensor([[0.6, 0.3, 0.75, 0.25]])  # on 4 x 4 cells: centre (2.4, 1.2), 3 x 1
    targets = yolo_targets(boxes, torch.tensor([1]), torch.tensor([1]), ANCHORS, shape=(2, 4, 4, 2))
    assert targets.owned.nonzero().tolist() == [[1, 1, 1, 2]]
    # The other anchor fits by just one half, which is not better: it is background.
    assert (~targets.background).nonzero().tolist() == [[1, 1, 1, 2]]
    assert float(targets.x[1, 1, 1, 2]) == pytest.approx(0.4, abs=1e-5)
    assert float(targets.y[1, 1, 1, 2]) == pytest.approx(0.2, abs=1e-5)
    assert float(targets.width[1, 1, 1, 2]) == pytest.approx(0.0, abs=1e-6)
    assert targets.classes[1, 1, 1, 2].tolist() == [0.0, 1.0]
    assert float(targets.classes.sum()) == 1


def test_an_anchor_that_fits_a_little_worse_is_not_taught() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.25]])  # 2 x 1 cells: 4 of 6 and 6 of 8
    targets = yolo_targets(boxes, torch.tensor([0]), torch.tensor([0]), ANCHORS, shape=(1, 4, 4, 1))
    assert targets.owned.nonzero().tolist() == [[0, 1, 0, 0]]
    assert (~targets.background).nonzero().tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert float(targets.width[0, 1, 0, 0]) == pytest.approx(math.log(2 / 3), abs=1e-5)


def test_a_centre_on_the_far_edge_is_in_the_last_cell() -> None:
    boxes = torch.tensor([[1.0, 1.0, 0.25, 0.25]])
    targets = yolo_targets(boxes, torch.tensor([0]), torch.tensor([0]), ANCHORS, shape=(1, 4, 4, 1))
    assert targets.owned.nonzero().tolist() == [[0, 0, 3, 3]]


def test_a_picture_without_a_box_is_background_everywhere() -> None:
    none = torch.zeros(0, dtype=torch.long)
    targets = yolo_targets(torch.zeros(0, 4), none, none, ANCHORS, shape=(1, 2, 2, 1))
    assert targets.background.all()
    terms = yolo_terms(torch.zeros(1, 2, 6, 2, 2), targets)
    # Confidence one half everywhere: half of log 2; nothing else is taught.
    assert float(terms.pop("confidence")) == pytest.approx(0.5 * math.log(2), rel=1e-6)
    assert [float(value) for value in terms.values()] == [0.0] * 5
