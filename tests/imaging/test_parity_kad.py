"""KAD's official transforms and augmentation, by their recorded outputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from carina.imaging import random_augment as operations
from carina.imaging.preprocessing import CentreCrop, Preprocessing, Squash, prepare, shorter_side_to
from carina.imaging.reader import read_radiograph

IMAGENET = list(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True))


@pytest.fixture(scope="module")
def kad(parity_dir: Path) -> Path:
    return parity_dir / "kad"


def case(kad: Path) -> dict[str, Any]:
    return json.loads((kad / "extras.json").read_text())


def formula_picture(height: int, width: int, shift: float) -> NDArray[np.uint8]:
    """The source picture of the goldens, by the formula of their README."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    red = 110 + 70 * np.sin(x / 7 + shift) + 40 * np.cos(y / 11)
    green = 90 + 60 * np.sin((x + y) / 9 + shift) + 0.3 * x
    blue = 120 + 50 * np.cos((x - 2 * y) / 13) + 0.2 * y
    return np.clip(np.rint(np.dstack([red, green, blue])), 0, 255).astype(np.uint8)


def prepared(
    channel: NDArray[np.float32], resize: Squash | CentreCrop, size: int, index: int
) -> Any:
    mean, std = IMAGENET[index]
    wanted = Preprocessing(size=size, resize=resize, mean=(mean,), std=(std,))
    return prepare(channel, wanted)[0][0].numpy()


def test_parity_kad_squash_equals_the_official_square_resize(kad: Path) -> None:
    picture = formula_picture(**case(kad)["preprocess"]["picture"])
    golden = np.load(kad / "preprocess.npz")["kad.chexpert_resize_224x224_bicubic"]
    for index in range(3):
        channel = picture[..., index].astype(np.float32) / 255
        ours = prepared(channel, Squash(), 224, index)[::4, ::4]
        np.testing.assert_allclose(ours, golden[index], atol=5e-5)


def test_parity_kad_shorter_side_equals_the_official_resize(kad: Path) -> None:
    extras = case(kad)["preprocess"]
    picture = formula_picture(**extras["picture"])
    _, height, width = extras["int_resize_shape"]
    assert shorter_side_to(224, *picture.shape[:2]) == (height, width)
    golden = np.load(kad / "preprocess.npz")["kad.chestxray14_resize_int_224"]
    top, left = round((height - 224) / 2), round((width - 224) / 2)
    # The golden keeps every 4th pixel of the whole picture; ours starts at (top, left) of it.
    y, x = -top % 4, -left % 4
    for index in range(3):
        channel = picture[..., index].astype(np.float32) / 255
        ours = prepared(channel, CentreCrop(), 224, index)[y::4, x::4]
        same = golden[index][(top + y) // 4 :, (left + x) // 4 :]
        np.testing.assert_allclose(ours, same[: ours.shape[0], : ours.shape[1]], atol=5e-5)


def test_parity_kad_16_bit_pictures_equal_the_official_stretch(kad: Path, tmp_path: Path) -> None:
    red = formula_picture(**case(kad)["preprocess"]["picture"])[..., 0].astype(np.uint16)
    Image.fromarray(red * 190 + 3).save(tmp_path / "padchest.png")
    image = read_radiograph(tmp_path / "padchest.png")
    # The official loader divides by the brightest pixel and cuts fractions off; our reader goes by
    # the bit depth, so the stretch is made here.
    levels = np.floor(image.astype(np.float64) / image.max() * 255 + 1e-4)
    golden = np.load(kad / "preprocess.npz")["kad.padchest_16bit_224"]
    for index in range(3):
        ours = prepared((levels / 255).astype(np.float32), Squash(), 224, index)[::4, ::4]
        np.testing.assert_allclose(ours, golden[index], atol=5e-5)


PLAIN = {
    "Identity": operations.identity,
    "AutoContrast": operations.auto_contrast,
    "Equalize": operations.equalize,
    "Brightness": operations.brighten,
}
MOVES = {
    "ShearX": operations.shear_across,
    "ShearY": operations.shear_down,
    "TranslateX": operations.translate_across,
    "TranslateY": operations.translate_down,
    "Rotate": operations.rotate,
}


@pytest.mark.parametrize("name", PLAIN)
def test_parity_kad_look_up_operations_are_exact(kad: Path, name: str) -> None:
    golden = np.load(kad / "augment.npz")
    ours = np.dstack([PLAIN[name](channel) for channel in np.moveaxis(golden["image"], 2, 0)])
    np.testing.assert_array_equal(ours, golden[f"op.{name}.0"])


@pytest.mark.parametrize("name", MOVES)
def test_parity_kad_moves_agree_within_a_grey_level(kad: Path, name: str) -> None:
    golden = np.load(kad / "augment.npz")
    arguments = case(kad)["augment"]["arguments"]
    for variant in (0, 1):
        amount = arguments[f"{name}.{variant}"][0]
        sign = 1 if amount > 0 else -1
        channels = np.moveaxis(golden["image"], 2, 0)
        ours = np.dstack([MOVES[name](np.ascontiguousarray(c), sign) for c in channels])
        difference = np.abs(ours.astype(int) - golden[f"op.{name}.{variant}"].astype(int))
        assert difference.max() <= 1


def test_parity_kad_sharpness_is_exact_where_the_official_code_does_not_wrap(kad: Path) -> None:
    golden = np.load(kad / "augment.npz")
    channels = np.moveaxis(golden["image"], 2, 0)
    ours = np.dstack([operations.sharpen(channel) for channel in channels]).astype(int)
    official = golden["op.Sharpness.0"].astype(int)
    wrapped = np.abs(ours - official) > 128
    np.testing.assert_array_equal(ours[~wrapped], official[~wrapped])
    # Where it wraps, ours is at the end of the range that was left.
    assert wrapped.mean() < 0.01
    assert set(np.unique(ours[wrapped])) <= {0, 255}


def test_parity_kad_auto_contrast_keeps_a_narrow_picture(kad: Path) -> None:
    golden = np.load(kad / "augment.npz")
    assert (golden["reference_bug.AutoContrast_on_narrow_image"] == 255).all()
    for narrow in np.moveaxis(golden["narrow_image"], 2, 0):
        ours = operations.auto_contrast(narrow).astype(int)
        assert (ours.min(), ours.max()) == (0, 255)
        low, high = int(narrow.min()), int(narrow.max())
        stretched = (narrow.astype(float) - low) / (high - low) * 255
        assert np.abs(ours - stretched).max() <= 1


def slim() -> dict[str, Any]:
    """A few of the recorded numbers, so that a clean clone proves something too."""
    numbers: dict[str, Any] = json.loads(Path(__file__).with_name("kad_slim.json").read_text())
    return numbers


def test_operations_equal_a_few_recorded_pixels_of_the_official_code() -> None:
    numbers = slim()
    picture = formula_picture(48, 56, 0.0)
    picture[0, 0], picture[-1, -1] = 0, 255
    red = np.ascontiguousarray(picture[..., 0])
    rows, cols = np.array(numbers["places"]).T
    for name, levels in numbers["operations"].items():
        kind, variant = name.split(".")
        sign = 1 if variant == "0" else -1
        # Of rotation the recording holds -21 degrees first.
        sign = -sign if kind == "Rotate" else sign
        ours = PLAIN[kind](red) if kind in PLAIN else MOVES[kind](red, sign)
        tolerance = 0 if kind in PLAIN else 1
        assert np.abs(ours[rows, cols].astype(int) - levels).max() <= tolerance, name
    assert operations.sharpen(red)[rows, cols].tolist() == numbers["sharpness"]


def test_squash_equals_a_few_recorded_values_of_the_official_transform() -> None:
    numbers = slim()["squash"]
    red = formula_picture(*numbers["size"], 0.0)[..., 0].astype(np.float32) / 255
    rows, cols = np.array(numbers["places"]).T
    ours = prepared(red, Squash(), 224, 0)[::4, ::4][rows, cols]
    np.testing.assert_allclose(ours, numbers["values"], atol=5e-5)
