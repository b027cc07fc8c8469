"""Fingerprints, and who is close to whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.imaging import fingerprint
from carina.imaging.fingerprint import close_pairs, evened, fingerprints, low_frequencies


def thumbnails(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, (count, 64, 64), dtype=np.uint8)


def directions(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 40)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_evened_thumbnails_have_mean_0_and_deviation_1() -> None:
    even = evened(thumbnails(3))
    np.testing.assert_allclose(even.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(even.std(axis=(1, 2)), 1, atol=1e-4)


@given(gain=st.floats(1.0, 2.5), offset=st.integers(0, 5))
def test_brightness_contrast_and_gamma_leave_evened_thumbnails_alone(
    gain: float, offset: int
) -> None:
    plain = thumbnails(1)
    toned = np.rint(plain * gain + offset).astype(np.uint8)
    np.testing.assert_array_equal(evened(toned), evened(plain))


def test_an_inverted_picture_is_evened_to_the_negative() -> None:
    plain = thumbnails(2)
    np.testing.assert_allclose(evened(255 - plain), -evened(plain), atol=1e-5)


def test_an_even_picture_is_evened_to_zero() -> None:
    assert not evened(np.full((1, 64, 64), 7, np.uint8)).any()


def test_low_frequencies_are_those_of_the_cosine_transform() -> None:
    # Three half waves across the picture, none down it: one term, of half the number of pixels'
    # square root times the side.
    places = (np.arange(64) + 0.5) / 64
    wave = np.cos(3 * np.pi * places)[None].repeat(64, axis=0)[None].astype(np.float32)
    terms = low_frequencies(wave)[0]
    assert terms[2] == pytest.approx(64 / np.sqrt(2), rel=1e-4)
    assert np.abs(np.delete(terms, 2)).max() < 1e-3


def test_fingerprints_have_length_1() -> None:
    lengths = np.linalg.norm(fingerprints(evened(thumbnails(4))), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_no_pictures_have_no_fingerprints() -> None:
    assert fingerprints(evened(np.empty((0, 64, 64), np.uint8))).shape == (0, 143)


def test_close_pairs_are_those_above_the_least_cosine_each_once() -> None:
    vectors = directions(5)
    vectors[3] = vectors[1]
    assert close_pairs(vectors, vectors).tolist() == [[1, 3]]
    assert close_pairs(vectors, -vectors).tolist() == []
    assert close_pairs(vectors[:0], vectors[:0]).shape == (0, 2)
    assert close_pairs(vectors[:1], vectors[:1]).shape == (0, 2)


def test_of_many_close_ones_the_closest_are_kept() -> None:
    vectors = np.zeros((11, 40), np.float32)
    for place, angle in enumerate([0.0, *np.linspace(0.1, 0.9, 10)]):
        vectors[place, :2] = np.cos(angle), np.sin(angle)
    askers = vectors.copy()
    askers[1:] = directions(11)[1:]
    pairs = close_pairs(vectors, askers)
    assert pairs[pairs[:, 0] == 0, 1].tolist() == list(range(1, 9))


def test_pivots_find_what_comparing_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = directions(600)
    copies = vectors[:200] + 0.05 * np.random.default_rng(1).normal(size=(200, 40))
    vectors = np.concatenate([vectors, copies]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    everything = close_pairs(vectors, vectors)
    assert {(i, i + 600) for i in range(200)} <= set(map(tuple, everything.tolist()))
    monkeypatch.setattr(fingerprint, "_COMPARED_WITH_ALL", 0)
    found = set(map(tuple, close_pairs(vectors, vectors).tolist()))
    assert found <= set(map(tuple, everything.tolist()))
    assert {(i, i + 600) for i in range(200)} <= found
