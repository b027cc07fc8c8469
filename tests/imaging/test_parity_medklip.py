"""MedKLIP's official evaluation transform and box masks, by their recorded outputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from carina.imaging.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    BilinearSquash,
    Preprocessing,
    prepare,
)
from carina.metrics.grounding import box_mask

SLIM = Path(__file__).with_name("medklip_slim.json")


@pytest.fixture(scope="module")
def official(parity_dir: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((parity_dir / "medklip" / "extras.json").read_text())
    return case["preprocess"]


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> dict[str, NDArray[Any]]:
    return dict(np.load(parity_dir / "medklip" / "preprocess.npz"))


def formula_picture(height: int, width: int, shift: float) -> NDArray[np.uint8]:
    """The source picture of the goldens, by the formula of their README."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    red = 110 + 70 * np.sin(x / 7 + shift) + 40 * np.cos(y / 11)
    green = 90 + 60 * np.sin((x + y) / 9 + shift) + 0.3 * x
    blue = 120 + 50 * np.cos((x - 2 * y) / 13) + 0.2 * y
    return np.clip(np.rint(np.dstack([red, green, blue])), 0, 255).astype(np.uint8)


def squashed(channel: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
    wanted = Preprocessing(
        size=224,
        resize=BilinearSquash(),
        mean=(IMAGENET_MEAN[index],),
        std=(IMAGENET_STD[index],),
    )
    return prepare(channel.astype(np.float32) / 255, wanted)[0][0].numpy()


def test_parity_medklip_squash_equals_the_official_bilinear_resize(
    official: dict[str, Any], golden: dict[str, NDArray[Any]]
) -> None:
    picture = formula_picture(**official["picture"])
    for index, channel in enumerate(golden["medklip.eval_resize_224x224_bilinear"]):
        ours = squashed(picture[..., index], index)[::4, ::4]
        np.testing.assert_allclose(ours, channel, atol=5e-5)


def test_parity_medklip_box_mask_equals_the_official_one(
    official: dict[str, Any], golden: dict[str, NDArray[Any]]
) -> None:
    boxes = []
    for text in official["rsna_boxes"].split("|"):
        x, y, width, height = (float(number) for number in text.split(";"))
        boxes.append((x, y, x + width, y + height))
    # The official code paints at 1024 pixels and keeps the pixel at the floor of each 224th.
    kept = np.arange(224) * 1024 // 224
    ours = box_mask(boxes, 1024, 1024)[np.ix_(kept, kept)]
    np.testing.assert_array_equal(ours, golden["medklip.rsna_box_mask_224"].astype(bool))


def test_bilinear_squash_equals_a_few_recorded_values_of_the_official_transform() -> None:
    slim = json.loads(SLIM.read_text())
    picture = formula_picture(**slim["picture"])
    rows, cols = np.array(slim["places"]).T
    for index, values in enumerate(slim["values"]):
        ours = squashed(picture[..., index], index)[::4, ::4][rows, cols]
        np.testing.assert_allclose(ours, values, atol=5e-5)
