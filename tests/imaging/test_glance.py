"""What is kept of a picture."""

import numpy as np
import pytest

from carina.imaging.glance import GLANCE_SIDE, glance_at, thumbnails_of, without_border


def clouds(seed: int, height: int = 120, width: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).integers(30, 220, (height, width), dtype=np.uint8)


def test_uniform_borders_are_left_out_of_the_thumbnail() -> None:
    picture = clouds(0)
    framed = np.pad(picture, ((10, 0), (30, 20)))
    np.testing.assert_array_equal(without_border(framed), picture)
    assert glance_at(framed).thumbnail == glance_at(picture).thumbnail


def test_a_picture_that_is_mostly_uniform_keeps_its_border() -> None:
    framed = np.pad(clouds(0), ((100, 100), (0, 0)))
    assert without_border(framed).shape == framed.shape


def test_spread_is_between_the_first_and_the_last_percentile() -> None:
    # 201 levels, each once: the 1st and 99th percentile are 2 and 198 above the lowest.
    picture = np.arange(20, 221, dtype=np.uint8)[None].repeat(40, axis=0)
    assert glance_at(picture).spread == pytest.approx(196)


@pytest.mark.parametrize(("level", "share"), [(128, 0.25), (0, 0.0), (255, 0.0)])
def test_dead_rows_are_grey_ones(level: int, share: float) -> None:
    picture = clouds(1)
    picture[90:] = level
    assert glance_at(picture).dead_rows == share


def test_black_and_white_are_counted() -> None:
    picture = np.full((20, 20), 100, np.uint8)
    picture[:5], picture[5:10] = 0, 255
    assert glance_at(picture).black_or_white == 0.5


def test_thumbnails_come_back_in_order() -> None:
    glances = [glance_at(clouds(seed)) for seed in (1, 2)]
    thumbnails = thumbnails_of(glances)
    assert thumbnails.shape == (2, GLANCE_SIDE, GLANCE_SIDE)
    assert thumbnails[1].tobytes() == glances[1].thumbnail
