"""Overlays, pixel by pixel."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carina.pages.overlay import (
    HALO,
    HEAT_OPACITY,
    OUTLINE,
    fitted,
    heat_colours,
    heat_table,
    jpeg_data_uri,
    overlay,
    png_bytes,
    prominence,
    with_colour_bar,
)


@pytest.fixture
def radiograph() -> np.ndarray:
    return np.random.default_rng(0).random((40, 60)).astype(np.float32)


def test_a_map_of_zeros_leaves_the_radiograph_as_it_is(radiograph: np.ndarray) -> None:
    picture = overlay(radiograph, np.zeros((40, 60), np.float32))
    grey = np.round(radiograph * 255).astype(np.uint8)
    np.testing.assert_array_equal(picture, np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(picture, overlay(radiograph))


def test_a_map_that_is_alike_everywhere_is_nearly_invisible(radiograph: np.ndarray) -> None:
    even = np.full((40, 60), 1 / 2400, np.float32)
    np.testing.assert_array_equal(overlay(radiograph, even), overlay(radiograph))
    noise = np.random.default_rng(1).normal(0, 0.01, (40, 60)).astype(np.float32)
    change = overlay(radiograph, even * (1 + noise)).astype(int) - overlay(radiograph)
    assert abs(change).max() <= 6


def test_prominence_is_the_share_of_the_maximum_above_the_mean() -> None:
    # Mean 1, maximum 4: (4 - 1) / 4; what lies at or below the mean is 0.
    heatmap = np.array([[4.0, 1.0], [0.0, 0.0], [0.5, 0.5]], np.float32)
    expected = [[0.75, 0.0], [0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(prominence(heatmap), expected)
    np.testing.assert_allclose(prominence(heatmap * 1e-6), expected)


def test_colour_and_opacity_follow_prominence() -> None:
    grey = np.full((1, 4), 0.5, np.float32)
    heatmap = np.array([[0.04, 0.0, 0.0, 0.0]], np.float32)  # mean 0.01: prominence 0.75
    picture = overlay(grey, heatmap)
    opacity = 0.75 * HEAT_OPACITY
    expected = 127.5 * (1 - opacity) + heat_table()[191] * opacity
    np.testing.assert_allclose(picture[0, 0], expected, atol=1)
    assert picture[0, 1].tolist() == [128, 128, 128]


def test_colours_grow_lighter_with_the_value() -> None:
    # Luminance by Rec. 709 of linear light, worked apart from OKLab.
    share = heat_table() / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -1e-3).all()
    assert luminance[-1] > 5 * luminance[0]


def test_colours_of_values_outside_the_range_are_those_of_its_ends() -> None:
    np.testing.assert_array_equal(heat_colours(np.array([-1.0, 2.0])), heat_table()[[0, -1]])


def test_the_outline_lies_on_the_inner_border_of_the_mask(radiograph: np.ndarray) -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:20, 15:30] = True
    picture = overlay(radiograph, mask=mask)
    on_outline = (picture == OUTLINE).all(axis=2)
    border = mask.copy()
    border[11:19, 16:29] = False
    np.testing.assert_array_equal(on_outline, border)
    plain = overlay(radiograph)
    inside = mask & ~border
    np.testing.assert_array_equal(picture[inside], plain[inside])
    assert (picture[9, 15:30] == HALO).all()
    assert (picture[20, 15:30] == HALO).all()


def test_a_mask_at_the_edge_of_the_picture_is_closed_there() -> None:
    picture = overlay(np.zeros((6, 6), np.float32), mask=np.ones((6, 6), bool))
    on_outline = (picture == OUTLINE).all(axis=2)
    assert on_outline[0].all()
    assert on_outline[:, -1].all()
    assert not on_outline[1:-1, 1:-1].any()


def test_a_box_is_drawn_where_its_corners_say(radiograph: np.ndarray) -> None:
    picture = overlay(radiograph, boxes=[(5.0, 8.0, 25.0, 30.0)])
    rows, cols = np.nonzero((picture == OUTLINE).all(axis=2))
    assert (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) == (5, 8, 25, 30)


def test_a_box_that_leaves_the_picture_is_cut() -> None:
    picture = overlay(np.zeros((10, 10), np.float32), boxes=[(-5.0, 4.0, 99.0, 99.0)])
    rows, cols = np.nonzero((picture == OUTLINE).all(axis=2))
    assert (cols.min(), rows.min(), cols.max(), rows.max()) == (0, 4, 9, 9)


def test_a_box_shrinks_with_the_picture() -> None:
    picture = overlay(
        np.zeros((400, 200), np.float32), boxes=[(40.0, 80.0, 160.0, 320.0)], longest_side=100
    )
    assert picture.shape == (100, 50, 3)
    rows, cols = np.nonzero((picture == OUTLINE).all(axis=2))
    assert (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) == (10, 20, 40, 80)


@given(height=st.integers(1, 90), width=st.integers(1, 90), side=st.integers(1, 120))
def test_fitting_never_enlarges_and_keeps_the_aspect(height: int, width: int, side: int) -> None:
    small = fitted(np.zeros((height, width), np.float32), side)
    assert max(small.shape) == min(side, max(height, width))
    assert abs(small.shape[0] * width - small.shape[1] * height) <= max(height, width)


def test_fitting_keeps_the_mean_grey() -> None:
    values = np.random.default_rng(1).random((300, 200)).astype(np.float32)
    assert fitted(values, 60).mean() == pytest.approx(values.mean(), abs=0.01)


def test_the_colour_bar_stands_below_and_leaves_the_picture_alone(radiograph: np.ndarray) -> None:
    picture = overlay(radiograph.repeat(8, 0).repeat(8, 1))
    with_bar = with_colour_bar(picture)
    np.testing.assert_array_equal(with_bar[: len(picture)], picture)
    strip = with_bar[len(picture) :].reshape(-1, 3)
    assert (strip == heat_table()[0]).all(axis=1).any()
    assert (strip == heat_table()[-1]).all(axis=1).any()


def test_png_keeps_every_pixel(radiograph: np.ndarray) -> None:
    picture = overlay(radiograph, radiograph)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(picture)))), picture)


def test_a_data_uri_holds_a_jpeg_of_the_size_asked_for() -> None:
    uri = jpeg_data_uri(np.zeros((100, 50, 3), np.uint8), 20)
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (10, 20)
