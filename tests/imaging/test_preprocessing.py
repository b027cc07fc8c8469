"""Preparing a radiograph, and putting maps back on its pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carina.errors import ConfigError
from carina.imaging.preprocessing import (
    CentreCrop,
    Letterbox,
    LetterboxCrop,
    Placement,
    Preprocessing,
    ResizeRule,
    Squash,
    place,
    prepare,
    prepare_levels,
    standardise,
)

RULES = [Squash(), CentreCrop(), Letterbox()]


def plain(size: int, resize: ResizeRule) -> Preprocessing:
    return Preprocessing(size=size, resize=resize, mean=(0.0,), std=(1.0,))


def test_placement_of_each_rule_equals_the_one_worked_by_hand() -> None:
    # 300 high, 200 wide, into 64.
    squash, crop, letterbox = (place(300, 200, plain(64, rule)) for rule in RULES)
    assert (squash.scaled_height, squash.scaled_width, squash.top, squash.left) == (64, 64, 0, 0)
    # Width 200 -> 64, height 300 -> 96: 32 too many, 16 of them above.
    assert (crop.scaled_height, crop.scaled_width, crop.top, crop.left) == (96, 64, -16, 0)
    # Height 300 -> 64, width 200 -> 42.67 -> 43: 21 to spare, half of it left, halves to even.
    assert (letterbox.scaled_height, letterbox.scaled_width) == (64, 43)
    assert (letterbox.top, letterbox.left) == (0, 10)


def test_wide_pictures_are_cropped_and_padded_along_the_other_axis() -> None:
    crop, letterbox = (place(200, 300, plain(64, rule)) for rule in RULES[1:])
    assert (crop.top, crop.left) == (0, -16)
    assert (letterbox.top, letterbox.left) == (10, 0)


def test_squash_equals_pillow() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)
    expected = Image.fromarray(levels).resize((32, 32), Image.Resampling.BICUBIC)
    prepared, _ = prepare(levels.astype(np.float32) / 255, plain(32, Squash()))
    np.testing.assert_allclose(prepared[0].numpy(), np.asarray(expected) / 255, atol=1e-6)


def test_letterbox_pads_with_black() -> None:
    prepared, placement = prepare(np.ones((60, 30), dtype=np.float32), plain(20, Letterbox()))
    assert placement.left == 5
    assert prepared[0, :, :5].max() == prepared[0, :, 15:].max() == 0
    assert prepared[0, :, 5:15].min() == 1


def test_grey_is_repeated_and_standardised_for_three_channels() -> None:
    wanted = Preprocessing(size=16, resize=Squash(), mean=(0.5, 0.2, 0.0), std=(0.25, 0.5, 1.0))
    prepared, _ = prepare(np.full((20, 20), 0.6, dtype=np.float32), wanted)
    assert prepared.shape == (3, 16, 16)
    # (0.6 - 0.5) / 0.25, (0.6 - 0.2) / 0.5, 0.6
    assert prepared[:, 3, 3].tolist() == pytest.approx([0.4, 0.8, 0.6], abs=1e-6)
    batch = standardise(torch.full((2, 1, 4, 4), 0.6), wanted)
    assert batch[1, :, 0, 0].tolist() == pytest.approx([0.4, 0.8, 0.6], abs=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("shape", [(300, 200), (220, 400), (64, 64), (31, 45)])
def test_landmarks_return_to_where_they_were(rule: ResizeRule, shape: tuple[int, int]) -> None:
    height, width = shape
    placement = place(height, width, plain(64, rule))
    # Points well inside the central square, which every rule keeps.
    half = min(shape) // 2 - min(shape) // 8
    middle_y, middle_x = height // 2, width // 2
    for y, x in ((middle_y - half, middle_x + half // 2), (middle_y + half // 3, middle_x - half)):
        grid = np.zeros((64, 64), dtype=np.float32)
        row = (y + 0.5) * placement.scaled_height / height + placement.top
        col = (x + 0.5) * placement.scaled_width / width + placement.left
        grid[int(row), int(col)] = 1
        found = np.unravel_index(placement.to_original(grid).argmax(), shape)
        tolerance = max(height / placement.scaled_height, width / placement.scaled_width)
        assert np.abs(np.subtract(found, (y, x))).max() <= tolerance


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_prepared_landmark_is_found_through_the_picture_itself(rule: ResizeRule) -> None:
    picture = np.zeros((300, 200), dtype=np.float32)
    picture[112:118, 62:68] = 1  # centre (115, 65)
    prepared, placement = prepare(picture, plain(64, rule))
    back = placement.to_original(prepared[0].numpy())
    y, x = np.mgrid[:300, :200]
    weight = np.clip(back, 0, None) / np.clip(back, 0, None).sum()
    assert (y * weight).sum() == pytest.approx(114.5, abs=1.5)
    assert (x * weight).sum() == pytest.approx(64.5, abs=1.5)


def test_what_was_cropped_away_is_zero_and_the_rest_is_kept() -> None:
    placement = place(300, 200, plain(64, CentreCrop()))
    back = placement.to_original(np.ones((7, 7), dtype=np.float32))
    # 16 of 96 rows are cut above and below: 50 of 300 pixels.
    assert back[:50].max() == back[250:].max() == 0
    assert back[50:250].min() == 1


def test_padding_of_a_letterbox_does_not_come_back() -> None:
    grid = np.zeros((4, 4), dtype=np.float32)
    grid[:, 0] = 1  # over the left padding and a part of the picture
    placement = place(64, 32, plain(64, Letterbox()))  # picture in columns 16 to 48
    back = placement.to_original(grid)
    assert back.shape == (64, 32)
    # Pixel 0 is at 16.5 of 64, 1.03 cells: 0.53 beyond the first centre at 0.5.
    assert back[0, 0] == pytest.approx(1 - (16.5 / 16 - 0.5), abs=1e-6)


@given(
    height=st.integers(16, 300),
    width=st.integers(16, 300),
    rows=st.integers(1, 20),
    cols=st.integers(1, 20),
    rule=st.sampled_from(RULES),
)
def test_maps_keep_size_and_range(
    height: int, width: int, rows: int, cols: int, rule: ResizeRule
) -> None:
    placement = place(height, width, plain(48, rule))
    grid = np.random.default_rng(rows * cols).random((rows, cols), dtype=np.float32)
    back = placement.to_original(grid)
    assert back.shape == (height, width)
    assert back.dtype == np.float32
    assert np.isfinite(back).all()
    assert back.min() >= 0
    assert back.max() <= grid.max() + 1e-6


def test_placement_is_made_once_for_pixels_and_maps() -> None:
    _, placement = prepare(np.zeros((50, 40), dtype=np.float32), plain(32, CentreCrop()))
    assert placement == Placement(
        height=50, width=40, size=32, scaled_height=40, scaled_width=32, top=-4, left=0
    )


@pytest.mark.parametrize(
    ("size", "mean", "std", "message"),
    [
        (8, (0.0,), (1.0,), "size must be at least 16 pixels, got 8"),
        (32, (0.0, 0.0), (1.0, 1.0), "must both have 1 or 3 values"),
        (32, (0.0,), (0.0,), "std must be > 0"),
    ],
)
def test_preprocessing_that_cannot_work_is_refused(
    size: int, mean: tuple[float, ...], std: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing(size=size, resize=Squash(), mean=mean, std=std)


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_flat_map_stays_flat_on_the_original_pixels(height: int, width: int, seed: int) -> None:
    wanted = Preprocessing(size=224, resize=Squash(), mean=(0.0,), std=(1.0,))
    value = np.random.default_rng(seed).random(dtype=np.float32)
    grid = np.full((14, 14), value, dtype=np.float32)
    assert np.ptp(place(height, width, wanted).to_original(grid)) == 0


def test_areas_are_averaged_and_the_centre_is_cut() -> None:
    levels = np.zeros((24, 48), dtype=np.uint8)
    levels[:, 24:] = 200
    levels[6:18, 27:30] = 80
    wanted = Preprocessing(size=16, resize=LetterboxCrop(kept=0.5), mean=(0.0,), std=(1.0,))
    pixels, placement = prepare_levels(levels, wanted)
    # 48 pixels become 32, so 24 become 16, with 8 black rows above; half of the square is kept.
    assert (placement.scaled_height, placement.scaled_width) == (16, 32)
    assert (placement.top, placement.left) == (0, -8)
    grey = np.rint(pixels[0].numpy() * 255)
    assert grey[:, :8].max() == 0
    assert grey[0, 8:].tolist() == [200] * 8
    # Each pixel covers 1.5 x 1.5: columns 27 to 30 are the eleventh and twelfth of the input.
    assert grey[6, 8:].tolist() == [200, 200, 80, 80, 200, 200, 200, 200]


@pytest.mark.parametrize("kept", [0.0, 1.1, float("nan")])
def test_a_share_of_the_side_that_cannot_be_is_refused(kept: float) -> None:
    with pytest.raises(ConfigError, match=r"kept must be in \(0, 1\], got"):
        LetterboxCrop(kept=kept)
