import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from carina.metrics.regions import (
    FOUND,
    box_overlaps,
    connected,
    detect,
    parts_found,
    region_overlaps,
)


def picture(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def blobs(seed: int, share: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).random((9, 12)) < share


def test_parts_that_touch_at_a_side_or_corner_are_one() -> None:
    found = connected(picture("##..#", "...#.", ".....", "#...."))
    expected = [[1, 1, 0, 0, 2], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found.labels, expected)
    assert found.count == 3
    np.testing.assert_array_equal(found.boxes(), [[0, 0, 2, 1], [3, 0, 5, 2], [0, 3, 1, 4]])


def test_runs_at_both_ends_of_neighbouring_rows_do_not_touch() -> None:
    assert connected(picture("...#", "#...")).count == 2


def test_arms_that_meet_below_are_one_part() -> None:
    assert connected(picture("#.#.#", "#.#.#", "#####")).count == 1


def test_empty_mask_has_no_part() -> None:
    found = connected(np.zeros((3, 4), dtype=bool))
    assert found.count == 0
    assert found.boxes().shape == (0, 4)
    assert found.greatest(np.ones((3, 4))).shape == (0,)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.95))
def test_parts_equal_those_of_scipy(seed: int, share: float) -> None:
    mask = blobs(seed, share)
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    found = connected(mask)
    assert found.count == count
    np.testing.assert_array_equal(found.labels, labels)
    for box, where in zip(found.boxes(), ndimage.find_objects(labels), strict=True):
        rows, columns = where
        assert box.tolist() == [columns.start, rows.start, columns.stop, rows.stop]
    heatmap = np.random.default_rng(seed).random(mask.shape)
    peaks = ndimage.maximum(heatmap, labels, np.arange(1, count + 1)) if count else []
    np.testing.assert_array_equal(found.greatest(heatmap), peaks)


def test_overlap_of_boxes_is_worked_by_hand() -> None:
    first = np.array([[0.0, 0.0, 2.0, 2.0]])
    second = np.array([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 4.0, 2.0]])
    # In common 1 of 4 + 4 - 1; all; none, though their sides touch.
    np.testing.assert_allclose(box_overlaps(first, second), [[1 / 7, 1, 0]])


@given(seed=st.integers(0, 2**32 - 1))
def test_overlap_of_parts_equals_that_of_their_pixels(seed: int) -> None:
    first, second = connected(blobs(seed, 0.3)), connected(blobs(seed + 1, 0.4))
    overlaps = region_overlaps(first, second)
    for i, j in itertools.product(range(first.count), range(second.count)):
        a, b = first.labels == i + 1, second.labels == j + 1
        assert overlaps[i, j] == pytest.approx((a & b).sum() / (a | b).sum())


def test_a_part_is_found_once_and_a_region_finds_one() -> None:
    # Both regions lie on one part: the second is a false alarm.
    assert parts_found(np.array([[0.5], [0.4]]), np.array([0.9, 0.8])) == 1
    # One region over two parts has found one of them.
    assert parts_found(np.array([[0.3, 0.3]]), np.array([1.0])) == 1
    assert parts_found(np.array([[FOUND], [0.0]]), np.array([0.1, 0.9])) == 1
    assert parts_found(np.array([[FOUND - 1e-9]]), np.array([1.0])) == 0
    assert parts_found(np.zeros((0, 3)), np.zeros(0)) == 0


def test_the_region_with_the_greatest_peak_chooses_first() -> None:
    # The first has both parts to choose from and takes the one that is all the second has.
    overlaps = np.array([[0.5, 0.4], [0.3, 0.0]])
    assert parts_found(overlaps, np.array([0.9, 0.8])) == 1
    assert parts_found(overlaps, np.array([0.8, 0.9])) == 2


@given(seed=st.integers(0, 2**32 - 1), regions=st.integers(0, 4), parts=st.integers(0, 4))
def test_greedy_matching_is_at_least_half_of_the_best_and_never_more(
    seed: int, regions: int, parts: int
) -> None:
    generator = np.random.default_rng(seed)
    overlaps = generator.random((regions, parts)) * 0.3
    best = max(
        sum(overlaps[i, j] >= FOUND for i, j in zip(rows, columns, strict=True))
        for rows in itertools.permutations(range(regions), min(regions, parts))
        for columns in itertools.combinations(range(parts), min(regions, parts))
    )
    found = parts_found(overlaps, generator.random(regions))
    assert best / 2 <= found <= best


def test_detection_with_boxes_is_worked_by_hand() -> None:
    inside = picture("##....", "##....", "......", "....##")
    heatmap = inside * 0.5
    # The box 2 x 2 is found whole (IoU 1); of the box 4 x 2 the two pixels are 2 / 8 (IoU 0.25);
    # the third box is met by nothing.
    boxes = ((0.0, 0.0, 2.0, 2.0), (2.0, 2.0, 6.0, 4.0), (3.0, 0.0, 5.0, 1.0))
    found = detect(heatmap, inside, np.zeros_like(inside), boxes)
    assert (found.regions, found.parts, found.found) == (2, 3, 2)


def test_detection_with_masks_compares_pixels_and_not_their_boxes() -> None:
    # A thin L encloses the lower right pixel's box but does not hold it.
    inside = picture("####", "#...", "#...", "#...")
    truth = picture("....", "....", "....", "...#")
    found = detect(inside * 1.0, inside, truth)
    assert (found.regions, found.parts, found.found) == (1, 1, 0)
    assert detect(inside * 1.0, inside, truth, ((0.0, 0.0, 4.0, 4.0),)).found == 1


def test_empty_prediction_finds_nothing_and_claims_nothing() -> None:
    truth = picture("#.#")
    found = detect(np.zeros((1, 3)), np.zeros((1, 3), dtype=bool), truth)
    assert (found.regions, found.parts, found.found) == (0, 2, 0)


@given(seed=st.integers(0, 2**32 - 1))
def test_truth_predicted_exactly_is_found_wholly(seed: int) -> None:
    truth = blobs(seed, 0.2)
    found = detect(truth * 1.0, truth, truth)
    assert found.found == found.parts == found.regions


@given(seed=st.integers(0, 2**32 - 1))
def test_detection_does_not_depend_on_left_and_right(seed: int) -> None:
    inside, truth = blobs(seed, 0.3), blobs(seed + 1, 0.3)
    heatmap = np.random.default_rng(seed).random(inside.shape)
    mirrored = [np.ascontiguousarray(one[:, ::-1]) for one in (heatmap, inside, truth)]
    # Peaks differ, so no tie is broken by place; equal overlaps of one region could be.
    one, other = detect(heatmap, inside, truth), detect(*mirrored)
    assert (one.regions, one.parts) == (other.regions, other.parts)
    assert abs(one.found - other.found) <= 1
