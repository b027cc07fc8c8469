"""What is suspected of pictures, and what is not."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from carina.imaging.doubts import Doubt, DoubtKind, cells_of, doubts_about, postures
from carina.imaging.films import average_film
from carina.imaging.fingerprint import evened
from carina.imaging.glance import Glance, glance_at


def film(side: int = 256) -> np.ndarray:
    """The average frontal film, with more of what tells how films lie."""
    average = average_film()
    marked = average.picture + 0.5 * average.upright / average.upright.std()
    shades = np.asarray(Image.fromarray(marked).resize((side, side)))
    return np.clip(128 + 50 * shades, 1, 254).astype(np.uint8)


def doubts(picture: np.ndarray) -> tuple[Doubt, ...]:
    return next(doubts_about([glance_at(np.ascontiguousarray(picture))]))


def kinds(picture: np.ndarray) -> list[DoubtKind]:
    return [doubt.kind for doubt in doubts(picture)]


def test_an_upright_frontal_film_raises_no_doubt() -> None:
    assert doubts(film()) == ()


def test_no_pictures_raise_no_doubts() -> None:
    assert list(doubts_about([])) == []


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        (np.rot90(film(), 3), "a quarter turn to the right"),
        (np.rot90(film(), 2), "half a turn"),
        (np.rot90(film()), "a quarter turn to the left"),
    ],
)
def test_turned_films_are_told_with_their_turn(turned: np.ndarray, words: str) -> None:
    (doubt,) = doubts(turned)
    assert doubt.kind is DoubtKind.TURNED
    assert words in doubt.reason
    assert doubt.share is not None
    assert doubt.share > 0.6


def test_inverted_films_are_told() -> None:
    assert kinds(255 - film()) == [DoubtKind.INVERTED]


def test_a_film_may_be_inverted_and_turned() -> None:
    assert kinds(255 - np.rot90(film(), 2)) == [DoubtKind.INVERTED, DoubtKind.TURNED]


def test_mirrored_films_are_told_by_the_heart() -> None:
    (doubt,) = doubts(film()[:, ::-1])
    assert doubt.kind is DoubtKind.MIRRORED
    assert "wrong side" in doubt.reason


def test_the_ways_to_lie_add_up_to_one() -> None:
    even = evened(np.frombuffer(glance_at(film()).thumbnail, np.uint8).reshape(1, 64, 64))
    (posture,) = postures(cells_of(even))
    assert sum(posture.turned) == pytest.approx(1, abs=1e-5)
    assert posture.likeness > 0.7
    (negative,) = postures(-cells_of(even))
    assert negative.inverted == pytest.approx(1 - posture.inverted, abs=1e-5)


def test_a_picture_unlike_any_film_is_named() -> None:
    down = np.linspace(0, 12 * np.pi, 256)
    stripes = 128 + 60 * np.sin(down)[:, None] + 20 * np.sin(down / 6)
    (doubt,) = doubts(stripes.astype(np.uint8))
    assert doubt.kind is DoubtKind.UNLIKE
    assert "another part of the body" in doubt.reason
    assert doubt.share is None


def test_a_blank_picture_is_named() -> None:
    blank = np.random.default_rng(0).integers(100, 104, (80, 80), dtype=np.uint8)
    (doubt,) = doubts(blank)
    assert doubt.kind is DoubtKind.BLANK
    assert "within 3 of 255 grey levels" in doubt.reason


def test_a_mask_is_named() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:60] = 255
    assert kinds(mask) == [DoubtKind.DRAWING]


def test_noise_is_named() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert kinds(noise) == [DoubtKind.NOISE]


def test_a_picture_cut_off_is_named() -> None:
    cut = film()
    cut[180:] = 128
    (doubt,) = doubts(cut)
    assert doubt.kind is DoubtKind.BROKEN
    assert "30% of its rows" in doubt.reason


def test_what_is_broken_is_not_judged_by_how_it_lies() -> None:
    glance = glance_at(np.ascontiguousarray(np.rot90(film(), 2)))
    broken: Glance = replace(glance, dead_rows=0.2)
    assert [d.kind for d in next(doubts_about([broken]))] == [DoubtKind.BROKEN]


def test_values_of_12_bits_in_16_are_told_by_their_darkness() -> None:
    (doubt,) = doubts((film() // 16).astype(np.uint8))
    assert doubt.kind is DoubtKind.DARK
    assert "#bits=12" in doubt.reason
    assert kinds(np.full((64, 64), 5, np.uint8)) == [DoubtKind.BLANK]
