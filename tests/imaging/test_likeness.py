"""The second, finer comparison of two pictures."""

import numpy as np
import pytest
from PIL import Image

from carina.imaging.fingerprint import EvenedThumbnails, evened
from carina.imaging.glance import CLOSER_SIDE, glance_at, squeezed, thumbnails_of
from carina.imaging.likeness import ALIKE, SAME, likeness, likenesses


def picture(seed: int, height: int = 256, width: int = 256) -> np.ndarray:
    """Shades like those of all films, and structure of its own."""
    down, across = np.mgrid[0 : np.pi : height * 1j, 0 : 3 * np.pi : width * 1j]
    grain = np.random.default_rng(seed).normal(0, 1, (height // 6, width // 6))
    fine = Image.fromarray(grain.astype(np.float32)).resize((width, height))
    shades = 60 * np.sin(down) * np.cos(across) + 25 * np.asarray(fine)
    return np.clip(128 + shades, 1, 254).astype(np.uint8)


def alike(first: np.ndarray, second: np.ndarray, sign: int = 1) -> float:
    even = evened(thumbnails_of([glance_at(first), glance_at(second)]))
    return float(likeness(even[:1], sign * even[1:])[0])


def test_a_picture_is_like_itself() -> None:
    assert alike(picture(0), picture(0)) == pytest.approx(1, abs=0.03)


def test_pictures_with_the_same_shades_and_other_structure_are_not_alike() -> None:
    values = [alike(picture(0), picture(seed)) for seed in range(1, 8)]
    assert max(values) < 0.5


@pytest.mark.parametrize(
    "box", [(0, 0, 246, 246), (10, 6, 250, 256), (8, 8, 248, 248)], ids=["corner", "side", "all"]
)
def test_a_cropped_picture_is_like_the_whole(box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    assert alike(picture(0), picture(0)[top:bottom, left:right]) > 0.85


def test_a_marker_changes_little() -> None:
    marked = picture(0)
    marked[10:30, 10:50] = 255
    assert alike(picture(0), marked) > 0.9


def test_an_inverted_picture_is_like_the_negative() -> None:
    assert alike(picture(0), 255 - picture(0), sign=-1) > 0.9
    assert not alike(picture(0), 255 - picture(0)) > ALIKE


def test_even_pictures_are_like_nothing() -> None:
    even = np.zeros((1, 64, 64), np.float32)
    assert np.isnan(likeness(even, even))


def test_a_closer_look_tells_a_copy_from_another_picture() -> None:
    plain, small = picture(0), np.asarray(Image.fromarray(picture(0)).resize((180, 180)))
    even = evened(np.stack([squeezed(each, CLOSER_SIDE) for each in (plain, small, picture(1))]))
    copy, other = likeness(even[[0, 0]], even[[1, 2]])
    assert copy > 0.9
    assert other < SAME


def test_likenesses_of_pairs_come_in_their_order_by_any_number_of_threads() -> None:
    seeds = (0, 1, 0, 2)
    even = EvenedThumbnails(thumbnails_of([glance_at(picture(seed)) for seed in seeds]))
    pairs = np.array([[0, 1], [0, 2], [1, 3]] * 60)
    alone = list(likenesses(even, pairs))
    assert [value > ALIKE for value in alone] == [False, True, False] * 60
    assert list(likenesses(even, pairs, threads=2)) == alone
