"""Augmentation: a function of (seed, step, place), true to points, black outside."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from torch import Tensor

from carina.errors import ConfigError
from carina.imaging import random_augment
from carina.imaging.augmentation import (
    Augmentation,
    BatchShare,
    NoAugmentation,
    RandomAugmentOfficial,
    WarpAugmentation,
)
from carina.imaging.geometry import smooth, warp, warp_points
from carina.imaging.preprocessing import (
    CentreCrop,
    Letterbox,
    Preprocessing,
    ResizeRule,
    Squash,
    prepare,
)

STILL = WarpAugmentation(
    scale=(1.0, 1.0), aspect=(1.0, 1.0), rotation_degrees=0.0, brightness=0.0, contrast=0.0
)
KAD_PAPER = WarpAugmentation(
    scale=(0.2, 1.0),
    aspect=(0.75, 1.333),
    rotation_degrees=10.0,
    flip=0.5,
    brightness=0.36,
    contrast=0.36,
    sharpness=0.36,
)
EVERYTHING = replace(KAD_PAPER, shear=0.1, translation=0.1, gamma=0.5, noise=0.1)
ALL = [STILL, KAD_PAPER, EVERYTHING, NoAugmentation(resize=Squash()), RandomAugmentOfficial()]


def stored(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth pictures of three shapes, padded to a common size, and their sizes."""
    generator = np.random.default_rng(seed)
    shapes = [((40, 56), (56, 40), (40, 40))[i % 3] for i in range(count)]
    pixels = torch.zeros(count, 1, 56, 56, dtype=torch.uint8)
    for i, (height, width) in enumerate(shapes):
        coarse = Image.fromarray(generator.integers(30, 226, (5, 5), dtype=np.uint8))
        picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        pixels[i, 0, :height, :width] = torch.from_numpy(picture.copy())
    return pixels, torch.tensor(shapes)


def whole_batch(count: int, *, seed: int, step: int) -> BatchShare:
    return BatchShare(seed=seed, step=step, rows=range(count), batch_size=count)


def run(augmentation: Augmentation, pixels: Tensor, sizes: Tensor, **changes: Any) -> Tensor:
    share = whole_batch(len(pixels), seed=3, step=5)
    return augmentation(pixels, sizes, changes.pop("size", 32), replace(share, **changes))


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
def test_result_does_not_depend_on_how_the_batch_is_shared(augmentation: Augmentation) -> None:
    pixels, sizes = stored(9)
    whole = run(augmentation, pixels, sizes)
    for rows in (range(0, 4), range(4, 9), range(7, 8)):
        part = slice(rows.start, rows.stop)
        mine = run(augmentation, pixels[part], sizes[part], rows=rows, batch_size=9)
        torch.testing.assert_close(mine, whole[part], atol=2e-6, rtol=0)


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
def test_values_stay_in_range_and_pixels_are_not_touched(augmentation: Augmentation) -> None:
    pixels, sizes = stored(6)
    before = pixels.clone()
    images = run(augmentation, pixels, sizes)
    assert images.shape == (6, 1, 32, 32)
    assert images.dtype == torch.float32
    assert 0 <= images.min() <= images.max() <= 1
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("augmentation", [KAD_PAPER, EVERYTHING, RandomAugmentOfficial()])
def test_step_and_seed_change_the_result_and_nothing_else_does(augmentation: Augmentation) -> None:
    pixels, sizes = stored(3)
    first = run(augmentation, pixels, sizes)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  the global state must not matter
    assert torch.equal(first, run(augmentation, pixels, sizes))
    assert not torch.equal(first, run(augmentation, pixels, sizes, step=6))
    assert not torch.equal(first, run(augmentation, pixels, sizes, seed=4))
    twins = run(augmentation, pixels[:1].expand(3, -1, -1, -1), sizes[:1].expand(3, -1))
    assert not torch.equal(twins[0], twins[1])


def test_still_warp_of_a_picture_of_the_same_size_is_that_picture() -> None:
    pixels, sizes = stored(3)
    square, size = pixels[2:, :, :40, :40], sizes[2:]
    torch.testing.assert_close(run(STILL, square, size, size=40), square / 255, atol=1e-5, rtol=0)


def test_flip_mirrors_about_half_of_the_pictures() -> None:
    pixels, sizes = stored(3)
    square = pixels[2:, :, :40, :40].expand(200, -1, -1, -1)
    images = run(replace(STILL, flip=0.5), square, sizes[2:].expand(200, -1), size=40)
    flipped = (images - square.flip(3) / 255).abs().amax((1, 2, 3)) < 1e-4
    same = (images - square / 255).abs().amax((1, 2, 3)) < 1e-4
    assert (flipped ^ same).all()
    assert 70 <= flipped.sum() <= 130


def test_rotation_is_true_to_angles_on_pictures_that_are_not_square() -> None:
    # A rotation of the source, not of the squashed result: distances in source pixels are kept.
    turn = replace(STILL, rotation_degrees=30.0)
    sizes = torch.tensor([[200, 300]]).expand(50, -1)
    matrices = turn.warps(sizes, size=100, share=whole_batch(50, seed=1, step=1))
    across = matrices[:, :, 0] / 3  # one source pixel to the right
    down = matrices[:, :, 1] / 2
    torch.testing.assert_close(across.norm(dim=1), torch.ones(50))
    torch.testing.assert_close(down.norm(dim=1), torch.ones(50))
    torch.testing.assert_close((across * down).sum(1), torch.zeros(50), atol=1e-6, rtol=0)
    angles = torch.rad2deg(torch.atan2(across[:, 1], across[:, 0]))
    assert 20 < angles.abs().max() <= 30
    assert angles.min() < -10 < 10 < angles.max()
    centre = (matrices @ torch.tensor([50.0, 50.0, 1.0]))[0]
    torch.testing.assert_close(centre, torch.tensor([150.0, 100.0]))


def test_crops_keep_the_share_of_the_area_and_lie_inside() -> None:
    crops = replace(STILL, scale=(0.25, 0.5), aspect=(0.8, 1.25))
    sizes = torch.tensor([[120, 80]]).expand(300, -1)
    matrices = crops.warps(sizes, size=32, share=whole_batch(300, seed=0, step=0))
    corners = matrices @ torch.tensor([[0.0, 32.0], [0.0, 32.0], [1.0, 1.0]])
    assert corners[:, 0].min() >= -1e-4
    assert corners[:, 0].max() <= 80 + 1e-4
    assert corners[:, 1].max() <= 120 + 1e-4
    extent = corners[:, :, 1] - corners[:, :, 0]
    share = extent.prod(1) / (120 * 80)
    assert 0.249 <= share.min() < 0.27
    assert 0.48 < share.max() <= 0.501
    stretch = (extent[:, 0] / 80) / (extent[:, 1] / 120)
    assert 0.799 <= stretch.min() < 0.85
    assert 1.18 < stretch.max() <= 1.251


def test_points_and_masks_move_with_the_picture() -> None:
    generator = np.random.default_rng(2)
    pixels = torch.zeros(30, 1, 100, 120, dtype=torch.uint8)
    places = generator.integers(35, 65, (30, 2))
    for i, (x, y) in enumerate(places):
        pixels[i, 0, y - 2 : y + 3, x - 2 : x + 3] = 255
    sizes = torch.tensor([[100, 120]]).expand(30, -1)
    moving = replace(STILL, scale=(0.6, 1.0), rotation_degrees=20.0, shear=0.2, flip=0.5)
    share = whole_batch(30, seed=8, step=1)
    images = moving(pixels, sizes, 64, share)
    matrices = moving.warps(sizes, 64, share)
    torch.testing.assert_close(warp(pixels.float() / 255, matrices, (64, 64)), images)
    points = torch.from_numpy(places[:, None] + 0.5).float()
    moved = warp_points(points, matrices)[:, 0]
    inside = (moved > 6).all(1) & (moved < 58).all(1)
    assert inside.sum() > 10
    grid = torch.arange(64) + 0.5
    for image, point in zip(images[inside, 0], moved[inside], strict=True):
        centre = torch.stack([(image.sum(0) * grid).sum(), (image.sum(1) * grid).sum()])
        torch.testing.assert_close(centre / image.sum(), point, atol=0.25, rtol=0)


def test_outside_of_the_picture_is_black_even_beside_the_padding() -> None:
    pixels = torch.full((1, 1, 60, 80), 255, dtype=torch.uint8)
    pixels[:, :, :, 40:] = 0
    pixels[:, :, 30:] = 0
    images = run(replace(STILL, translation=1.0), pixels, torch.tensor([[30, 40]]), step=2)
    assert images.min() == 0
    assert images.max() == 1


def test_brightness_and_contrast_follow_their_formulas() -> None:
    pixels, sizes = stored(40)
    pixels = pixels.clamp(min=20)
    base = run(STILL, pixels, sizes)
    bright = run(replace(STILL, brightness=0.3), pixels, sizes)
    factor = (bright / base).flatten(1).median(1).values
    torch.testing.assert_close(bright, (base * factor[:, None, None, None]).clamp(0, 1))
    assert 0.7 <= factor.min() < 0.8
    contrast = run(replace(STILL, contrast=0.3), pixels, sizes)
    mean = base.mean((2, 3), keepdim=True)
    spread = (contrast - mean).square().mean((1, 2, 3)) / (base - mean).square().mean((1, 2, 3))
    assert 0.49 <= spread.min() < 0.6
    assert 1.4 < spread.max() <= 1.69 + 1e-4


def test_gamma_keeps_black_and_white() -> None:
    pixels = torch.zeros(20, 1, 32, 32, dtype=torch.uint8)
    pixels[:, :, :10], pixels[:, :, 10:20] = 255, 64
    images = run(replace(STILL, gamma=1.0), pixels, torch.tensor([[32, 32]]).expand(20, -1))
    assert images[:, :, 25].abs().max() < 1e-6
    torch.testing.assert_close(images[:, :, 5], torch.ones(20, 1, 32))
    exponent = images[:, 0, 15, 15].log() / np.log(64 / 255)
    assert 0.5 <= exponent.min() < 0.7
    assert 1.5 < exponent.max() <= 2


def test_noise_has_up_to_the_deviation_asked_and_differs_between_pictures() -> None:
    pixels = torch.full((60, 1, 32, 32), 128, dtype=torch.uint8)
    images = run(replace(STILL, noise=0.1), pixels, torch.tensor([[32, 32]]).expand(60, -1))
    inner = images[:, 0]
    deviation = (inner - 128 / 255).std((1, 2))
    assert deviation.min() < 0.02
    assert 0.08 < deviation.max() <= 0.11
    strong = inner[deviation > 0.05] - 128 / 255
    correlation = torch.corrcoef(strong.flatten(1)).fill_diagonal_(0)
    # Two of the 60 may share a shift of the one field by chance; the rest must not.
    assert (correlation.abs() > 0.2).float().mean() < 0.01


def test_smooth_equals_pillows_filter() -> None:
    levels = np.random.default_rng(4).integers(0, 256, (20, 30), dtype=np.uint8)
    ours = smooth(torch.from_numpy(levels)[None, None].float())[0, 0].numpy()
    pillows = np.asarray(Image.fromarray(levels).filter(ImageFilter.SMOOTH)).astype(float)
    assert np.abs(ours - pillows)[1:-1, 1:-1].max() <= 0.51


def test_store_of_twice_the_size_is_averaged_before_the_warp() -> None:
    # Alternating black and white columns: skipping every other one would leave a flat extreme.
    pixels = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    pixels[..., ::2] = 255
    images = run(STILL, pixels, torch.tensor([[64, 64]]), size=32)
    torch.testing.assert_close(images[..., 1:-1], torch.full((1, 1, 32, 30), 0.5))


@pytest.mark.parametrize("rule", [Squash(), CentreCrop(), Letterbox()])
def test_no_augmentation_agrees_with_prepare(rule: ResizeRule) -> None:
    pixels, sizes = stored(6)
    images = run(NoAugmentation(resize=rule), pixels, sizes)
    wanted = Preprocessing(size=32, resize=rule, mean=(0.0,), std=(1.0,))
    for image, picture, (height, width) in zip(images, pixels, sizes.tolist(), strict=True):
        own = picture[0, :height, :width].numpy().astype(np.float32) / 255
        # Pillow rounds to whole levels twice.
        torch.testing.assert_close(image, prepare(own, wanted)[0], atol=2.1 / 255, rtol=0)


def test_official_crops_and_operations_vary_as_specified() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).mul(3)[None, None, None].expand(400, 1, 64, 64)
    sizes = torch.tensor([[64, 64]]).expand(400, -1)
    images = run(RandomAugmentOfficial(), ramp, sizes, size=24)[:, 0, 12]
    rising = (images[:, -1] > images[:, 0]).float().mean()
    assert 0.4 < rising < 0.6  # half of them are flipped
    span = (images[:, -1] - images[:, 0]).abs() * 255
    # Crops of 20 to 100 % of the area show 39 % to all of 64 columns, 3 levels each.
    assert span.min() < 90
    assert span.max() > 150


def test_official_crop_falls_back_on_the_centre_of_a_narrow_picture() -> None:
    image = np.zeros((10, 400), dtype=np.uint8)
    image[:, 195:205] = 200
    crop = random_augment.random_resized_crop(image, 20, np.random.default_rng(0))
    # 400 x 10 is too wide for any ratio up to 4:3 of large area; the fallback keeps 13 x 10.
    assert crop[:, 10].min() >= 199


@given(seed=st.integers(0, 2**32 - 1), step=st.integers(0, 10**6))
def test_warps_of_any_seed_can_be_undone(seed: int, step: int) -> None:
    sizes = torch.tensor([[50, 70], [90, 40]])
    matrices = EVERYTHING.warps(sizes, size=32, share=whole_batch(2, seed=seed, step=step))
    there = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(seed % 2**31)) * 32
    source = there @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]
    torch.testing.assert_close(warp_points(source, matrices), there, atol=1e-3, rtol=1e-3)


def test_operations_of_flat_pictures_leave_them_as_they_are() -> None:
    flat = np.full((8, 8), 90, dtype=np.uint8)
    for operation in (random_augment.auto_contrast, random_augment.equalize):
        np.testing.assert_array_equal(operation(flat), flat)


def test_operations_equal_recorded_levels_of_the_official_code() -> None:
    # A ramp 0, 1, ... in a row: brightness 1.36 cuts fractions off, equalise spreads evenly.
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    assert random_augment.brighten(ramp)[0, [1, 2, 3, 100, 187, 188]].tolist() == [
        1,
        2,
        4,
        136,
        254,
        255,
    ]
    np.testing.assert_array_equal(random_augment.auto_contrast(ramp), ramp)
    half = (ramp // 2) + 20  # 20 to 147
    stretched = random_augment.auto_contrast(half)
    assert (stretched.min(), stretched.max()) == (0, 255)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": (0.0, 1.0)}, "scale must be 0 < low <= high <= 1"),
        ({"scale": (0.9, 0.5)}, "scale must be"),
        ({"aspect": (2.0, 1.0)}, "aspect must be 0 < low <= high"),
        ({"flip": 1.5}, "flip must be a probability"),
        ({"rotation_degrees": 181.0}, "rotation_degrees must be from 0 to 180"),
        ({"shear": -0.1}, "shear must be from 0 to 1"),
        ({"noise": float("nan")}, "noise must be from 0 to 1"),
        ({"gamma": 4.0}, "gamma must be from 0 to 3 octaves"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WarpAugmentation(**values)
